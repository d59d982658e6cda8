"""Starting a server on one processor, and what the kernel says of it and its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.002
ALL_CPUS = frozenset(os.sched_getaffinity(0))


@contextmanager
def server(
    command: Sequence[str],
    ready: str | Path,
    environment: Mapping[str, str],
    cpus: Collection[int] = ALL_CPUS,
) -> Iterator[tuple[int, float]]:
    """Run a server until the block ends; give its process id and the seconds until ready.

    It is ready when an address answers 200, or when somebody listens at a socket's path. It
    and its children run on these processors.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        start_new_session=True,
    )
    try:
        while not _answers(ready):
            if (
                process.poll() is not None
                or time.perf_counter() - started > READY_TIMEOUT_SECONDS
            ):
                os.killpg(process.pid, signal.SIGKILL)
                raise RuntimeError(f"{command[0]} did not start: {process.communicate()[1]!r}")
            time.sleep(POLL_SECONDS)
        yield process.pid, time.perf_counter() - started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def cpu_seconds(root: int) -> float:
    """Return the processor time, user and system, of a process and all below it."""
    ticks = sum(sum(map(int, _stat(pid)[11:13])) for pid in _tree(root))
    return ticks / TICKS_PER_SECOND


def largest_resident_mib(root: int) -> float:
    """Return the resident memory of the largest process in the tree: a worker."""
    pages = max(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _tree(root))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields behind the program's name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _answers(ready: str | Path) -> bool:
    if isinstance(ready, Path):
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(ready)) == 0
    try:
        with urllib.request.urlopen(ready, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
