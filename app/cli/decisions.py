"""The decisions on record, for the commands that count them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ..audit.reader import Entry, end_of_lines, files_of, newest_first, opened
from .audit_files import failures_told, log_file


def decisions_since(context: click.Context, since: str) -> Iterator[Entry]:
    """Return the decisions that a policy has made, the newest first.

    `since` is a time as audit lines write it.
    """
    log = log_file(context, None)
    with failures_told():
        for file in reversed([it for it in files_of(log) if it.suffix != ".gz"]):
            with opened(file) as stream:
                for entry in newest_first(stream, end_of_lines(stream)):
                    if "" < entry["time"] < since:
                        return
                    if entry["event"] == "token" and entry["policy"]:
                        yield entry
