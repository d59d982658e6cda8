"""`usher db`: the database's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from .. import schema
from ..database import Database
from .context import Failure, load_settings, store_failures


@click.group()
def db() -> None:
    """Look after the database's tables."""


@db.command()
@click.pass_context
def upgrade(context: click.Context) -> None:
    """Make the tables, or bring them up to this release. Run it before each new release.

    Servers of the release before keep working meanwhile, and it may be run on several at once.

    \b
    Example:
      usher db upgrade
    """
    with _database(context) as database:
        before = _revision(database)
        schema.upgrade(database)
        after = schema.revision(database)
    if before == after:
        click.echo(f"The tables are at revision {after} already.")
    else:
        click.echo(f"The tables are at revision {after}; before: {before or 'none'}.")


@db.command()
@click.pass_context
def status(context: click.Context) -> None:
    """Tell which revision the tables have. Exits with 1 when this release needs a newer one.

    \b
    Example:
      usher db status
    """
    with _database(context) as database:
        revision = _revision(database)
        is_current = database.may_exist() and schema.is_current(database)
    click.echo(f"The tables are at revision {revision or 'none'}.")
    if not is_current:
        raise Failure(f"this release needs revision {schema.HEAD}. Run: usher db upgrade")


def _revision(database: Database) -> str | None:
    return schema.revision(database) if database.may_exist() else None


@contextmanager
def _database(context: click.Context) -> Iterator[Database]:
    database = Database(load_settings(context).database.url)
    try:
        with store_failures():
            yield database
    finally:
        database.close()
