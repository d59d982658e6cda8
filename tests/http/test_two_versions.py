"""Two releases at once: one serves while the next one migrates, and afterwards."""

from __future__ import annotations

import sqlalchemy as sa
from support.refusals import assert_refused
from support.service import MakeService

from flask_usher import schema
from flask_usher.database import Database

# What a migration may do while the release before it serves: add, and nothing else. Such a
# release names the columns that it reads and writes, so it can't tell this one from the next.
ADDED = (
    "CREATE TABLE usher_future (id INTEGER PRIMARY KEY)",
    "ALTER TABLE usher_sign_ins ADD COLUMN device VARCHAR(64)",
    "ALTER TABLE usher_accounts ADD COLUMN level INTEGER NOT NULL DEFAULT 1",
    "UPDATE usher_alembic_version SET version_num = '0999'",
)


def test_row_168_the_release_before_serves_after_the_next_has_migrated(
    make_service: MakeService, empty_database: Database
) -> None:
    schema.upgrade(empty_database)
    shop = make_service(database={"url": str(empty_database.url)})
    jane = shop.signed_in("jane")
    user_id = jane.user_id()
    with empty_database.writing() as connection:
        for statement in ADDED:
            connection.execute(sa.text(statement))
    assert jane.user_id() == user_id
    assert shop.browser().sign_in("jane").status_code == 303
    assert shop.signed_in("sam").ask().status_code == 200
    assert shop.browser().get("/usher/health/ready").status_code == 200
    assert jane.sign_out().status_code == 204
    assert_refused(jane.ask(), 401, "no-session")
    # A process of the release before that starts now changes nothing.
    schema.upgrade(empty_database)
    assert schema.revision(empty_database) == "0999"


def test_row_168_tokens_are_issued_while_tables_are_made(
    make_service: MakeService, empty_database: Database
) -> None:
    schema.upgrade(empty_database)
    shop = make_service(database={"url": str(empty_database.url)})
    jane = shop.signed_in("jane")
    assert jane.ask().status_code == 200
    with empty_database.writing_at_length() as connection:
        for statement in (ADDED[0], ADDED[-1]):
            connection.execute(sa.text(statement))
        assert jane.ask().status_code == 200
        assert shop.browser().get("/usher/health/ready").status_code == 200
    assert jane.ask().status_code == 200
