"""Measured values in classes, from which a median can be told without keeping the values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

MILLISECONDS = (
    *(50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1300, 1600, 2000),
    *(2500, 3000, 4000, 5000, 7500, 10_000, 15_000, 30_000, 60_000),
)
SECONDS = (0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 52, 54, 56, 57, 58, 59, 60, 120, 300)
MICROSECONDS = (
    *(100, 250, 500, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 20_000, 50_000, 100_000),
    *(250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000),
)
BEYOND = "more"


def class_of(value: float, bounds: tuple[int, ...]) -> str:
    """Return the label of the class that holds a value: its upper end."""
    index = bisect_left(bounds, value)
    return str(bounds[index]) if index < len(bounds) else BEYOND


def median(counts: Mapping[str, int], bounds: tuple[int, ...]) -> float | None:
    """Return the median of what was counted in classes; inside a class all values are spread.

    Beyond the last bound it is that bound. `None` when nothing was counted.
    """
    total = sum(counts.values())
    if total == 0:
        return None
    reached, lower = 0.0, 0.0
    for upper in bounds:
        count = counts.get(str(upper), 0)
        if count and reached + count >= total / 2:
            return lower + (upper - lower) * (total / 2 - reached) / count
        reached += count
        lower = upper
    return lower
