"""Counters in memory, as a storage of the library `limits`.

The library's own `MemoryStorage` starts a timer thread at nearly every hit to drop old
counters, which costs more than signing a token does. This one drops them as it grows.
"""

from __future__ import annotations

import threading
import time

from limits.storage import Storage

SMALLEST_SWEEP = 1024


class CounterStorage(Storage):
    """Counters of one process, each with the time at which it expires."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counters: dict[str, tuple[int, float]] = {}
        self._sweep_at = SMALLEST_SWEEP
        self._lock = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors of the backend: there are none."""
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter, which lives for `expiry` seconds from its first use."""
        now = time.time()
        with self._lock:
            count, expires_at = self._counters.get(key, (0, 0.0))
            if expires_at <= now:
                count, expires_at = 0, now + expiry
            self._counters[key] = (count + amount, expires_at)
            if len(self._counters) >= self._sweep_at:
                self._sweep(now)
        return count + amount

    def get(self, key: str) -> int:
        """Return a counter, 0 when it has expired."""
        count, expires_at = self._counters.get(key, (0, 0.0))
        return count if expires_at > time.time() else 0

    def get_expiry(self, key: str) -> float:
        """Return when a counter expires, in seconds since the epoch."""
        now = time.time()
        _, expires_at = self._counters.get(key, (0, now))
        return max(expires_at, now)

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

    def _sweep(self, now: float) -> None:
        self._counters = {
            key: counter for key, counter in self._counters.items() if counter[1] > now
        }
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._counters))
