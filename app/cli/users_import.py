"""`usher users import`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

import click

from ..account_files.importing import AccountImport
from ..account_files.records import FileFault, Lines, read_csv, read_json_lines
from .context import Failure
from .local_accounts import counted, local_accounts
from .progress import Progress

READERS = {"csv": read_csv, "jsonl": read_json_lines}
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@click.command("import")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(list(READERS)),
    help="What FILE is, where its suffix (.csv, .jsonl, .ndjson) does not tell.",
)
@click.pass_context
def import_accounts(context: click.Context, file: BinaryIO, format_name: str | None) -> None:
    """Make accounts from a file.

    It is in UTF-8, either CSV with a header or a JSON object a line.

    Needs username and either password or password_hash (argon2id). May have active, groups
    (in CSV separated by semicolons), OpenID Connect's claims such as given_name, email or
    address.country, and claim:NAME for claims of your own. FILE may be - for the standard
    input.

    Good lines are imported, faulty ones are listed with what is wrong. Accounts that are there
    already are passed over, never changed: after an interruption, or when the faults are
    mended, run the same command again.

    \b
    Examples:
      usher users import people.csv
      export-people | usher users import --format jsonl -

    \b
    people.csv:
      username,password_hash,given_name,groups
      jane,"$argon2id$v=19$m=19456,t=2,p=1$…$…",Jane,vip;staff
    """
    reader = READERS[format_name or _format_of(file)]
    lines = Lines(file)
    with local_accounts(context, to_change=True) as local:
        run = AccountImport(local.accounts, local.passwords, local.site)
        interrupted = False
        try:
            with Progress("Importing", _size(file)) as progress:
                run.run(reader(lines), lambda: progress.update(lines.consumed))
        except FileFault as fault:
            raise Failure(f"nothing imported: {fault}") from None
        except KeyboardInterrupt:
            interrupted = True
        finally:
            local.record("imported", count=run.imported)
    for line_fault in sorted(run.faults, key=lambda fault: fault.line):
        click.echo(f"line {line_fault.line}: {line_fault.message}", err=True)
    faulty = len({line_fault.line for line_fault in run.faults})
    click.echo(
        f"Imported {counted(run.imported, 'account')}; {run.present:,} were there already; "
        f"{counted(faulty, 'faulty line')}."
    )
    if interrupted:
        raise Failure("interrupted. Run the same command again to go on")
    if run.faults:
        raise Failure("mend the lines above and run the same command again")


def _format_of(file: BinaryIO) -> str:
    suffix = Path(str(getattr(file, "name", ""))).suffix.lower()
    if suffix not in SUFFIXES:
        raise click.UsageError("Give --format csv or --format jsonl: the name does not tell.")
    return SUFFIXES[suffix]


def _size(file: BinaryIO) -> int | None:
    try:
        status = os.fstat(file.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
