"""One read of a sign-in's record: from PostgreSQL, as it is, and from Redis, as it could be."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator

import redis
import sqlalchemy as sa
from faults.deployment import PEOPLE, deployed

from flask_usher.sign_ins.records import table

from ..http_path import tell
from ..report import Measurement

ROUNDS = 10
READS = 1000
FIND = sa.select(table).where(table.c.id == sa.bindparam("id"))


def measure(_arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give the medians of both, over local sockets, and what Redis would save of a token."""
    with deployed(PEOPLE, PEOPLE, 1, direct=True) as deployment:
        tell(f"{ROUNDS} rounds of {READS} reads from each")
        database = deployment.state.database
        with database.reading() as connection:
            sign_in_id = connection.scalar(sa.select(table.c.id).limit(1))
        row = database.first(FIND, {"id": sign_in_id})
        record = json.dumps(tuple(row or ()))
        store = redis.Redis.from_url(deployment.redis.url)
        store.set("record", record)
        reads: dict[str, Callable[[], object]] = {
            "PostgreSQL": lambda: database.first(FIND, {"id": sign_in_id}),
            "Redis": lambda: store.get("record"),
        }
        seen: dict[str, list[float]] = {name: [] for name in reads}
        for _ in range(ROUNDS):
            for name, read in reads.items():
                seen[name] += [_seconds(read) for _ in range(READS)]
        store.close()
    ours, theirs = (statistics.median(it) * 1e6 for it in seen.values())
    yield Measurement("a sign-in's record from PostgreSQL, median", ours, "µs")
    yield Measurement("the same text from Redis, median", theirs, "µs")
    yield Measurement("what Redis would save a token", ours - theirs, "µs")


def _seconds(read: Callable[[], object]) -> float:
    began = time.perf_counter()
    read()
    return time.perf_counter() - began
