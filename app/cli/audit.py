"""`usher audit`: what was decided, and why."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import click

from ..audit.reader import (
    Entry,
    canonical_id,
    end_of_lines,
    entry_of,
    files_of,
    followed,
    newest_first,
    opened,
)
from .audit_files import STDIN, entries_of, failures_told, log_file, remedies_of_rules
from .audit_text import as_row, as_story
from .context import Failure
from .local_accounts import AccountName, local_accounts
from .times import Ago

DEFAULT_COUNT = 10
Condition = Callable[[Entry], bool]

from_file = click.option(
    "--file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Read this file, or with - the standard input, in the place of audit.file.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="The lines as they are written.")


class SupportId(click.ParamType[str]):
    """An argument that is a support id, however it was read out, or a request id."""

    name = "id"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return it as it is written."""
        try:
            return canonical_id(value)
        except ValueError:
            self.fail(
                f"{value!r} is none: it looks like 7XK2M-9QFT4, or has 32 digits a-f.",
                param,
                ctx,
            )


@click.group()
def audit() -> None:
    """Read the audit log."""


@audit.command()
@click.argument("support_id", metavar="ID", type=SupportId())
@from_file
@as_json
@click.pass_context
def show(context: click.Context, support_id: str, file: Path | None, as_json: bool) -> None:
    """Tell what was decided under an ID, and what to do about it.

    The ID is the support id that the visitor saw, or the request id in the log of nginx. Looks
    into the log and the files beside it that were moved away, compressed or not. Exits with 1
    when there is nothing. In a support id small letters, O for 0 and a missing dash do not
    matter.

    \b
    Examples:
      usher audit show 7XK2M-9QFT4
      journalctl -o cat -t usher | usher audit show 7XK2M-9QFT4 --file -
    """
    count, remedies = 0, remedies_of_rules(context, file)
    for entry in entries_of(context, file, support_id):
        count += 1
        click.echo(entry.text if as_json else as_story(entry, remedies) + "\n")
    if not count:
        raise Failure(f"nothing is recorded under {support_id}")


@audit.command()
@click.option("-n", "--lines", "count", type=click.IntRange(min=0), help="The last so many.")
@click.option("-f", "--follow", is_flag=True, help="Go on with the lines to come.")
@click.option("--code", multiple=True, help="Only with this code, such as issued.")
@click.option("--event", multiple=True, help="Only of this event, such as sign-in.")
@click.option("--provider", multiple=True, help="Only of this provider.")
@click.option("--account", metavar="NAME", type=AccountName(), help="Only of this account.")
@click.option("--since", type=Ago(), help="Only of the last 30s, 10m, 2h or 1d.")
@from_file
@as_json
@click.pass_context
def tail(
    context: click.Context,
    count: int | None,
    follow: bool,
    code: tuple[str, ...],
    event: tuple[str, ...],
    provider: tuple[str, ...],
    account: str | None,
    since: str | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Show the last lines, and with --follow those to come.

    They are ten, or -n, or all of the time that --since gives. Looks into the log and the files
    beside it that were moved away, but not into compressed ones. With --follow it goes on until
    Ctrl-C, also when the file is moved away.

    \b
    Examples:
      usher audit tail -f
      usher audit tail --since 10m --event token --code too-many-requests
      usher audit tail --account jane --since 1d
      journalctl -o cat -f -t usher | usher audit tail -f --file -
    """
    wanted = {"code": code, "event": event, "provider": provider}
    hashes = _hashes(context, account) if account is not None else None

    def matches(entry: Entry) -> bool:
        return all(not it or entry[field] in it for field, it in wanted.items()) and (
            hashes is None or not hashes.isdisjoint((entry["account"], entry["subject"]))
        )

    limit = DEFAULT_COUNT if count is None and since is None else count
    try:
        for entry in _tail(context, file, matches, since or "", limit, follow):
            click.echo(entry.text if as_json else as_row(entry))
    except KeyboardInterrupt:
        return


def _tail(
    context: click.Context,
    file: Path | None,
    matches: Condition,
    since: str,
    limit: int | None,
    follow: bool,
) -> Iterator[Entry]:
    if file == STDIN:
        entries = filter(None, map(entry_of, sys.stdin.buffer))
        found = (it for it in entries if it["time"] >= since and matches(it))
        yield from found if follow else deque(found, limit)
        return
    log = log_file(context, file)
    with failures_told(), ExitStack() as stack:
        plain = [it for it in files_of(log) if it.suffix != ".gz"]
        streams = [stack.enter_context(opened(it)) for it in plain]
        ends = [end_of_lines(it) for it in streams]
        if not streams and not follow:
            raise Failure(f"there is no {log}")
        parts = reversed(list(zip(streams, ends, strict=True)))
        yield from reversed(list(_last(parts, matches, since, limit)))
        if follow:
            current = streams[-1] if plain[-1:] == [log] else None
            if current is not None:
                current.seek(ends[-1])
            yield from filter(matches, followed(log, current))


def _last(
    parts: Iterable[tuple[IO[bytes], int]], matches: Condition, since: str, limit: int | None
) -> Iterator[Entry]:
    """Return the last lines that match, the newest first."""
    for stream, end in parts:
        for entry in newest_first(stream, end):
            if limit == 0 or "" < entry["time"] < since:
                return
            if matches(entry):
                yield entry
                limit = None if limit is None else limit - 1


def _hashes(context: click.Context, account: str) -> frozenset[str]:
    """Return by what the lines name this account and its person."""
    with local_accounts(context, to_change=False) as local:
        log, found = local.state.audit, local.accounts.by_name(account)
        subject = log.subject(local.provider.name, found.id) if found else None
        return frozenset(filter(None, (log.account(account), subject)))
