"""Where audit lines go. A sink takes a whole line or raises `OSError`."""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

FREE_BYTES = 64 * 1024
SYSLOG_SECONDS = 1
# RFC 5424, section 6.2.1: "security/authorization messages" that are not for everybody,
# "informational".
AUTHPRIV_INFO = 10 * 8 + 6


class Sink(Protocol):
    """A place for lines, for several threads and processes at once."""

    def write(self, line: bytes) -> None:
        """Take one line, which ends with a line feed. Raises `OSError`."""

    def check(self) -> None:
        """Raise `OSError` if it is plain that a line could not be taken now."""


class FileSink:
    """Appends to a file.

    Each line is one `write` on a descriptor opened for appending, so that the lines of several
    workers do not mix. A file that was moved away or removed is made again, so that it can be
    rotated without a word to the service.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Append one line, after the rest of any that was cut short."""
        with self._lock:
            try:
                descriptor = self._opened()
                _write_whole(descriptor, line if _ends_a_line(descriptor) else b"\n" + line)
            except OSError:
                self._close()
                raise

    def check(self) -> None:
        """Look at the file, or at the folder where it would be made, and the space left."""
        with self._lock:
            if self._file.exists():
                _check_space(self._opened())
            elif os.access(self._file.parent, os.W_OK | os.X_OK):
                _check_space(self._file.parent)
            else:
                raise PermissionError(errno.EACCES, "can't be made", str(self._file))

    def _opened(self) -> int:
        descriptor = self._descriptor
        if descriptor is None or not _is_at(self._file, descriptor):
            self._close()
            # A pipe that is opened for reading would seem to have a reader.
            special = self._file.exists() and not self._file.is_file()
            flags = (os.O_WRONLY if special else os.O_RDWR) | os.O_APPEND | os.O_CREAT
            if os.geteuid() == 0:
                _make_for_owner_of_folder(self._file)
            descriptor = self._descriptor = os.open(self._file, flags, 0o600)
        return descriptor

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _make_for_owner_of_folder(file: Path) -> None:
    # A command that root runs must not leave a log to which the service can't write. What is
    # given away was made in this very folder: its owner may have put a link there.
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        made = os.open(file.name, flags, 0o600, dir_fd=folder)
        try:
            owner = os.fstat(folder)
            os.fchown(made, owner.st_uid, owner.st_gid)
        finally:
            os.close(made)
    except FileExistsError:
        pass
    finally:
        os.close(folder)


class StreamSink:
    """Writes to an open descriptor, such as that of the standard output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._cut_short = False
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """Write one line, after the rest of any that was cut short."""
        with self._lock:
            text = b"\n" + line if self._cut_short else line
            try:
                _write_whole(self._descriptor, text)
            except ShortWrite:
                self._cut_short = True
                raise
            self._cut_short = False

    def check(self) -> None:
        """See whether the reader of a pipe has gone away, or a disk is full."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if any(state & (select.POLLERR | select.POLLNVAL) for _, state in poll.poll(0)):
            raise BrokenPipeError(errno.EPIPE, "nobody reads it")
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            _check_space(self._descriptor)


class SyslogSink:
    """Hands lines to the syslog daemon of this machine, each as a datagram of its own.

    The form is that of syslog(3), `<PRI>Mmm dd hh:mm:ss TAG[PID]: line`: rsyslog and journald
    know no other one on their local socket. Such a datagram is taken or refused, never lost on
    the way. `program` is the tag.
    """

    def __init__(self, address: Path, program: str = "usher") -> None:
        self._address = str(address)
        self._program = program

    def write(self, line: bytes) -> None:
        """Send one line; wait a second at most for a daemon that is busy."""
        # RFC 3164, section 4.1.2: the time is local, the names are English.
        now = time.localtime()
        month = "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * now.tm_mon - 3 : 3 * now.tm_mon]
        head = f"<{AUTHPRIV_INFO}>{month} {now.tm_mday:2} {time.strftime('%H:%M:%S', now)} "
        tag = f"{self._program}[{os.getpid()}]: "
        with self._connected() as connected:
            # In Python's own way of timing out, a full queue would be asked without a pause.
            limit = struct.pack("ll", SYSLOG_SECONDS, 0)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            connected.send((head + tag).encode() + line.rstrip(b"\n"))

    def check(self) -> None:
        """See whether the daemon is there, without a line."""
        with self._connected():
            pass

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        # A new one each time: the daemon may have been started again.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connected:
            connected.connect(self._address)
            yield connected


class ShortWrite(OSError):
    """Not all of a line was written."""


def _write_whole(descriptor: int, line: bytes) -> None:
    # Without its line feed a line is whole: who reads it finds the decision.
    if os.write(descriptor, line) < len(line) - 1:
        raise ShortWrite(errno.ENOSPC, "a line was cut short")


def _ends_a_line(descriptor: int) -> bool:
    """Tell whether the file ends with a whole line, whoever wrote it."""
    for _ in range(3):
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size == 0:
            return True
        if os.pread(descriptor, 1, found.st_size - 1) == b"\n":
            return True
        # Another process may be in the middle of its line.
        time.sleep(0.001)
    return False


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _check_space(place: Path | int) -> None:
    found = os.statvfs(place)
    # Some file systems do not count.
    if found.f_blocks and found.f_bavail * found.f_frsize < FREE_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
