"""The disk of a host's audit log, and how it becomes full."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.host import Host

SPACE_LEFT = 1000
SPARE_BLOCKS = 16
"""For what the hosts write meanwhile."""


@contextmanager
def full(host: Host) -> Iterator[None]:
    """Fill the disk of the audit log, or, without a disk of its own, forbid longer files."""
    folder = host.audit_file.parent
    if os.path.ismount(folder):
        filler = folder / "filler"
        with filler.open("ab", buffering=0) as file:
            found = os.statvfs(folder)
            left = found.f_bavail - SPARE_BLOCKS
            os.posix_fallocate(file.fileno(), 0, left * found.f_frsize)
            with suppress(OSError):
                while True:
                    file.write(bytes(SPACE_LEFT))
        try:
            yield
        finally:
            filler.unlink()
        return
    longest = host.audit_file.stat().st_size + SPACE_LEFT
    before = {it: resource.prlimit(it, resource.RLIMIT_FSIZE) for it in host.workers()}
    for worker, (_, hard) in before.items():
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (longest, hard))
    try:
        yield
    finally:
        for worker, limits in before.items():
            resource.prlimit(worker, resource.RLIMIT_FSIZE, limits)


@contextmanager
def disk_of_its_own(folder: Path) -> Iterator[None]:
    """Put a small disk at a folder for the block, where this user may do that."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1g", "usher-faults", str(folder)]
    mounted = os.geteuid() == 0 and _succeeds(command)
    try:
        yield
    finally:
        if mounted:
            _succeeds(["umount", "--lazy", str(folder)])


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
