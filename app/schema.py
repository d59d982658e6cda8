"""The version of the database's tables, and how they get there."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from .database import Database, wait_for_turn

HEAD = "0006"
"""The newest migration, the one that this code is written for."""
VERSION_TABLE = "usher_alembic_version"
"""Named so that the host application's own Alembic is not disturbed."""

LOCK_TIMEOUT_SECONDS = 60

_version = sa.table(VERSION_TABLE, sa.column("version_num", sa.String))


def revision(database: Database) -> str | None:
    """Return the number of the last migration that was applied, `None` before the first."""
    with database.reading() as connection:
        return _revision(connection)


def is_current(database: Database) -> bool:
    """Tell whether the tables are at least as new as this code needs.

    Newer will do: while a new release is rolled out, servers with the old one keep working.
    """
    return _is_enough(revision(database))


def upgrade(database: Database) -> None:
    """Apply the migrations that are missing, all or none.

    Several processes may do this at once: one works, the others wait and find it done.
    """
    # Alembic takes long to load, and the running service has no use for it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    with database.writing() as connection:
        _be_patient(connection)
        wait_for_turn(connection, "schema")
        if _is_enough(_revision(connection)):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(sa.select(_version.c.version_num))


def _is_enough(applied: str | None) -> bool:
    return applied is not None and applied >= HEAD


def _be_patient(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"))
