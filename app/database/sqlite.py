"""Connections to a SQLite file, in WAL mode."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Hashable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

BUSY_TIMEOUT_SECONDS = 2
BUSY_RETRY_SECONDS = 0.01
CONNECT_ARGUMENTS = {"timeout": BUSY_TIMEOUT_SECONDS, "uri": True}


class SqliteFile:
    """What all connections of a process to one file have in common.

    None of them makes the file: an empty one in the place of a file that was deleted
    would hide that.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._uri = f"{Path(path).absolute().as_uri()}?mode=rw"

    @property
    def generation(self) -> Hashable:
        """Connections to a file that has been deleted or replaced are no good any more."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def create(self) -> None:
        """Make an empty file that is private, unless there is one."""
        # SQLite itself makes one that everybody on the machine may read; its other files get
        # the mode of this one. Made without opening it: closing a file drops all locks that
        # other connections of this process have on it.
        with suppress(OSError):
            os.mknod(self._path, 0o600)

    def prepare(self, engine: Engine) -> None:
        """Make an engine open its connections here."""
        event.listen(engine, "do_connect", self._name_file)
        event.listen(engine, "connect", _set_pragmas)

    def _name_file(
        self, _dialect: object, _record: object, arguments: list[str], _options: object
    ) -> None:
        arguments[0] = self._uri


def take_write_lock(connection: Connection) -> None:
    """Begin a transaction that will write.

    One that reads first and writes later would fail at once, without waiting for the busy
    timeout, when another writer came in between.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _set_pragmas(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


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
