"""Counters in memory, as a storage of the library `limits`.

The library's own `MemoryStorage` starts a timer thread at nearly every hit to drop old
counters, which costs more than signing a token does. This one drops them as it grows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from limits.storage import Storage

SMALLEST_SWEEP = 1024


class CounterStorage(Storage):
    """Counters of one process, each with its end. `clock` gives seconds since the epoch.

    A counter that would last longer than its window from now was begun before the clock was
    set back. It has expired too, or whoever is locked out would stay so for longer.
    """

    STORAGE_SCHEME = None

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        # The count, when it expires, and the seconds that it lives for.
        self._counters: dict[str, tuple[int, float, int]] = {}
        self._sweep_at = SMALLEST_SWEEP
        self._lock = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors of the backend: there are none."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter, which lives for `expiry` seconds from its first use.

        It does not fall below 0: what is taken back may belong to a counter that has expired.
        """
        with self._lock:
            now = self._clock()
            count, expires_at, _ = self._live(key, now) or (0, now + expiry, expiry)
            count = max(0, count + amount)
            self._counters[key] = (count, expires_at, expiry)
            if len(self._counters) >= self._sweep_at:
                self._sweep(now)
        return count

    def get(self, key: str) -> int:
        """Return a counter, 0 when it has expired."""
        with self._lock:
            live = self._live(key, self._clock())
        return live[0] if live else 0

    def get_expiry(self, key: str) -> float:
        """Return when a counter expires, in seconds since the epoch."""
        with self._lock:
            now = self._clock()
            live = self._live(key, now)
        return live[1] if live else now

    def check(self) -> bool:
        """Tell that memory is there."""
        return True

    def reset(self) -> int:
        """Drop all counters; return how many there were."""
        with self._lock:
            dropped = len(self._counters)
            self._counters.clear()
        return dropped

    def clear(self, key: str) -> None:
        """Drop one counter."""
        with self._lock:
            self._counters.pop(key, None)

    def _live(self, key: str, now: float) -> tuple[int, float, int] | None:
        counter = self._counters.get(key)
        if counter is None or not now < counter[1] <= now + counter[2]:
            return None
        return counter

    def _sweep(self, now: float) -> None:
        self._counters = {key: live for key in self._counters if (live := self._live(key, now))}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._counters))
