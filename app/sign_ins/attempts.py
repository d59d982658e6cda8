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
from dataclasses import dataclass, field
from itertools import accumulate

from cryptography.fernet import Fernet, InvalidToken

from ..keys import Secret

LIFETIME_SECONDS = 15 * 60
AT_ONCE = 5
"""How many attempts one browser may have under way."""
ROOM_BYTES = 4093
"""How long their cookies may be together, since servers refuse long headers."""

_NAME = re.compile(r"(?P<started>[0-9a-f]{9})-(?P<state>[0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in: with whom, where to go afterwards, and the provider's secrets.

    `silent` attempts end at `target` without a word, whatever comes of them. `begun_at` is in
    seconds since the epoch. The secret named `state` comes back with the provider's answer.
    """

    provider: str
    target: str
    silent: bool
    begun_at: float
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

    def seal(self, attempt: Attempt) -> tuple[str, str]:
        """Return the name and the value of the attempt's cookie."""
        second = int(attempt.begun_at)
        value = self._fernet.encrypt_at_time(_to_json(attempt).encode(), second).decode()
        return f"{self._prefix}{second:09x}-{_digest(attempt.state)}", value

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
        attempt = _from_json(text)
        return attempt if attempt is not None and attempt.state == state else None

    def name(self, state: str, cookies: Iterable[str]) -> str | None:
        """Return the name of the cookie that belongs to this state."""
        digest = _digest(state)
        return next((name for name in self._ours(cookies) if name.endswith(digest)), None)

    def surplus(self, cookies: Mapping[str, str], newest: tuple[str, str]) -> list[str]:
        """Return the names of the oldest cookies, to be dropped when `newest` is set."""
        names = sorted(self._ours(cookies), reverse=True)
        sizes = accumulate(
            (_size(name, cookies[name]) for name in names), initial=_size(*newest)
        )
        next(sizes)
        return [
            name
            for number, (name, size) in enumerate(zip(names, sizes, strict=True), start=2)
            if number > AT_ONCE or size > ROOM_BYTES
        ]

    def _ours(self, cookies: Iterable[str]) -> Iterable[str]:
        return (
            name
            for name in cookies
            if name.startswith(self._prefix) and _NAME.fullmatch(name, len(self._prefix))
        )


def _size(name: str, value: str) -> int:
    return len(f"{name}={value}; ")


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()[:16]


def _to_json(attempt: Attempt) -> str:
    members = [
        attempt.provider,
        attempt.target,
        attempt.silent,
        attempt.begun_at,
        dict(attempt.secrets),
    ]
    return json.dumps(members, separators=(",", ":"))


def _from_json(text: bytes) -> Attempt | None:
    """Return the attempt; `None` for what another release may have sealed."""
    match json.loads(text):
        case [
            str(provider),
            str(target),
            bool(silent),
            int() | float() as begun_at,
            {"state": str()} as secrets,
        ]:
            return Attempt(provider, target, silent, begun_at, secrets)
    return None
