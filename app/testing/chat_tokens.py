"""Chat tokens, opened as iAdvize opens them: for tests of what a page gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from ..inspection import USER_ID, VISITOR_DATA, Inspection, inspect_token


class ChatTokens:
    """Opens tokens with iAdvize's private key (one of the test's own, that is).

    `signing_key` is the brand's public key, `issuer` the `iss` that is expected, `clock` gives
    seconds since the epoch. Built on joserfc, with which no token is made.
    """

    def __init__(
        self,
        *,
        recipient_key: RSAPrivateKey,
        signing_key: RSAPublicKey,
        issuer: str,
        clock: Callable[[], float],
    ) -> None:
        self._recipient_key = recipient_key
        self._signing_key = signing_key
        self._issuer = issuer
        self._clock = clock

    def inspect(self, token: str) -> Inspection:
        """Return what the token holds and what each rule of iAdvize's contract says of it."""
        return inspect_token(
            token,
            recipient_key=self._recipient_key,
            signing_key=self._signing_key,
            issuer=self._issuer,
            now=self._clock(),
        )

    def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims. Raises `AssertionError` with the rules that the token breaks."""
        found = self.inspect(token)
        if not found.accepted or found.claims is None:
            raise AssertionError(f"iAdvize would refuse this token: {_faults(found)}")
        return found.claims

    def about(
        self, user_id: str, visitor_data: Mapping[str, str] | None = None
    ) -> ChatTokenAbout:
        """Return a value that equals exactly the tokens that are good now for this person."""
        return ChatTokenAbout(self, user_id, visitor_data or {})


class ChatTokenAbout:
    """Equals a good token about one person; its `repr` says what was wrong with another."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, tokens: ChatTokens, user_id: str, visitor_data: Mapping[str, str]
    ) -> None:
        self._tokens = tokens
        self._expected = {USER_ID: user_id, VISITOR_DATA: dict(visitor_data)}
        self._verdict = ""

    def __eq__(self, other: object) -> bool:
        found = self._tokens.inspect(other) if isinstance(other, str) else None
        if found is None:
            self._verdict = ", compared to what is no text"
        elif not found.accepted or found.claims is None:
            self._verdict = f", compared to one that fails: {_faults(found)}"
        else:
            said = {VISITOR_DATA: {}, **found.claims}
            said = {name: said[name] for name in self._expected}
            self._verdict = f", compared to one about {said}"
            return said == self._expected
        return False

    def __repr__(self) -> str:
        return f"<a chat token about {self._expected}{self._verdict}>"


def _faults(found: Inspection) -> str:
    return "; ".join(
        f"{check.name}: {check.detail}" for check in found.checks if check.passed is not True
    )
