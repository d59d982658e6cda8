"""Yesterday's backup is restored: whose chats are whose, and who is let in, is not confused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from support.command_line import CommandLine
from support.refusals import assert_refused
from support.service import MakeService, Service


def backed_up(service: Service, to: Path) -> None:
    """Copy the database as it is, while it is in use."""
    with (
        closing(sqlite3.connect(service.folder / "usher.db")) as source,
        closing(sqlite3.connect(to)) as copy,
    ):
        source.backup(copy)


def restored(service: Service, backup: Path) -> None:
    """Put a copy in the place of the database, as the page on deployment says."""
    service.state.close()
    for name in ("usher.db-wal", "usher.db-shm"):
        (service.folder / name).unlink(missing_ok=True)
    backup.replace(service.folder / "usher.db")


def test_row_169_who_signed_in_since_is_signed_out_and_ids_stay(
    make_service: MakeService, tmp_path: Path
) -> None:
    shop = make_service()
    before = shop.signed_in("jane")
    user_id = before.user_id()
    backed_up(shop, tmp_path / "backup")
    shop.clock.advance(60)
    since = shop.signed_in("jane")
    assert since.user_id() == user_id
    shop.signed_in("new")
    restored(shop, tmp_path / "backup")
    assert_refused(since.ask(), 401, "no-session")
    assert before.user_id() == user_id
    assert shop.signed_in("jane").user_id() == user_id
    # Whoever has the name by now is somebody else than the one who had it for an hour.
    assert shop.signed_in("new").user_id() not in {user_id}


def test_row_169_who_is_denied_by_the_policy_stays_so(
    make_service: MakeService, tmp_path: Path
) -> None:
    shop = make_service()
    jane = shop.signed_in("jane")
    subject = shop.user_id_of("jane").partition(":")[2]
    backed_up(shop, tmp_path / "backup")
    account = shop.provider.accounts.by_name("jane")
    assert account is not None
    shop.provider.accounts.set_active(account.id, False)
    assert_refused(jane.ask(), 403, "account-inactive")
    restored(shop, tmp_path / "backup")
    # The list is newer than the backup: it is in the settings, not in the database.
    rule = {"code": "left-us", "refuse_when": f'identity.subject in ["{subject}"]'}
    shared: dict[str, Any] = {it: shop.config[it] for it in ("secret_key", "database")}
    after = make_service(policy={"rules": [rule]}, **shared)
    browser = after.browser()
    cookie = jane.cookie()
    assert cookie is not None
    browser.show(cookie)
    assert_refused(browser.ask(), 403, "left-us")


def test_row_169_with_one_command_nobody_is_signed_in_any_more(
    make_service: MakeService, tmp_path: Path
) -> None:
    """Who signed out after the backup was made would be signed in again."""
    shop = make_service()
    jane = shop.signed_in("jane")
    cookie = jane.cookie()
    assert cookie is not None
    backed_up(shop, tmp_path / "backup")
    assert jane.sign_out().status_code == 204
    restored(shop, tmp_path / "backup")
    jane.show(cookie)
    assert jane.ask().status_code == 200
    (tmp_path / "line").mkdir()
    line = CommandLine(tmp_path / "line", shop.config["database"]["url"])
    line.succeed("sign-ins", "revoke", "--all")
    assert_refused(jane.ask(), 401, "no-session")
