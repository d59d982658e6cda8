"""Reading accounts from CSV or JSON lines, one record after the other, whatever the size."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from .fields import ADDRESS, CUSTOM_PREFIX, FIELDS, is_field

MAX_RECORD_BYTES = 65536
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class FileFault(ValueError):
    """Nothing in the file can be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one account, and the line where it begins."""

    line: int
    values: dict[str, object]


@dataclass(frozen=True, slots=True)
class LineFault:
    """What is wrong with the record that begins on this line."""

    line: int
    message: str


class _RecordTooLong(ValueError):
    pass


class Lines:
    """The lines of a file. Bytes that are not UTF-8 become lone surrogates.

    `number` is the line that was read last, `consumed` how many bytes have been.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._record_bytes = 0
        self.number = 0
        self.consumed = 0

    def begin_record(self) -> int:
        """Return the number of the line where the next record begins."""
        self._record_bytes = 0
        return self.number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_RECORD_BYTES)
        if not line:
            raise StopIteration
        self.number += 1
        self._count(line)
        if self.number == 1:
            if line.startswith(_UTF16):
                raise FileFault("the file is in UTF-16: save it as UTF-8")
            line = line.removeprefix(codecs.BOM_UTF8)
        if self._record_bytes > MAX_RECORD_BYTES or not _is_whole(line, self._record_bytes):
            self._skip_rest(line)
            raise _RecordTooLong
        return line.decode(errors="surrogateescape")

    def _count(self, line: bytes) -> None:
        self.consumed += len(line)
        self._record_bytes += len(line)

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._file.readline(MAX_RECORD_BYTES)
            self._count(line)


def _is_whole(line: bytes, size: int) -> bool:
    return line.endswith(b"\n") or size < MAX_RECORD_BYTES


def read_csv(lines: Lines) -> Iterator[Record | LineFault]:
    """Read CSV (RFC 4180) whose first line names the columns. Empty cells are left out.

    Raises `FileFault`.
    """
    reader = csv.reader(lines, strict=True)
    header = _header(reader)
    while True:
        first = lines.begin_record()
        try:
            row = next(reader)
        except StopIteration:
            return
        except _RecordTooLong:
            yield LineFault(first, _too_long(first, lines.number, " (is a quote not closed?)"))
        except csv.Error as error:
            yield LineFault(first, f"not CSV: {error}")
        else:
            if len(row) == len(header):
                cells = zip(header, row, strict=True)
                yield Record(first, {field: cell for field, cell in cells if cell.strip()})
            elif row:
                yield LineFault(first, f"{len(row)} cells, but {len(header)} columns")


def read_json_lines(lines: Lines) -> Iterator[Record | LineFault]:
    """Read lines of one JSON object each. Nulls are left out."""
    while True:
        first = lines.begin_record()
        try:
            line = next(lines)
        except StopIteration:
            return
        except _RecordTooLong:
            yield LineFault(first, _too_long(first, first))
            continue
        if not line.strip():
            continue
        try:
            yield Record(first, _fields(line))
        except (ValueError, RecursionError) as error:
            yield LineFault(first, _json_message(error))


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except (csv.Error, _RecordTooLong) as error:
        raise FileFault("the first line is no CSV header") from error
    if not any(header):
        raise FileFault("the first line must name the columns")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise FileFault(f"columns that are there twice: {_quoted(twice)}")
    if unknown := [name for name in header if not is_field(name)]:
        raise FileFault(
            f"unknown columns: {_quoted(unknown)}. Known are {', '.join(FIELDS)}, "
            f"and {CUSTOM_PREFIX}NAME for claims of your own. Commas separate them"
        )
    missing = [] if "username" in header else ["username"]
    if not {"password", "password_hash"} & set(header):
        missing.append("password or password_hash")
    if missing:
        raise FileFault(f"missing columns: {', '.join(missing)}")
    return header


def _fields(line: str) -> dict[str, object]:
    found = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    address = found.pop(ADDRESS, None)
    if isinstance(address, dict):
        found |= {f"{ADDRESS}.{part}": value for part, value in address.items()}
    elif address is not None:
        raise ValueError("address must be an object")
    return {field: value for field, value in found.items() if value is not None}


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field that is there twice")
    return found


def _no_constant(_text: str) -> object:
    raise ValueError("NaN and Infinity are not JSON")


def _json_message(error: Exception) -> str:
    # The decoder's own message may quote the line, and with it a password.
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return "nested too deep" if isinstance(error, RecursionError) else str(error)


def _quoted(names: list[str]) -> str:
    return ", ".join(ascii(name[:60]) for name in names)


def _too_long(first: int, last: int, hint: str = "") -> str:
    reach = f", up to line {last}," if last > first else ""
    return f"the record{reach} is longer than {MAX_RECORD_BYTES:,} bytes{hint}"
