"""Keeping each worker to a processor of its own.

Python runs one thread of a process at a time. While another processor is idle, the kernel wakes
the next thread there at each short wait of the first one, and a busy worker may spend half of
its time handing over. On one processor a thread goes on until it really has to wait.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PARENT, START = 1, 19
"""Where proc(5)'s /proc/PID/stat has them, counted from behind the name."""
logger = logging.getLogger(__name__)


def keep_to_one() -> None:
    """Keep this process to one of the processors that it may use.

    It is the one that the fewest other children of its parent keep to. Threads that run already
    stay where they are.
    """
    try:
        # All workers start at the same time.
        with Path(__file__).open(encoding="utf-8") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            chosen = least_used(os.sched_getaffinity(0), _kept_by_siblings())
            os.sched_setaffinity(0, {chosen})
    except OSError as error:
        logger.warning("this worker can't keep to one processor: %s", error.strerror)


def least_used(processors: Iterable[int], kept: Iterable[tuple[int, int]]) -> int:
    """Return the processor that the fewest keep to, and of several where the last came first.

    `kept` has the processor of each process that keeps to one, and when that process was
    started. While workers are replaced one by one, the old ones are still there.
    """
    starts: dict[int, list[int]] = {it: [] for it in sorted(processors)}
    for processor, started in kept:
        if processor in starts:
            starts[processor].append(started)
    return min(starts, key=lambda it: (len(starts[it]), max(starts[it], default=0)))


def _kept_by_siblings() -> Iterator[tuple[int, int]]:
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal() or place.name == str(os.getpid()):
            continue
        try:
            _, _, text = (place / "stat").read_text().rpartition(")")
            fields = text.split()
            if int(fields[PARENT]) != os.getppid():
                continue
            processors = os.sched_getaffinity(int(place.name))
        except OSError:
            # It has ended meanwhile.
            continue
        if len(processors) == 1:
            yield processors.pop(), int(fields[START])
