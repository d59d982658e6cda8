"""The database: short reads on a held connection, and transactions."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from flask_usher.database import Database
from flask_usher.errors import StoreUnavailable

SHOWN = ("search_path", "statement_timeout")


def test_row_168_opening_a_new_file_waits_for_the_process_that_is_filling_it(
    tmp_path: Path,
) -> None:
    other = sqlite3.connect(
        tmp_path / "usher.db", isolation_level=None, check_same_thread=False
    )
    other.execute("CREATE TABLE filled (x)")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    database = Database(f"sqlite:///{tmp_path / 'usher.db'}")
    assert database.first(sa.select(sa.literal(1)), {}) == (1,)
    database.close()
    release.join()
    other.close()


def test_every_thread_may_hold_a_connection(database: Database) -> None:
    threads, failures = 24, []
    all_hold = threading.Barrier(threads)

    def read() -> None:
        try:
            database.first(sa.select(sa.literal(1)), {})
        except StoreUnavailable as error:
            failures.append(error)
        all_hold.wait()

    running = [threading.Thread(target=read) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failures == []


@pytest.mark.postgresql
def test_row_164_options_of_the_url_stand_beside_our_own(postgresql_url: str) -> None:
    database = Database(f"{postgresql_url}&options=-csearch_path%3Dusher")
    try:
        with database.reading() as connection:
            found = [connection.scalar(sa.text(f"SHOW {it}")) for it in SHOWN]
    finally:
        database.close()
    assert found == ["usher", "1500ms"]
