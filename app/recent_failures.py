"""A provider that does not answer is not asked again at once by the same visitor.

A page's chat tag asks up to four times in a row, and mobile apps do too.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from flask_usher.providers.base import ProviderUnavailable

from .errors import RETRY_AFTER_FAULT_SECONDS

MAXIMUM_ENTRIES = 4096


class RecentFailures:
    """Remembers, for as long as the client is told to wait, for whom no provider answered.

    What was shown to ask is kept as a digest only. `clock` gives seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_at: dict[bytes, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def remembered(self, shown: Iterable[str]) -> Iterator[None]:
        """Raise `ProviderUnavailable` again for who shows what failed a moment ago."""
        shown = tuple(shown)
        if not any(shown):
            # Whom only the host app knows: one of them must not speak for all.
            yield
            return
        if self._failed_at and self._is_recent(self._failed_at.get(_digest(shown))):
            raise ProviderUnavailable("it did not answer a moment ago")
        try:
            yield
        except ProviderUnavailable:
            self._keep(_digest(shown))
            raise

    def _is_recent(self, failed_at: float | None) -> bool:
        # A clock that was set back makes no failure last longer.
        return (
            failed_at is not None
            and failed_at <= self._clock() < failed_at + RETRY_AFTER_FAULT_SECONDS
        )

    def _keep(self, digest: bytes) -> None:
        with self._lock:
            while len(self._failed_at) >= MAXIMUM_ENTRIES:
                del self._failed_at[next(iter(self._failed_at))]
            self._failed_at[digest] = self._clock()


def _digest(shown: Iterable[str]) -> bytes:
    digest = hashlib.sha256()
    for text in shown:
        encoded = text.encode("utf-8", "replace")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.digest()
