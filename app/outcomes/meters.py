"""Counters and histograms in memory, of what Prometheus alone asks about.

They cost the way of a token about a microsecond each, and wait for `Outcomes` to save
them. All that they are labelled with is known beforehand: no stranger makes another one.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager

from ..timing import Timer, Took
from .classes import BEYOND, MICROSECONDS
from .tables import Meter

SUM = "sum"
MICROSECOND = 1_000_000
Labelled = tuple[Meter, str]


class Meters:
    """What one process has counted and not saved yet. Methods are for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Labelled] = Counter()
        self._histograms: dict[Labelled, Histogram] = {}
        self._stages: dict[str, Took] = {}

    def count(self, meter: Meter, label: str = "") -> None:
        """Add one."""
        with self._lock:
            self._counts[meter, label] += 1

    def histogram(self, meter: Meter, label: str) -> Histogram:
        """Return the histogram of something measured, always the same one."""
        found = self._histograms.get((meter, label))
        if found is None:
            with self._lock:
                found = self._histograms.setdefault((meter, label), Histogram())
        return found

    def dependency(self, name: str) -> Took:
        """Return who learns of each call to something that the service depends on."""
        histogram = self.histogram(Meter.CALL_US, name)

        def took(seconds: float, failed: bool) -> None:
            histogram.took(seconds, failed)
            if failed:
                self.count(Meter.CALL_FAILED, name)

        return took

    def provider(self, name: str) -> Took:
        """Return who learns of each call to this identity provider."""
        return self.dependency(f"provider {name}")

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Time a block as one stage of a decision."""
        took = self._stages.get(name)
        if took is None:
            took = self._stages[name] = self.histogram(Meter.STAGE_US, name).took
        return Timer(took)

    def drain(self) -> Mapping[Labelled, int]:
        """Return all that was counted since the last time; of a histogram, by its classes."""
        with self._lock:
            counted, self._counts = self._counts, Counter()
            histograms = list(self._histograms.items())
        for (meter, label), histogram in histograms:
            for name, count in histogram.drain().items():
                counted[meter, f"{label} {name}"] += count
        return counted


class Histogram:
    """Seconds in classes, and their sum in microseconds."""

    __slots__ = ("_classes", "_lock", "_sum")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes = [0] * (len(MICROSECONDS) + 1)
        self._sum = 0

    def took(self, seconds: float, _failed: bool = False) -> None:
        """Add one measured value."""
        microseconds = int(seconds * MICROSECOND)
        index = bisect_left(MICROSECONDS, microseconds)
        with self._lock:
            self._classes[index] += 1
            self._sum += microseconds

    def drain(self) -> dict[str, int]:
        """Return what was added since the last time, by the upper ends of classes."""
        with self._lock:
            classes, self._classes = self._classes, [0] * len(self._classes)
            total, self._sum = self._sum, 0
        names = (*map(str, MICROSECONDS), BEYOND)
        counted = {name: it for name, it in zip(names, classes, strict=True) if it}
        return counted | {SUM: total} if counted else {}
