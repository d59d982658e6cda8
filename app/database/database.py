"""The SQL database: short reads on a held connection, and transactions."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, Row, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..errors import StoreUnavailable
from ..timing import Timer, Took, unmeasured
from . import sqlite

POOL_TIMEOUT_SECONDS = 1
WRITERS = 4
"""How many transactions a process has at once; the others wait for a turn."""
LONG_WAIT_SECONDS = 60
UNIX_EPOCH_JULIAN_DAY = 2440587.5
_PING = sa.select(sa.literal(1))
_WITHOUT_WAITING = sa.text("SET LOCAL synchronous_commit = off")


class Database:
    """One SQL database, SQLite in WAL mode or PostgreSQL.

    `first` is the fast way for the token path: each thread keeps a connection in autocommit
    mode, which saves the pool's check-out and its rollback on every read. `reading` uses the
    same connection, `writing` one of at most `WRITERS` others. All raise `StoreUnavailable`
    when the database does not answer in time. `took` learns of each.
    """

    def __init__(self, url: str, took: Took = unmeasured) -> None:
        self.url: URL = make_url(url)
        self._took = took
        self.is_local = self.url.get_backend_name() == "sqlite"
        arguments: Mapping[str, object]
        if self.is_local:
            self._store: Any = sqlite.SqliteFile(self.url.database or "")
            arguments = sqlite.CONNECT_ARGUMENTS
        else:
            # Its driver is an extra, which an installation with SQLite can do without.
            from . import postgresql

            self._store = postgresql.Postgresql()
            arguments = postgresql.connect_arguments(self.url)
        self.engine: Engine = self._engine(
            arguments,
            pool_size=WRITERS,
            max_overflow=0,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            pool_pre_ping=True,
        )
        if self.is_local:
            event.listen(self.engine, "begin", sqlite.take_write_lock)
        # Every thread may hold a connection for good, so the pool (size 0) has no upper end.
        self._read_engine: Engine = self._engine(
            arguments, isolation_level="AUTOCOMMIT", pool_size=0
        )
        self._local = threading.local()

    @property
    def engines(self) -> tuple[Engine, Engine]:
        """The engine for writing, and the one for reading."""
        return self.engine, self._read_engine

    def may_exist(self) -> bool:
        """Tell whether it is more than a place where SQLite's file may be made."""
        file = Path(self.url.database or "")
        return not self.is_local or file.exists() or not file.parent.is_dir()

    def create(self) -> None:
        """Make SQLite's file, unless there is one."""
        if self.is_local:
            self._store.create()

    def first(
        self, statement: sa.Select[Any], parameters: Mapping[str, object]
    ) -> Row[Any] | None:
        """Return the first row of a read, or `None`."""
        with Timer(self._took, StoreUnavailable):
            return self._first(statement, parameters)

    def _first(
        self, statement: sa.Select[Any], parameters: Mapping[str, object]
    ) -> Row[Any] | None:
        for last_try in (False, True):
            try:
                return self._held().execute(statement, dict(parameters)).first()
            except DBAPIError as error:
                self._drop()
                if last_try or not error.connection_invalidated:
                    raise StoreUnavailable from error
            except SQLAlchemyError as error:
                self._drop()
                raise StoreUnavailable from error
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees committed data and changes nothing."""
        # It may be lost without anybody knowing; a block can't be tried again.
        self.first(_PING, {})
        with Timer(self._took, StoreUnavailable):
            try:
                yield self._held()
            except SQLAlchemyError as error:
                self._drop()
                raise StoreUnavailable from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that commits when the block ends well."""
        with Timer(self._took, StoreUnavailable):
            try:
                with self.engine.begin() as connection:
                    yield connection
            except sa.exc.IntegrityError:
                raise
            except SQLAlchemyError as error:
                raise StoreUnavailable from error

    @contextmanager
    def noting(self) -> Iterator[Connection]:
        """Do the same for what may be forgotten when the server crashes within a second.

        Nobody waits until it is on a disk, nor for a standby.
        """
        with self.writing() as connection:
            if not self.is_local:
                connection.execute(_WITHOUT_WAITING)
            yield connection

    @contextmanager
    def writing_at_length(self) -> Iterator[Connection]:
        """Do the same without haste: the server may take its time, and so may others' locks."""
        with self.writing() as connection:
            if self.is_local:
                yield connection
                return
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{LONG_WAIT_SECONDS}s'"))
            driver: Any = connection.connection.driver_connection
            hasty, driver.patience = driver.patience, float("inf")
            try:
                yield connection
            finally:
                driver.patience = hasty

    def release(self) -> None:
        """Close the connection that this thread keeps, as it will not read for a while."""
        # The connection is given back with the last reference.
        self._local.held = None

    def close(self) -> None:
        """Close every connection that no other thread holds."""
        self._drop()
        self.engine.dispose()
        self._read_engine.dispose()

    def _engine(self, arguments: Mapping[str, object], **options: Any) -> Engine:
        engine = sa.create_engine(
            self.url, hide_parameters=True, connect_args=dict(arguments), **options
        )
        self._store.prepare(engine)
        event.listen(engine, "connect", self._note_generation)
        event.listen(engine, "checkout", self._demand_generation)
        return engine

    def _note_generation(self, _connection: object, record: Any) -> None:
        record.info["generation"] = self._store.generation

    def _demand_generation(self, _connection: object, record: Any, _proxy: object) -> None:
        if record.info["generation"] != self._store.generation:
            raise sa.exc.DisconnectionError("the database is another one now")

    def _held(self) -> Connection:
        held: _Held | None = getattr(self._local, "held", None)
        if held is not None and held.generation != self._store.generation:
            self._drop()
            held = None
        if held is None:
            connection = self._read_engine.connect()
            held = self._local.held = _Held(connection, connection.info["generation"])
        return held.connection

    def _drop(self) -> None:
        held: _Held | None = getattr(self._local, "held", None)
        self._local.held = None
        if held is not None:
            held.connection.invalidate()


class _Held:
    """A thread's connection, given back to the pool when the thread ends."""

    def __init__(self, connection: Connection, generation: Hashable) -> None:
        self.connection = connection
        self.generation = generation

    def __del__(self) -> None:
        self.connection.close()


def database_time(connection: Connection) -> sa.ColumnElement[float]:
    """Return the expression for the time by the database's clock, in seconds since the epoch.

    On PostgreSQL it stands still during a transaction.
    """
    if connection.dialect.name == "postgresql":
        return sa.cast(sa.func.extract("epoch", sa.func.now()), sa.Double)
    since_the_epoch = sa.func.julianday("now", type_=sa.Double) - UNIX_EPOCH_JULIAN_DAY
    return since_the_epoch * 86400.0


def wait_for_turn(connection: Connection, name: str) -> None:
    """Let no other transaction that asks for the same name go on before this one has ended.

    On SQLite a transaction that writes is alone in any case.
    """
    _lock(connection, name, sa.func.pg_advisory_xact_lock)


def wait_for_turns(connection: Connection, name: str) -> None:
    """Wait for those who have asked for a turn, and let none of them go on before the end.

    Other transactions that do the same go on at the same time.
    """
    _lock(connection, name, sa.func.pg_advisory_xact_lock_shared)


def _lock(
    connection: Connection, name: str, function: Callable[[int], sa.ColumnElement[None]]
) -> None:
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(f"usher {name}".encode()).digest()
        key = int.from_bytes(digest[:8], "big", signed=True)
        connection.execute(sa.select(function(key)))
