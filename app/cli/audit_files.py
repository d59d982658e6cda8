"""Where the commands that read the audit log find it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from ..audit.reader import Entry, entries_with, files_of, opened
from .context import Failure, load_settings, load_settings_without_policy

STDIN = Path("-")


def log_file(context: click.Context, given: Path | None) -> Path:
    """Return the log's file: the given one, else that of the settings."""
    if given is not None:
        return given
    settings = load_settings_without_policy(context).audit
    if settings.file is not None:
        return settings.file
    this = f"usher audit {context.info_name} … --file -"
    if settings.syslog is not None:
        raise Failure(f"the audit log goes to syslog. Try: journalctl -o cat -t usher | {this}")
    raise Failure(
        "the audit log goes to the standard output, and from there to where the platform keeps "
        f"it. Try: journalctl -o cat -u usher | {this}\nor: docker logs usher | {this}"
    )


def entries_of(context: click.Context, given: Path | None, support_id: str) -> Iterator[Entry]:
    """Return what is recorded under a support id, in the log's file and those beside it."""
    if given == STDIN:
        yield from entries_with(sys.stdin.buffer, support_id)
        return
    log = log_file(context, given)
    with failures_told():
        files = files_of(log)
        if not files:
            raise Failure(f"there is no {log}")
        for file in files:
            with opened(file) as stream:
                yield from entries_with(stream, support_id)


def remedies_of_rules(context: click.Context, given: Path | None) -> Mapping[str, str]:
    """Return what helps against each rule that says so, where the settings' log is read."""
    if given is not None:
        return {}
    try:
        rules = load_settings(context).policy.rules
    except Failure:
        return {}
    return {rule.code: rule.remedy for rule in rules if rule.remedy is not None}


@contextmanager
def failures_told() -> Iterator[None]:
    """Make it the failure of the command that a file can't be read."""
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise Failure(f"the audit log can't be read: {error}") from error
