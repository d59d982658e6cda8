"""The SQL database: short reads on a held connection, and transactions."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, Row, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .errors import StoreUnavailable

BUSY_TIMEOUT_SECONDS = 5
CONNECT_TIMEOUT_SECONDS = 2
POOL_TIMEOUT_SECONDS = 2
STATEMENT_TIMEOUT_MILLISECONDS = 2000
BUSY_RETRY_SECONDS = 0.01
UNIX_EPOCH_JULIAN_DAY = 2440587.5


class Database:
    """One SQL database, SQLite in WAL mode or PostgreSQL.

    `first` is the fast way for the token path: each thread keeps a connection in autocommit
    mode, which saves the pool's check-out and its rollback on every read. `reading` and
    `writing` are for everything else. All raise `StoreUnavailable` when the database does not
    answer in time.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = make_url(url)
        self.engine: Engine = _writing_engine(self.url)
        self._read_engine: Engine = _reading_engine(self.url)
        self._local = threading.local()

    def may_exist(self) -> bool:
        """Tell whether looking into it would not make it.

        To connect makes SQLite's file, which might then belong to the wrong user.
        """
        file = self.url.database or ""
        return self.url.get_backend_name() != "sqlite" or os.path.exists(file)

    def first(
        self, statement: sa.Select[Any], parameters: Mapping[str, object]
    ) -> Row[Any] | None:
        """Return the first row of a read, or `None`."""
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
        with _store_errors(), self._read_engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that commits when the block ends well."""
        with _store_errors(), self.engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection that no other thread holds."""
        self._drop()
        self.engine.dispose()
        self._read_engine.dispose()

    def _held(self) -> Connection:
        held: _Held | None = getattr(self._local, "held", None)
        if held is None:
            held = self._local.held = _Held(self._read_engine.connect())
        return held.connection

    def _drop(self) -> None:
        held: _Held | None = getattr(self._local, "held", None)
        self._local.held = None
        if held is not None:
            held.connection.invalidate()


class _Held:
    """A thread's connection, given back to the pool when the thread ends."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __del__(self) -> None:
        self.connection.close()


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except SQLAlchemyError as error:
        raise StoreUnavailable from error


def _reading_engine(url: URL) -> Engine:
    # Every thread may hold a connection for good, so the pool (size 0) has no upper end.
    return _engine(url, isolation_level="AUTOCOMMIT", pool_size=0)


def _writing_engine(url: URL) -> Engine:
    engine = _engine(url, pool_timeout=POOL_TIMEOUT_SECONDS, pool_pre_ping=True)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "begin", _take_write_lock)
    return engine


def _engine(url: URL, **options: Any) -> Engine:
    if url.get_backend_name() == "sqlite":
        arguments: dict[str, object] = {"timeout": BUSY_TIMEOUT_SECONDS}
    else:
        arguments = {
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_TIMEOUT_MILLISECONDS}",
        }
    engine = sa.create_engine(url, hide_parameters=True, connect_args=arguments, **options)
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "do_connect", _make_private_file)
        event.listen(engine, "connect", _set_pragmas)
    return engine


def _make_private_file(
    _dialect: object, _record: object, arguments: list[str], _options: object
) -> None:
    # SQLite itself makes a file that everybody on the machine may read; its other files get
    # the mode of this one. Made without opening it: closing a file drops all locks that other
    # connections of this process have on it. Where that is not possible, SQLite makes it.
    with suppress(OSError):
        os.mknod(arguments[0], 0o600)


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


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _take_write_lock(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail at once, without waiting for
    # the busy timeout, when another writer came in between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _use_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    # A new file is not in this mode yet, and while somebody else writes to it, SQLite refuses
    # the change at once instead of waiting for the busy timeout.
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_RETRY_SECONDS)
        else:
            return
