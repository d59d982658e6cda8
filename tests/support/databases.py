"""Fixtures: databases of both kinds, without any tables or with empty ones.

A test that changes the tables themselves takes an `empty_database`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from parts import postgresql_programs
from support.postgresql import PostgresqlServer

from flask_usher import schema
from flask_usher.database import Database

TABLES = (
    "usher_accounts, usher_sign_ins, usher_replays, usher_logouts, "
    "usher_outcomes, usher_outcome_failures, usher_outcome_reports, usher_workers, usher_keys"
)
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of the suite's own, for tests marked `postgresql`."""
    programs = postgresql_programs()
    assert programs is not None
    server = PostgresqlServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'usher.db'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.url(server.create_database())


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[Database]:
    """A database without tables, once of each kind."""
    yield from _opened(empty_database_url)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with empty tables, where the kind makes no difference."""
    file = tmp_path / "usher.db"
    shutil.copy(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgresql_url(
    postgresql_server: PostgresqlServer, migrated_postgresql_database: str
) -> str:
    """The URL of a PostgreSQL database with empty tables."""
    # Ten times as fast as a database for each test.
    postgresql_server.execute(f"TRUNCATE {TABLES}", migrated_postgresql_database)
    return postgresql_server.url(migrated_postgresql_database)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with empty tables, once of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with empty tables, once of each kind."""
    yield from _opened(database_url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables, to copy."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_postgresql_database(postgresql_server: PostgresqlServer) -> str:
    """The name of a PostgreSQL database with the tables."""
    name = postgresql_server.create_database()
    _upgrade(postgresql_server.url(name))
    return name


def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    yield database
    database.close()


def _upgrade(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()
