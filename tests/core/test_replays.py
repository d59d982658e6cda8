"""Values that count once: whoever asks, and at whatever time, one is told yes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import IO

import pytest
import sqlalchemy as sa
from support.threads import together

from flask_usher.database import Database
from flask_usher.sign_ins import replays

NOW = 1_800_000_000.0
MINUTE = 60

USE_ON_SIGNAL = f"""
import sys
from flask_usher.sign_ins import replays
from flask_usher.database import Database

database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    with database.writing() as connection:
        used = replays.first_use(
            connection, "test", str(number), now={NOW}, expires_at={NOW} + 60
        )
    print(number if used else "", flush=True)
"""


def first_use(
    database: Database, value: str = "value", purpose: str = "test", now: float = NOW
) -> bool:
    """Use a value that is remembered for a minute."""
    with database.writing() as connection:
        return replays.first_use(connection, purpose, value, now=now, expires_at=now + MINUTE)


def rows(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(sa.select(replays.table.c.id)))


@pytest.fixture
def other_store(database: Database, database_url: str) -> Iterator[Database]:
    """What another worker has: connections of its own to the same database."""
    other = Database(database_url)
    yield other
    other.close()


def test_row_51_a_value_counts_once(database: Database, other_store: Database) -> None:
    assert first_use(database)
    assert not first_use(database)
    assert not first_use(other_store)


def test_row_51_once_among_threads_of_two_workers(
    database: Database, other_store: Database
) -> None:
    stores = (database, other_store)
    told = together(16, lambda number: first_use(stores[number % 2]))
    assert sorted(told) == [False] * 15 + [True]


@pytest.mark.slow
def test_row_51_once_among_processes(database: Database, database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", USE_ON_SIGNAL, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert pipe(process.stdout).readline() == "ready\n"
    for process in processes:
        pipe(process.stdin).write("go\n")
        pipe(process.stdin).flush()
    used = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(used[0] + used[1], key=int) == [str(number) for number in range(20)]
    assert not first_use(database, "0")


def pipe(end: IO[str] | None) -> IO[str]:
    assert end is not None
    return end


@pytest.mark.parametrize(
    ("purpose", "value"),
    [
        ("other", "value"),
        ("test", "valu"),
        ("test", "Value"),
        ("test", "value "),
        ("testvalue", ""),
        ("test", ""),
        ("test", "x" * 100_000),
        ("test", "\0"),
        ("test", "\udcff"),
        ("test", "va\u0301lue"),
    ],
)
def test_values_and_purposes_are_told_apart(
    database: Database, purpose: str, value: str
) -> None:
    assert first_use(database)
    assert first_use(database, value, purpose)
    assert not first_use(database, value, purpose)


def test_what_is_rolled_back_was_not_used(database: Database) -> None:
    with database.engine.connect() as connection:
        assert replays.first_use(connection, "test", "value", now=NOW, expires_at=NOW + 60)
        connection.rollback()
    assert first_use(database)


def test_a_second_use_does_not_spoil_the_transaction(database: Database) -> None:
    assert first_use(database, "a")
    with database.writing() as connection:
        for value, expected in (("a", False), ("b", True), ("a", False)):
            used = replays.first_use(connection, "test", value, now=NOW, expires_at=NOW + 60)
            assert used is expected
    assert not first_use(database, "b")


def test_it_is_remembered_to_the_end_of_its_time_and_then_forgotten(
    database: Database,
) -> None:
    assert first_use(database)
    assert not first_use(database, now=NOW + MINUTE)
    assert first_use(database, now=NOW + MINUTE + 0.001)


def test_what_has_lapsed_is_cleared_away_bit_by_bit(database: Database) -> None:
    with database.writing() as connection:
        lapsed = [{"id": str(number), "expires_at": NOW - 1} for number in range(250)]
        connection.execute(replays.table.insert(), lapsed)
    left = []
    for number in range(3):
        first_use(database, str(number))
        left.append(len(rows(database)) - (number + 1))
    assert left == [150, 50, 0]


def test_the_value_itself_is_not_kept(database: Database) -> None:
    first_use(database, "violet-state-of-an-attempt")
    (kept,) = rows(database)
    assert "violet" not in kept
    assert len(kept) == 64
