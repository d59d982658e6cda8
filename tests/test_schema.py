"""The migrations: complete, alone in their tables, and safe when several processes run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from flask_usher import pauses, schema, workers
from flask_usher.database import Database
from flask_usher.errors import StoreUnavailable
from flask_usher.key_rotation import records as key_records
from flask_usher.outcomes.tables import metadata as outcome_tables
from flask_usher.providers import accounts
from flask_usher.sign_ins import logouts, replays
from flask_usher.sign_ins import records as sign_in_records

UPGRADE_ON_SIGNAL = """
import sys
from flask_usher import schema
from flask_usher.sign_ins import logouts, replays
from flask_usher.database import Database

print("ready", flush=True)
sys.stdin.readline()
database = Database(sys.argv[1])
schema.upgrade(database)
assert schema.is_current(database)
"""


def test_upgrading_creates_the_tables(empty_database: Database) -> None:
    assert schema.revision(empty_database) is None
    assert not schema.is_current(empty_database)
    schema.upgrade(empty_database)
    assert schema.revision(empty_database) == schema.HEAD
    assert schema.is_current(empty_database)
    assert _tables(empty_database) == {
        "usher_accounts",
        "usher_keys",
        "usher_logouts",
        "usher_outcome_failures",
        "usher_outcome_reports",
        "usher_outcomes",
        "usher_pause",
        "usher_replays",
        "usher_sign_ins",
        "usher_workers",
        "usher_alembic_version",
    }


def test_upgrading_again_changes_nothing(database: Database) -> None:
    before = _tables(database)
    schema.upgrade(database)
    assert schema.revision(database) == schema.HEAD
    assert _tables(database) == before


def test_the_newest_migration_is_the_one_that_the_code_is_written_for() -> None:
    folder = Path(schema.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [schema.HEAD]


def test_migrated_tables_are_those_that_the_code_uses(database: Database) -> None:
    used = sa.MetaData()
    for module in (accounts, sign_in_records, replays, logouts, pauses, workers, key_records):
        module.table.to_metadata(used)
    for table in outcome_tables.sorted_tables:
        table.to_metadata(used)
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": schema.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, used) == []


def test_the_hosts_own_alembic_is_not_disturbed(empty_database: Database) -> None:
    _execute(empty_database, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    _execute(empty_database, "INSERT INTO alembic_version VALUES ('the-hosts-own')")
    schema.upgrade(empty_database)
    with empty_database.reading() as connection:
        found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).all()
    assert found == [("the-hosts-own",)]


def test_a_migration_that_fails_leaves_nothing_behind(empty_database: Database) -> None:
    _execute(empty_database, "CREATE TABLE usher_sign_ins (id VARCHAR(64))")
    with pytest.raises(StoreUnavailable):
        schema.upgrade(empty_database)
    assert _tables(empty_database) == {"usher_sign_ins"}


def test_row_168_an_older_release_keeps_serving_after_a_newer_one_has_migrated(
    empty_database: Database,
) -> None:
    database = empty_database
    schema.upgrade(database)
    _execute(database, "UPDATE usher_alembic_version SET version_num = '0999'")
    assert schema.is_current(database)
    schema.upgrade(database)
    assert schema.revision(database) == "0999"


@pytest.mark.slow
def test_row_168_processes_that_upgrade_at_once_make_one_schema(
    empty_database_url: str,
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE_ON_SIGNAL, empty_database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(errors)
    database = Database(empty_database_url)
    with database.reading() as connection:
        versions = connection.execute(sa.text("SELECT * FROM usher_alembic_version")).all()
    database.close()
    assert versions == [(schema.HEAD,)]


def _tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(sa.inspect(connection).get_table_names())


def _execute(database: Database, statement: str) -> None:
    with database.writing() as connection:
        connection.execute(sa.text(statement))
