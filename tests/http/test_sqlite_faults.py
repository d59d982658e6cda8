"""A SQLite file that is locked, full, read-only, damaged, deleted or replaced."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.capabilities import (
    CAP_DAC_OVERRIDE,
    effective_capabilities,
    set_effective_capabilities,
)
from support.refusals import assert_page_refused, assert_refused
from support.service import Browser, LogText, MakeService, Service

PAGE_BYTES = 4096


@pytest.fixture
def shop(make_service: MakeService) -> Service:
    service = make_service()
    service.signed_in("jane")
    # It opens connections of its own, which others then find in the pool.
    service.state.background.close()
    return service


@pytest.fixture
def jane(shop: Service) -> Browser:
    return shop.signed_in("jane")


def file_of(shop: Service) -> Path:
    return shop.folder / "usher.db"


def test_row_163_another_program_is_writing(shop: Service, jane: Browser, log: LogText) -> None:
    shop.clock.advance(120)
    with closing(sqlite3.connect(file_of(shop), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        # One waits to note the visit, and gives up; the next don't even try.
        assert [jane.ask().status_code for _ in range(3)] == [200] * 3
        assert log.text.count("a visit could not be noted") == 1
        assert_page_refused(shop.browser().sign_in("jane"), 503, "store-unavailable")
        assert jane.ask().status_code == 200
    assert shop.browser().sign_in("jane").status_code == 303


@contextmanager
def no_space_left(shop: Service) -> Iterator[None]:
    """Let no file grow beyond what the database's log has; the audit log is shorter."""
    log = Path(f"{file_of(shop)}-wal")
    assert log.stat().st_size > shop.audit_size() + 10 * PAGE_BYTES
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_row_163_no_space_is_left(shop: Service, jane: Browser, log: LogText) -> None:
    shop.clock.advance(120)
    with no_space_left(shop):
        assert [jane.ask().status_code for _ in range(3)] == [200] * 3
        assert "a visit could not be noted" in log.text
        answer = shop.browser().sign_in("jane")
        assert_page_refused(answer, 503, "store-unavailable")
        # Signing out can't be noted either, and nobody is told that they are out.
        assert_refused(jane.sign_out(), 503, "store-unavailable", event="sign-out")
        assert jane.ask().status_code == 200
    assert shop.browser().sign_in("jane").status_code == 303
    assert jane.sign_out().status_code == 204


@contextmanager
def without_rights(shop: Service) -> Iterator[None]:
    """Be a user who may read the database and not write to it."""
    files = [it for it in shop.folder.iterdir() if it.name.startswith("usher.db")]
    modes = {it: it.stat().st_mode for it in (shop.folder, *files)}
    for path in files:
        path.chmod(0o444)
    shop.folder.chmod(0o555)
    before = effective_capabilities()
    # Not as another user: who may not read Python's own files can load no module.
    set_effective_capabilities(before & ~(1 << CAP_DAC_OVERRIDE))
    try:
        yield
    finally:
        set_effective_capabilities(before)
        for path, mode in modes.items():
            path.chmod(mode)


def test_row_163_the_file_system_is_read_only(
    shop: Service, jane: Browser, log: LogText
) -> None:
    assert jane.ask().status_code == 200
    with closing(sqlite3.connect(file_of(shop))) as other:
        # Or the last one to close would take the write-ahead log away.
        other.execute("SELECT 1 FROM usher_sign_ins").fetchall()
        shop.state.database.close()
        with without_rights(shop):
            shop.clock.advance(120)
            assert [jane.ask().status_code for _ in range(3)] == [200] * 3
            assert "a visit could not be noted" in log.text
            answer = shop.browser().sign_in("jane")
            assert_page_refused(answer, 503, "store-unavailable")
            shop.state.database.close()
    assert shop.browser().sign_in("jane").status_code == 303


def test_row_163_a_damaged_page(shop: Service, jane: Browser) -> None:
    """What stands on it is no sign-in, and nobody is taken for somebody else."""
    with shop.state.database.reading() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    file = file_of(shop)
    whole = file.read_bytes()
    pages = [whole[it : it + PAGE_BYTES] for it in range(0, len(whole), PAGE_BYTES)]
    damaged = pages[:1] + [b"\xa5" * PAGE_BYTES] * (len(pages) - 1)
    put(file, b"".join(damaged))
    assert_refused(jane.ask(), 503, "store-unavailable")
    assert_page_refused(shop.browser().sign_in("jane"), 503, "store-unavailable")
    assert jane.cookie()
    put(file, whole)
    assert jane.user_id() == shop.user_id_of("jane")
    assert shop.browser().sign_in("jane").status_code == 303


def put(file: Path, content: bytes) -> None:
    """Put another file in the place of this one, as a restore does."""
    new = file.with_suffix(".new")
    new.write_bytes(content)
    for name in ("-wal", "-shm"):
        Path(f"{file}{name}").unlink(missing_ok=True)
    new.replace(file)


def test_row_163_the_file_is_deleted(shop: Service, jane: Browser) -> None:
    file, safe = file_of(shop), shop.folder / "safe"
    assert jane.ask().status_code == 200
    safe.mkdir()
    parts = list(shop.folder.glob("usher.db*"))
    for part in parts:
        part.rename(safe / part.name)
    for _ in range(2):
        assert_refused(jane.ask(), 503, "store-unavailable")
    assert_page_refused(shop.browser().sign_in("jane"), 503, "store-unavailable")
    ready = shop.browser().get("/usher/health/ready")
    assert (ready.status_code, ready.members["checks"]["database"]) == (503, "unavailable")
    assert not file.exists(), "an empty one would hide that it is gone"
    for part in parts:
        (safe / part.name).rename(part)
    assert jane.user_id() == shop.user_id_of("jane")
    assert shop.browser().sign_in("jane").status_code == 303


def test_row_163_what_is_gone_from_a_new_file_is_gone(shop: Service, jane: Browser) -> None:
    """A connection to the old file would go on finding it."""
    assert jane.ask().status_code == 200
    other = shop.folder / "other.db"
    with (
        closing(sqlite3.connect(file_of(shop))) as source,
        closing(sqlite3.connect(other)) as copy,
    ):
        source.backup(copy)
        copy.execute("DELETE FROM usher_sign_ins")
        copy.commit()
    put(file_of(shop), other.read_bytes())
    assert_refused(jane.ask(), 401, "no-session")
