"""Answers of an introspection endpoint, kept for a moment (RFC 7662, section 4)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAXIMUM_AGE_SECONDS = 30
MAXIMUM_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class _Entry:
    claims: Mapping[str, Any] = field(repr=False)
    kept_at: float
    expires_at: float


class IntrospectionCache:
    """Remembers what one issuer said of active tokens, never the tokens themselves.

    For at most 30 seconds, which is how long a revoked token may go on working. `clock` gives
    seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._lock = threading.Lock()

    def find(self, token: str) -> Mapping[str, Any] | None:
        """Return what the issuer said of this token a moment ago."""
        entry = self._entries.get(_digest(token))
        # A clock that was set back makes no answer last longer.
        if entry is None or not entry.kept_at <= self._clock() < entry.expires_at:
            return None
        return entry.claims

    def keep(self, token: str, claims: Mapping[str, Any], expires_at: float) -> None:
        """Remember the claims of a token that expires at `expires_at`."""
        now = self._clock()
        entry = _Entry(claims, now, min(expires_at, now + MAXIMUM_AGE_SECONDS))
        with self._lock:
            while len(self._entries) >= MAXIMUM_ENTRIES:
                del self._entries[next(iter(self._entries))]
            self._entries[_digest(token)] = entry


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
