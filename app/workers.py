"""The processes that serve, on all hosts: what each has in force, for all to compare.

Times are those of the database's clock, so that the hosts' own make no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from .database import Database, database_time

ALIVE_SECONDS = 10
"""Who was not seen for this long is taken for dead. A process is seen every 3 seconds."""
ROLL_OUT_SECONDS = 30
"""How long workers may differ: a change reaches one after the other."""
LONGEST_HOST, LONGEST_RELEASE = 255, 64

metadata = sa.MetaData()
table = sa.Table(
    "usher_workers",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("host", sa.String(LONGEST_HOST), nullable=False),
    sa.Column("process", sa.BigInteger, nullable=False),
    sa.Column("release", sa.String(LONGEST_RELEASE), nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("signing_key", sa.String(64), nullable=False),
    sa.Column("held_keys", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a process has in force: the policy's version, and fingerprints of keys.

    `signing_key` is the one in use; `keys` are all signing and recipient keys that it holds.
    """

    policy: str
    signing_key: str
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that serves. `age`, `unseen` and `unchanged` are in seconds.

    `unchanged` is for how long its standing has been what it is.
    """

    id: str
    host: str
    process: int
    release: str
    standing: Standing
    age: float
    unseen: float
    unchanged: float


class Difference(StrEnum):
    """What workers may disagree on."""

    POLICY = "policy"
    KEYS = "keys"


def seen(database: Database, seconds: float = ALIVE_SECONDS) -> tuple[Worker, ...]:
    """Return who was seen in the last `seconds`, by host and process.

    Raises `StoreUnavailable`.
    """
    # To connect would make SQLite's file.
    if not database.may_exist():
        return ()
    with database.reading() as connection:
        now = database_time(connection)
        age = (now - table.c.started_at).label("age")
        unseen = (now - table.c.seen_at).label("unseen")
        unchanged = (now - table.c.changed_at).label("unchanged")
        rows = connection.execute(
            sa.select(table, age, unseen, unchanged)
            .where(unseen <= seconds)
            .order_by(table.c.host, table.c.process)
        )
        return tuple(map(_worker, rows))


def differences(
    workers: Iterable[Worker], seconds: float = ROLL_OUT_SECONDS
) -> frozenset[Difference]:
    """Return what workers have disagreed on for at least `seconds`."""
    known = tuple(workers)
    aspects: dict[Difference, Callable[[Standing], Hashable]] = {
        Difference.POLICY: lambda it: it.policy,
        Difference.KEYS: lambda it: (it.signing_key, it.keys),
    }
    return frozenset(
        difference
        for difference, aspect in aspects.items()
        if _disagree(known, aspect, seconds)
    )


def _disagree(
    workers: tuple[Worker, ...], aspect: Callable[[Standing], Hashable], seconds: float
) -> bool:
    longest: dict[Hashable, float] = {}
    for worker in workers:
        value = aspect(worker.standing)
        longest[value] = max(worker.unchanged, longest.get(value, 0.0))
    # They disagree since the second opinion came up.
    return len(longest) > 1 and sorted(longest.values())[-2] >= seconds


def _worker(row: sa.Row[Any]) -> Worker:
    return Worker(
        id=row.id,
        host=row.host,
        process=row.process,
        release=row.release,
        standing=Standing(row.policy, row.signing_key, frozenset(row.held_keys.split())),
        age=row.age,
        unseen=row.unseen,
        unchanged=row.unchanged,
    )
