"""Counters in the memory of one process.

Those of the library `limits` start a timer thread at nearly every hit to drop old counters,
which costs more than signing a token does. These are dropped as their number grows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .counters import Quota, Taken, Tally, Window

SMALLEST_SWEEP = 1024


@dataclass(slots=True)
class _Counter:
    count: int
    expires_at: float
    seconds: int


class MemoryCounters:
    """Counters, each with its end. `clock` gives seconds since the epoch.

    A counter that would last longer than its window from now was begun before the clock was
    set back. It has expired too, or whoever is locked out would stay so for longer.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counters: dict[str, _Counter] = {}
        self._sweep_at = SMALLEST_SWEEP
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many counters are held."""
        return len(self._counters)

    def take(self, tallies: Sequence[Tally]) -> Taken:
        """Count one on each quota's part of this process, or on none."""
        granted, windows = True, []
        with self._lock:
            now = self._clock()
            counters = [self._live(key, now) or _new(quota, now) for quota, key in tallies]
            for counter, (quota, _) in zip(counters, tallies, strict=True):
                granted = granted and counter.count < quota.alone
            for counter, (quota, key) in zip(counters, tallies, strict=True):
                if granted:
                    counter.count += 1
                    self._counters[key] = counter
                left = max(0, quota.alone - counter.count)
                windows.append(Window(left, counter.expires_at - now))
            if len(self._counters) >= self._sweep_at:
                self._sweep(now)
        return Taken(granted, windows)

    def give_back(self, tallies: Sequence[Tally]) -> None:
        """Undo a count of each."""
        with self._lock:
            now = self._clock()
            for _, key in tallies:
                counter = self._live(key, now)
                if counter is not None and counter.count > 0:
                    counter.count -= 1

    def are_degraded(self) -> bool:
        """Tell that they are where they should be."""
        return False

    def _live(self, key: str, now: float) -> _Counter | None:
        counter = self._counters.get(key)
        if counter is None or not now < counter.expires_at <= now + counter.seconds:
            return None
        return counter

    def _sweep(self, now: float) -> None:
        self._counters = {key: live for key in self._counters if (live := self._live(key, now))}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._counters))


def _new(quota: Quota, now: float) -> _Counter:
    return _Counter(0, now + quota.seconds, quota.seconds)
