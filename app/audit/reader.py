"""Reading the audit log: the lines of one id, the last lines, and those to come."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ..request_ids import FORM

BLOCK_BYTES = 1024 * 1024
BACK_BYTES = 64 * 1024
FOLLOW_SECONDS = 0.2
# Crockford's Base32, which reads the letters that look like digits as those.
_LOOKALIKES = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line: as it is written, and its fields."""

    text: str
    fields: dict[str, Any]

    def __getitem__(self, field: str) -> str:
        """Return a field as text; an absent one is empty."""
        value = self.fields.get(field, "")
        return value if isinstance(value, str) else json.dumps(value)


def canonical_id(text: str) -> str:
    """Return a support id as it is written, however it was read out, or a request id.

    Raises `ValueError`.
    """
    if FORM.fullmatch(text):
        return text
    letters = re.sub(r"[\s-]", "", text).upper().translate(_LOOKALIKES)
    if not re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{10}", letters):
        raise ValueError("no support id")
    return f"{letters[:5]}-{letters[5:]}"


def entry_of(line: bytes) -> Entry | None:
    """Return what a line says, whatever a syslog daemon put before it."""
    start = line.find(b"{")
    try:
        fields = json.loads(line[start:]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    return Entry(line[start:].decode("ascii", "backslashreplace").strip(), fields)


def files_of(file: Path) -> list[Path]:
    """Return the log's file and those beside it that were moved away, the oldest first.

    They are called `audit.log.1` or `audit.log-20260301`, the compressed ones with `.gz`.
    """
    form = re.compile(re.escape(file.name) + r"([.-][0-9][0-9.-]*(\.gz)?)?")
    found = [it for it in file.parent.iterdir() if form.fullmatch(it.name)]
    return sorted(found, key=lambda it: (it.stat().st_mtime, it.name == file.name))


def opened(file: Path) -> IO[bytes]:
    """Open one of the log's files for reading."""
    return cast(IO[bytes], gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def entries_with(stream: IO[bytes], name: str) -> Iterator[Entry]:
    """Return the lines of one support id or request id, parsing no other lines."""
    wanted, rest = name.encode(), b""
    while block := stream.read(BLOCK_BYTES):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        yield from _entries_in(whole + newline, wanted)
    yield from _entries_in(rest, wanted)


def _entries_in(text: bytes, wanted: bytes) -> Iterator[Entry]:
    position = text.find(wanted)
    while position >= 0:
        start, end = text.rfind(b"\n", 0, position) + 1, text.find(b"\n", position)
        end = len(text) if end < 0 else end
        entry = entry_of(text[start:end])
        if entry is not None and wanted.decode() in (
            entry["support_id"],
            entry["request_id"],
        ):
            yield entry
        position = text.find(wanted, end)


def end_of_lines(stream: IO[bytes]) -> int:
    """Return where the last whole line of a file ends."""
    end = stream.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - BACK_BYTES)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def newest_first(stream: IO[bytes], end: int) -> Iterator[Entry]:
    """Return the lines before `end`, the last one first; only what is asked for is read."""
    rest = b""
    while end > 0:
        start = max(0, end - BACK_BYTES)
        stream.seek(start)
        rest, *lines = (stream.read(end - start) + rest).split(b"\n")
        yield from filter(None, map(entry_of, reversed(lines)))
        end = start
    yield from filter(None, [entry_of(rest)])


def followed(
    file: Path, stream: IO[bytes] | None, pause: Callable[[float], None] = time.sleep
) -> Iterator[Entry]:
    """Return lines as they are written, without end, also when the file is moved away.

    `stream` is the open file, at the place where to begin; without one, the file is waited for.
    """
    rest, moved = b"", False
    while True:
        if stream is None and file.exists():
            stream = file.open("rb")
        if stream is not None:
            *lines, rest = (rest + stream.read()).split(b"\n")
            yield from filter(None, map(entry_of, lines))
            if moved:
                stream.close()
                stream, rest, moved = None, b"", False
                continue
            # One last look follows, for who was writing to the old one at this moment.
            moved = file.exists() and not os.path.samestat(
                file.stat(), os.fstat(stream.fileno())
            )
            if os.fstat(stream.fileno()).st_size < stream.tell():
                stream.seek(0)
        pause(FOLLOW_SECONDS)
