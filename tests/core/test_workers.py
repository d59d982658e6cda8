"""Workers: who serves, what each has in force, and what they disagree on."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from importlib.metadata import version
from itertools import permutations

import pytest
import sqlalchemy as sa
from support.threads import together

from flask_usher import workers
from flask_usher.database import Database, database_time
from flask_usher.presence import Presence
from flask_usher.workers import Difference, Standing, Worker, differences, seen, table

STANDING = Standing("policy-1", "SHA256:a", frozenset({"SHA256:a", "SHA256:r"}))
NEXT = replace(STANDING, policy="policy-2")
ROTATED = replace(STANDING, signing_key="SHA256:b")
STAGED = replace(STANDING, keys=STANDING.keys | {"SHA256:b"})
POLICY, KEYS = Difference.POLICY, Difference.KEYS


def presence(database: Database, standing: Standing = STANDING) -> Presence:
    return Presence(database, lambda: standing)


def later(database: Database, seconds: float) -> None:
    """Let time pass for all that is known of workers."""
    columns = (table.c.started_at, table.c.seen_at, table.c.changed_at)
    with database.writing() as connection:
        connection.execute(table.update().values({it: it - seconds for it in columns}))


def worker(standing: Standing, unchanged: float) -> Worker:
    return Worker("-", "web", 1, "1.0", standing, unchanged, 0.0, unchanged)


def test_a_process_tells_what_it_is_and_has_in_force(database: Database) -> None:
    presence(database).announce()
    (found,) = seen(database)
    assert (found.host, found.process) == (socket.gethostname(), os.getpid())
    assert (found.release, found.standing) == (version("flask-usher"), STANDING)
    assert 0 <= found.unseen <= found.age < 60
    assert found.unchanged == found.age


def test_ages_are_by_the_clock_of_the_database(database: Database) -> None:
    current = [STANDING]
    own = Presence(database, lambda: current[0])
    own.announce()
    later(database, 5)
    own.announce()
    (found,) = seen(database)
    assert 5 <= found.age == found.unchanged < 65
    assert found.unseen < 5
    current[0] = NEXT
    own.announce()
    (found,) = seen(database)
    assert found.standing == NEXT
    assert found.unchanged < 5 <= found.age


def test_who_is_not_seen_any_more(database: Database) -> None:
    presence(database).announce()
    later(database, workers.ALIVE_SECONDS + 1)
    assert seen(database) == ()
    assert len(seen(database, 30)) == 1
    later(database, 60)
    presence(database).announce()
    assert len(seen(database, 3600)) == 1


def test_who_was_forgotten_and_comes_back(database: Database) -> None:
    own = presence(database)
    own.announce()
    (before,) = seen(database)
    with database.writing() as connection:
        connection.execute(table.delete())
    own.announce()
    (found,) = seen(database)
    assert (found.id, found.standing) == (before.id, STANDING)


def test_who_leaves_takes_its_row_along(database: Database) -> None:
    own, other = presence(database), presence(database, NEXT)
    presence(database).leave()
    own.announce()
    other.announce()
    own.leave()
    assert [it.standing for it in seen(database)] == [NEXT]


def test_the_child_of_a_fork_is_another_worker(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, parent = presence(database), os.getpid()
    own.announce()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    own.leave()
    assert [it.process for it in seen(database)] == [parent]
    own.announce()
    assert [it.process for it in seen(database)] == [parent, parent + 1]
    own.leave()
    assert [it.process for it in seen(database)] == [parent]


def test_many_at_once(database: Database) -> None:
    own = [presence(database) for _ in range(8)]
    together(8, lambda number: [own[number].announce() for _ in range(5)])
    assert len(seen(database)) == 8
    later(database, 120)
    together(8, lambda number: own[number].announce())
    assert len(seen(database)) == 8
    together(8, lambda number: own[number].leave())
    assert seen(database, 3600) == ()


def test_without_a_database_nothing_happens() -> None:
    own = presence(Database("postgresql+psycopg://usher@127.0.0.1:9/usher"))
    own.announce()
    own.leave()
    assert own.differences == frozenset()


def test_without_tables_nothing_happens(empty_database: Database) -> None:
    own = presence(empty_database)
    own.announce()
    own.leave()
    assert own.differences == frozenset()


def test_no_file_is_made_for_it(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/none.db")
    presence(database).announce()
    assert not database.may_exist()


@pytest.mark.parametrize(
    ("standings", "expected"),
    [
        pytest.param([], set(), id="none"),
        pytest.param([(NEXT, 99)], set(), id="one"),
        pytest.param([(STANDING, 99), (STANDING, 0)], set(), id="agreed"),
        pytest.param([(STANDING, 99), (NEXT, 29)], set(), id="row176-rolled-out"),
        pytest.param([(STANDING, 99), (NEXT, 30)], {POLICY}, id="row176-policy"),
        pytest.param([(STANDING, 99), (ROTATED, 30)], {KEYS}, id="row176-key"),
        pytest.param([(STANDING, 99), (STAGED, 30)], {KEYS}, id="row176-keys-held"),
        pytest.param(
            [(NEXT, 40), (ROTATED, 50), (STANDING, 60)], {KEYS, POLICY}, id="row176-both"
        ),
        pytest.param(
            [(STANDING, 99), (NEXT, 31), (NEXT, 1)], {POLICY}, id="row176-slow-roll-out"
        ),
        pytest.param([(STANDING, 1), (STANDING, 99), (NEXT, 2)], set(), id="restarted"),
    ],
)
def test_differences(standings: list[tuple[Standing, float]], expected: set[str]) -> None:
    for order in permutations(standings):
        assert differences(worker(*it) for it in order) == expected


def test_row_176_a_worker_learns_of_the_others(database: Database) -> None:
    own, other = presence(database), presence(database, NEXT)
    own.announce()
    other.announce()
    assert other.differences == frozenset()
    later(database, workers.ROLL_OUT_SECONDS)
    other.announce()
    own.announce()
    assert own.differences == {POLICY}
    other.leave()
    own.announce()
    assert own.differences == frozenset()


def test_the_time_of_the_database(database: Database) -> None:
    with database.reading() as connection:
        first, second = (
            connection.execute(sa.select(database_time(connection))).scalar_one()
            for _ in range(2)
        )
    assert 1_700_000_000 < first <= second < 10_000_000_000
