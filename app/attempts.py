"""Sign-in attempts on their way through a provider: each in a sealed cookie of its own.

The browser carries what is needed to finish an attempt, so any worker and any host can; it can
neither read nor change it. What a cookie can't do is forget that it was used: see `replays`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field

from cryptography.fernet import Fernet, InvalidToken

from .keys import Secret

LIFETIME_SECONDS = 15 * 60
AT_ONCE = 5
"""How many attempts one browser may have under way; a browser keeps 4 KB of cookies or more."""

_NAME = re.compile(r"(?P<started>[0-9a-f]{9})-(?P<state>[0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in: with whom, where to go afterwards, and the provider's secrets.

    `silent` attempts end at `target` without a word when the provider can't sign in silently.
    """

    provider: str
    target: str
    silent: bool
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def state(self) -> str:
        """The value by which the provider's answer is matched to its attempt."""
        return self.secrets["state"]


class Attempts:
    """Seals attempts into cookies and opens them again. `prefix` begins each cookie's name."""

    def __init__(self, secret: Secret, prefix: str) -> None:
        key = base64.urlsafe_b64encode(secret.derive("usher sign-in attempt"))
        self._fernet = Fernet(key)
        self._prefix = prefix

    def seal(self, attempt: Attempt, now: float) -> tuple[str, str]:
        """Return the name and the value of the attempt's cookie."""
        text = json.dumps(astuple(attempt), separators=(",", ":"))
        value = self._fernet.encrypt_at_time(text.encode(), int(now)).decode()
        return f"{self._prefix}{int(now):09x}-{_digest(attempt.state)}", value

    def open(self, state: str, cookies: Mapping[str, str], now: float) -> Attempt | None:
        """Return the attempt that this state belongs to, if the browser has it under way."""
        name = self.name(state, cookies)
        if name is None:
            return None
        try:
            text = self._fernet.decrypt_at_time(
                cookies[name].encode(), LIFETIME_SECONDS, int(now)
            )
        except InvalidToken:
            return None
        attempt = Attempt(*json.loads(text))
        return attempt if attempt.state == state else None

    def name(self, state: str, cookies: Iterable[str]) -> str | None:
        """Return the name of the cookie that belongs to this state."""
        digest = _digest(state)
        return next((name for name in self._ours(cookies) if name.endswith(digest)), None)

    def surplus(self, cookies: Iterable[str]) -> list[str]:
        """Return the names of the oldest cookies, to be dropped before one more is set."""
        return sorted(self._ours(cookies), reverse=True)[AT_ONCE - 1 :]

    def _ours(self, cookies: Iterable[str]) -> Iterable[str]:
        return (
            name
            for name in cookies
            if name.startswith(self._prefix) and _NAME.fullmatch(name, len(self._prefix))
        )


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]
