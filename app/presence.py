"""Telling all others that this process serves, and what it has in force."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version

import sqlalchemy as sa

from .database import Database, database_time
from .errors import StoreUnavailable
from .workers import (
    LONGEST_HOST,
    LONGEST_RELEASE,
    Difference,
    Standing,
    Worker,
    differences,
    seen,
    table,
)

KEPT_SECONDS = 60
"""A process that has not been seen for this long is forgotten."""
DISTRIBUTION = "flask-usher"


class Presence:
    """This process's row among the workers. `standing` gives what it has in force now.

    While the database is away, nothing is told and nothing is known of others. Methods are for
    several threads at once.
    """

    def __init__(self, database: Database, standing: Callable[[], Standing]) -> None:
        self._database = database
        self._standing = standing
        self._told: Standing | None = None
        self._differences: frozenset[Difference] = frozenset()
        self._become_another()

    @property
    def differences(self) -> frozenset[Difference]:
        """What the workers disagreed on when this one last looked."""
        return self._differences

    def announce(self) -> None:
        """Tell that this process is there, and look at the others."""
        if os.getpid() != self._process:
            self._become_another()
        with self._lock:
            standing = self._standing()
            workers: tuple[Worker, ...] = ()
            with suppress(StoreUnavailable):
                self._tell(standing)
                workers = seen(self._database)
            self._differences = differences(workers)

    def leave(self) -> None:
        """Take the row away, at the end of the process."""
        if os.getpid() != self._process:
            return
        with self._lock:
            if self._told is None:
                return
            with suppress(StoreUnavailable), self._database.noting() as connection:
                connection.execute(table.delete().where(table.c.id == self._id))

    def _become_another(self) -> None:
        self._process = os.getpid()
        self._id = secrets.token_hex(16)
        self._told = None
        # The parent of a fork may have held its own.
        self._lock = threading.Lock()

    def _tell(self, standing: Standing) -> None:
        with self._database.noting() as connection:
            now = database_time(connection)
            told: dict[str, object] = {"seen_at": now}
            changed = {
                "changed_at": now,
                "policy": standing.policy,
                "signing_key": standing.signing_key,
                "held_keys": " ".join(sorted(standing.keys)),
            }
            values = told if standing == self._told else told | changed
            own = table.update().where(table.c.id == self._id).values(values)
            if connection.execute(own).rowcount == 0:
                row = self._process_row() | told | changed
                connection.execute(table.insert().values(row | {"started_at": now}))
            _forget(connection, now)
        self._told = standing

    def _process_row(self) -> dict[str, object]:
        return {
            "id": self._id,
            "host": socket.gethostname()[:LONGEST_HOST],
            "process": self._process,
            "release": version(DISTRIBUTION)[:LONGEST_RELEASE],
        }


def _forget(connection: sa.Connection, now: sa.ColumnElement[float]) -> None:
    # Two who forget the same rows in another order would wait for each other.
    gone = sa.select(table.c.id).where(table.c.seen_at < now - KEPT_SECONDS)
    gone = gone.with_for_update(skip_locked=True)
    connection.execute(table.delete().where(table.c.id.in_(gone)))
