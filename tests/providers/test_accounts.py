# ruff: noqa: RUF001 (letters that look alike are the point)
"""The accounts table, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa

from flask_usher.database import Database
from flask_usher.providers.account_names import UnusableName
from flask_usher.providers.accounts import Account, Accounts, NameTaken, NewAccount, table

CLAIMS = {"name": "Jane Doe", "email": "jane@shop.example", "email_verified": True}

DAMAGED_CLAIMS = [
    pytest.param("", id="empty"),
    pytest.param("{", id="truncated"),
    pytest.param("null", id="null"),
    pytest.param("[]", id="list"),
    pytest.param("1", id="number"),
    pytest.param('{"a":' * 100_000, id="deep"),
]
DAMAGED_GROUPS = [
    pytest.param("", id="empty"),
    pytest.param("null", id="null"),
    pytest.param("{}", id="object"),
    pytest.param('"staff"', id="string"),
    pytest.param('["staff", null]', id="null-inside"),
    pytest.param("[1]", id="number-inside"),
    pytest.param("[" * 100_000, id="deep"),
]


@pytest.fixture
def accounts(database: Database) -> Accounts:
    return Accounts(database, lambda: 1000.0)


def jane(**values: Any) -> NewAccount:
    return NewAccount(**{"name": "jane", "password_hash": "hash", **values})


def test_an_account_is_found_as_it_was_made(accounts: Accounts) -> None:
    made = accounts.add(jane(claims=CLAIMS, groups=("staff", "vip")))
    assert made == Account(
        id=made.id,
        name="jane",
        active=True,
        epoch=0,
        claims=CLAIMS,
        groups=("staff", "vip"),
        created_at=1000.0,
        updated_at=1000.0,
    )
    assert accounts.by_id(made.id) == made
    assert accounts.by_name("jane") == made
    credentials = accounts.credentials("jane")
    assert credentials is not None
    assert (credentials.account, credentials.password_hash) == (made, "hash")


def test_the_hash_is_not_in_what_is_printed(accounts: Accounts) -> None:
    new = jane(password_hash="$argon2id$secret")
    accounts.add(new)
    printed = f"{new!r} {accounts.by_name('jane')!r} {accounts.credentials('jane')!r}"
    assert "secret" not in printed


@pytest.mark.parametrize("spelling", ["JANE", " jane ", "ｊａｎｅ", "Jane\u00a0"])
def test_row_26_every_spelling_finds_the_one_account(accounts: Accounts, spelling: str) -> None:
    made = accounts.add(jane())
    assert accounts.by_name(spelling) == made
    with pytest.raises(NameTaken):
        accounts.add(jane(name=spelling))


@pytest.mark.parametrize("name", ["", "a b", "a\0", "\ud800", "😀", "x" * 256])
def test_row_27_impossible_names_are_refused(accounts: Accounts, name: str) -> None:
    for use in (accounts.by_name, accounts.credentials, lambda n: accounts.add(jane(name=n))):
        with pytest.raises(UnusableName):
            use(name)


def test_who_is_not_there(accounts: Accounts) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    assert accounts.by_id(nobody) is None
    assert accounts.by_name("nobody") is None
    assert accounts.credentials("nobody") is None
    assert not accounts.set_active(nobody, False)
    assert not accounts.set_password(nobody, "hash")
    assert not accounts.delete(nobody)


@pytest.mark.parametrize(
    "account_id",
    [
        pytest.param("", id="empty"),
        pytest.param("jane", id="name"),
        pytest.param("\0" * 36, id="row27-nul"),
        pytest.param("\ud800" * 36, id="row27-lone-surrogate"),
        pytest.param("x" * 10**6, id="million-characters"),
    ],
)
def test_ids_that_cannot_be(accounts: Accounts, account_id: str) -> None:
    assert accounts.by_id(account_id) is None


def test_ids_are_random_and_never_given_again(accounts: Accounts) -> None:
    first = accounts.add(jane())
    assert accounts.delete(first.id)
    second = accounts.add(jane())
    assert accounts.by_id(first.id) is None
    assert first.id != second.id


def test_disabling_raises_the_epoch_and_enabling_does_not(accounts: Accounts) -> None:
    made = accounts.add(jane())
    assert accounts.set_active(made.id, False)
    disabled = accounts.by_id(made.id)
    assert disabled is not None
    assert (disabled.active, disabled.epoch) == (False, 1)
    assert accounts.set_active(made.id, True)
    enabled = accounts.by_id(made.id)
    assert enabled is not None
    assert (enabled.active, enabled.epoch) == (True, 1)


def test_a_new_password_raises_the_epoch(accounts: Accounts) -> None:
    made = accounts.add(jane())
    assert accounts.set_password(made.id, "other")
    credentials = accounts.credentials("jane")
    assert credentials is not None
    assert (credentials.password_hash, credentials.account.epoch) == ("other", 1)


@pytest.mark.parametrize(
    ("seen", "kept"),
    [pytest.param("hash", "newer", id="same"), pytest.param("old", "hash", id="replaced")],
)
def test_rehashing_replaces_only_the_hash_that_was_seen(
    accounts: Accounts, seen: str, kept: str
) -> None:
    made = accounts.add(jane())
    accounts.rehash(made.id, seen, "newer")
    credentials = accounts.credentials("jane")
    assert credentials is not None
    assert (credentials.password_hash, credentials.account.epoch) == (kept, 0)


def test_pages_hold_everybody_once(accounts: Accounts) -> None:
    names = {f"person-{number}" for number in range(25)}
    accounts.add_all([jane(name=name) for name in names])
    found: list[str] = []
    while page := accounts.page(after=found[-1] if found else "", limit=10):
        assert len(page) <= 10
        found += [account.name for account in page]
    assert len(found) == len(names)
    assert set(found) == names


def test_adding_many_is_all_or_nothing(accounts: Accounts) -> None:
    accounts.add(jane(name="b"))
    with pytest.raises(NameTaken):
        accounts.add_all([jane(name="a"), jane(name="B"), jane(name="c")])
    assert accounts.existing(["a", "b", "c"]) == {"b"}


def test_one_name_wanted_by_many_at_once_is_given_once(accounts: Accounts) -> None:
    barrier, outcomes = threading.Barrier(8), []

    def add() -> None:
        barrier.wait()
        try:
            outcomes.append(accounts.add(jane()).name)
        except NameTaken:
            outcomes.append("taken")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["jane"] + ["taken"] * 7


@pytest.mark.parametrize("value", [float("nan"), object(), float("inf")])
def test_claims_that_are_not_json_are_refused(accounts: Accounts, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        accounts.add(jane(claims={"name": value}))
    assert accounts.by_name("jane") is None


def test_claims_hold_any_text(accounts: Accounts) -> None:
    claims = {"name": "'); DROP TABLE usher_accounts;--\0😀\u2028é", "x": [None, {"y": 1.5}]}
    made = accounts.add(jane(claims=claims, groups=("Ünïcode 😀",)))
    assert accounts.by_id(made.id) == made


@pytest.mark.parametrize("claims", DAMAGED_CLAIMS)
def test_damaged_claims_make_the_account_inactive(
    accounts: Accounts, database: Database, claims: str
) -> None:
    damage(database, claims=claims, account_id=accounts.add(jane()).id)
    assert_damaged(accounts)


@pytest.mark.parametrize("groups", DAMAGED_GROUPS)
def test_damaged_groups_make_the_account_inactive(
    accounts: Accounts, database: Database, groups: str
) -> None:
    damage(database, groups=groups, account_id=accounts.add(jane()).id)
    assert_damaged(accounts)


def test_the_token_path_is_one_read_and_no_write(database: Database) -> None:
    made = Accounts(database).add(jane())
    counting = CountingDatabase(database)
    assert Accounts(counting).by_id(made.id) is not None
    assert counting.used == ["first"]


def damage(database: Database, account_id: str, **columns: str) -> None:
    with database.writing() as connection:
        connection.execute(table.update().where(table.c.id == account_id).values(columns))


def assert_damaged(accounts: Accounts) -> None:
    (listed,) = accounts.page()
    for account in (accounts.by_name("jane"), accounts.by_id(listed.id), listed):
        assert account is not None
        assert not account.active
        assert account.damage


class CountingDatabase:
    """A database that remembers what it was asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.used: list[str] = []

    def first(
        self, statement: sa.Select[Any], parameters: Mapping[str, object]
    ) -> sa.Row[Any] | None:
        self.used.append("first")
        return self._database.first(statement, parameters)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        self.used.append("reading")
        return self._database.reading()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        self.used.append("writing")
        return self._database.writing()
