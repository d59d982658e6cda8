"""Where audit lines go: whole lines of several writers, rotation, full disks, syslog."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.threads import together

from flask_usher.audit.sinks import FileSink, Sink, StreamSink, SyslogSink

LINE = b'{"code": "issued"}\n'
NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines_until_failure(sink: Sink, failure: type[OSError]) -> int:
    """Write lines until it fails in this way; return how many were taken."""
    for number in range(1_000_000):
        try:
            sink.write(LINE)
        except failure:
            return number
    raise AssertionError("it takes everything")


WRITER = """
import json, sys
from pathlib import Path
from flask_usher.audit.sinks import FileSink

sink = FileSink(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    line = {"writer": sys.argv[2], "number": number, "filler": "r" * (number % 900)}
    sink.write(json.dumps(line).encode() + b"\\n")
"""


@contextmanager
def two_writers(file: Path, lines: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that write at the same time; both have finished at the end."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, file, name, str(lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    yield writers
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0


def numbers_of(text: str, writer: str) -> list[int]:
    """Return the numbers of the writer's lines; each line must be one JSON object."""
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.split("\n")[:-1]]
    return [line["number"] for line in lines if line["writer"] == writer]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_row_165_a_log_that_root_makes_is_the_services(file: Path) -> None:
    os.chown(file.parent, NOBODY, NOBODY)
    FileSink(file).write(LINE)
    made = file.stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (NOBODY, NOBODY, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for others")
def test_row_165_root_gives_away_nothing_to_which_a_link_leads(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "log", tmp_path / "elsewhere"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    file = folder / "audit.log"
    file.symlink_to(elsewhere)
    FileSink(file).write(LINE)
    assert elsewhere.read_bytes() == LINE
    assert elsewhere.stat().st_uid == 0


def test_row_165_lines_of_two_processes_do_not_mix(file: Path) -> None:
    with two_writers(file, 2000):
        pass
    for writer in ("one", "two"):
        assert numbers_of(file.read_text(), writer) == list(range(2000))


def test_row_165_no_line_is_lost_while_the_file_is_rotated(file: Path) -> None:
    rotated = []
    with two_writers(file, 4000) as writers:
        while any(writer.poll() is None for writer in writers):
            if file.exists() and file.stat().st_size > 30_000:
                rotated.append(file.rename(file.with_suffix(f".{len(rotated)}")))
    assert len(rotated) > 1
    text = "".join(it.read_text() for it in file.parent.iterdir())
    for writer in ("one", "two"):
        assert sorted(numbers_of(text, writer)) == list(range(4000))


def test_row_165_lines_of_many_threads_do_not_mix(file: Path) -> None:
    sink = FileSink(file)

    def work(number: int) -> None:
        for _ in range(100):
            sink.write(json.dumps({"writer": number}).encode() + b"\n")

    together(8, work)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert Counter(line["writer"] for line in lines) == dict.fromkeys(range(8), 100)


def test_row_165_what_another_process_left_of_a_line_spoils_none(file: Path) -> None:
    file.write_bytes(LINE + LINE[:7])
    sink = FileSink(file)
    sink.write(LINE)
    with file.open("ab") as other:
        other.write(LINE[:3])
    sink.write(LINE)
    assert file.read_bytes() == LINE + LINE[:7] + b"\n" + LINE + LINE[:3] + b"\n" + LINE


@pytest.mark.parametrize("make", [FileSink, StreamSink])
def test_row_165_a_line_that_is_cut_short(file: Path, make: Any) -> None:
    with file.open("ab") as stream:
        sink: Sink = make(file if make is FileSink else stream.fileno())
        sink.write(LINE)
        with files_no_larger_than(len(LINE) + 5):
            for _ in range(3):
                with pytest.raises(OSError, match=r"cut short|too large"):
                    sink.write(LINE)
        sink.write(LINE)
    assert file.read_bytes() == LINE + LINE[:5] + b"\n" + LINE


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a disk that is small enough to be filled")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("begun", [True, False])
def test_row_165_a_full_disk_is_told_before_the_first_line(
    small_disk: Path, begun: bool
) -> None:
    sink = FileSink(small_disk / "audit.log")
    if begun:
        sink.write(LINE)
    sink.check()
    (small_disk / "filler").write_bytes(bytes(1024 * 1024 - 8192))
    with pytest.raises(OSError, match="No space left"):
        sink.check()
    (small_disk / "filler").unlink()
    sink.check()
    sink.write(LINE)


def test_row_165_no_half_line_on_a_full_disk(small_disk: Path) -> None:
    sink = FileSink(small_disk / "audit.log")
    written = lines_until_failure(sink, OSError)
    with pytest.raises(OSError, match="No space left"):
        sink.write(LINE)
    text = (small_disk / "audit.log").read_bytes()
    assert text.count(LINE) == written
    assert 0 <= len(text) - written * len(LINE) < len(LINE)


def test_row_165_the_check_sees_that_nobody_reads_the_standard_output() -> None:
    read, write = os.pipe()
    try:
        sink = StreamSink(write)
        sink.check()
        os.close(read)
        with pytest.raises(BrokenPipeError):
            sink.check()
        with pytest.raises(BrokenPipeError):
            sink.write(LINE)
    finally:
        os.close(write)


def test_row_165_the_standard_output_is_closed(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "closed", os.O_WRONLY | os.O_CREAT)
    os.close(descriptor)
    sink = StreamSink(descriptor)
    for act in (sink.check, lambda: sink.write(LINE)):
        with pytest.raises(OSError, match=r"nobody reads|Bad file descriptor"):
            act()


def test_a_named_pipe_needs_a_reader(file: Path) -> None:
    os.mkfifo(file)
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    sink = FileSink(file)
    sink.write(LINE)
    assert os.read(reader, 100) == LINE
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        sink.write(LINE)


class Daemon:
    """A syslog daemon: the socket, and what came in."""

    def __init__(self, address: Path) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.socket.bind(str(address))

    def received(self) -> bytes:
        """Return the next message."""
        return self.socket.recv(65536)

    def stop(self) -> None:
        """Be gone, as if it had never run."""
        self.socket.close()
        self.address.unlink()


@pytest.fixture
def address(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def daemon(address: Path) -> Iterator[Daemon]:
    daemon = Daemon(address)
    yield daemon
    daemon.socket.close()


def test_syslog_gets_a_message_for_each_line(daemon: Daemon) -> None:
    sink = SyslogSink(daemon.address)
    sink.check()
    sink.write(LINE)
    found = re.fullmatch(
        rb"<86>([A-Z][a-z]{2}) ([ \d]\d) \d\d:\d\d:\d\d usher\[(\d+)\]: (.*)",
        daemon.received(),
    )
    assert found is not None
    assert time.strptime(found[1].decode(), "%b").tm_mon
    assert int(found[3]) == os.getpid()
    assert found[4] == LINE.rstrip(b"\n")


def test_row_165_no_syslog(address: Path) -> None:
    sink = SyslogSink(address)
    for act in (sink.check, lambda: sink.write(LINE)):
        with pytest.raises(FileNotFoundError):
            act()


def test_row_165_syslog_goes_and_comes(daemon: Daemon) -> None:
    sink = SyslogSink(daemon.address)
    sink.write(LINE)
    daemon.socket.close()
    for act in (sink.check, lambda: sink.write(LINE)):
        with pytest.raises(ConnectionRefusedError):
            act()
    daemon.address.unlink()
    again = Daemon(daemon.address)
    sink.check()
    sink.write(LINE)
    assert again.received().endswith(LINE.rstrip(b"\n"))
    again.stop()


def test_row_165_syslog_takes_no_more(daemon: Daemon) -> None:
    sink = SyslogSink(daemon.address)
    taken = lines_until_failure(sink, BlockingIOError)
    assert taken > 0
    for _ in range(taken):
        assert daemon.received().endswith(LINE.rstrip(b"\n"))
    sink.write(LINE)


def test_row_165_syslog_loses_no_line_of_many_threads(daemon: Daemon) -> None:
    sink = SyslogSink(daemon.address)
    received: Counter[bytes] = Counter()

    def work(number: int) -> None:
        for turn in range(200):
            if number == 0:
                received.update(daemon.received()[-9:] for _ in range(7))
            else:
                sink.write(f'{{"n": "{number}-{turn:03}"}}\n'.encode()[-10:])

    together(8, work)
    assert sum(received.values()) == len(received) == 7 * 200


def test_row_165_a_line_that_lacks_only_its_end_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads the log finds the decision in it, so it counts as recorded."""
    file, write = tmp_path / "audit.log", os.write
    sink = FileSink(file)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, text: write(descriptor, text[:-1]))
        sink.write(b'{"n": 1}\n')
    sink.write(b'{"n": 2}\n')
    assert file.read_bytes() == b'{"n": 1}\n{"n": 2}\n'
