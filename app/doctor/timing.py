"""How long something takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

TRIES = 5


def milliseconds(step: Callable[[], object]) -> float:
    """Return the median of a few runs, in milliseconds. Raises what the step raises."""
    taken = []
    for _ in range(TRIES):
        before = time.perf_counter()
        step()
        taken.append((time.perf_counter() - before) * 1000)
    return median(taken)
