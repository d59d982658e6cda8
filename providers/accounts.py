"""The accounts of the local provider: the table, and every statement that touches it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import sqlalchemy as sa

from .account_names import canonical_name

metadata = sa.MetaData()
table = sa.Table(
    "usher_accounts",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("claims", sa.Text, nullable=False),
    sa.Column("groups", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.UniqueConstraint("name", name="usher_accounts_name"),
)

_account = sa.select(
    table.c.id,
    table.c.name,
    table.c.active,
    table.c.epoch,
    table.c.claims,
    table.c.groups,
    table.c.created_at,
    table.c.updated_at,
)
_by_id = _account.where(table.c.id == sa.bindparam("id"))
_by_name = _account.where(table.c.name == sa.bindparam("name"))
_credentials = _by_name.add_columns(table.c.password_hash)

_ID = re.compile(r"[0-9a-f-]{36}")


class Database(Protocol):
    """What the accounts need of a database; `flask_usher.database.Database` is one."""

    def first(
        self, statement: sa.Select[Any], parameters: Mapping[str, object]
    ) -> sa.Row[Any] | None:
        """Return the first row of a read, or `None`."""

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection that sees committed data and changes nothing."""

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """Give a connection in a transaction that commits when the block ends well."""


class NameTaken(Exception):
    """There is an account of that name already."""


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account, without the password.

    `id` is never given to somebody else, not even when the name is. `epoch` rises with every
    new password and when the account is disabled. `active` tells whether the person may come
    in; a record with `damage` (in words) is never active. Times are in seconds since 1970.
    """

    id: str
    name: str
    active: bool
    epoch: int
    claims: Mapping[str, object]
    groups: tuple[str, ...]
    created_at: float
    updated_at: float
    damage: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account with the hash of its password."""

    account: Account
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to be made. `claims` must be JSON; their names are OpenID Connect's."""

    name: str
    password_hash: str = field(repr=False)
    active: bool = True
    claims: Mapping[str, object] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


class Accounts:
    """The accounts in one database.

    Names are given in any spelling; those that can be no name raise `UnusableName`. What the
    database raises passes through. Changes return whether the account was there.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def by_id(self, account_id: str) -> Account | None:
        """Return the account with this id. One indexed read; this is on every token's path."""
        if not _ID.fullmatch(account_id):
            return None
        row = self._database.first(_by_id, {"id": account_id})
        return None if row is None else _to_account(row)

    def by_name(self, name: str) -> Account | None:
        """Return the account of this name."""
        row = self._database.first(_by_name, {"name": canonical_name(name)})
        return None if row is None else _to_account(row)

    def credentials(self, name: str) -> Credentials | None:
        """Return the account of this name with its password hash."""
        row = self._database.first(_credentials, {"name": canonical_name(name)})
        return None if row is None else Credentials(_to_account(row[:-1]), row[-1])

    def page(self, *, after: str = "", limit: int = 500) -> list[Account]:
        """Return up to `limit` accounts in the order of their names, from behind `after`."""
        with self._database.reading() as connection:
            rows = connection.execute(
                _account.where(table.c.name > after).order_by(table.c.name).limit(limit)
            )
            return [_to_account(row) for row in rows]

    def existing(self, names: Collection[str]) -> set[str]:
        """Return those of these canonical names that have an account."""
        with self._database.reading() as connection:
            return set(
                connection.scalars(sa.select(table.c.name).where(table.c.name.in_(names)))
            )

    def add(self, new: NewAccount) -> Account:
        """Make an account and return it. Raises `NameTaken`."""
        (row,) = self._insert([new])
        return _to_account([row[column.name] for column in _account.selected_columns])

    def add_all(self, new: Sequence[NewAccount]) -> None:
        """Make all these accounts, or none of them. Raises `NameTaken`."""
        if new:
            self._insert(new)

    def set_active(self, account_id: str, active: bool) -> bool:
        """Enable or disable; disabling ends what the person has signed in to."""
        raised = 0 if active else 1
        return self._change(account_id, active=active, epoch=table.c.epoch + raised)

    def set_password(self, account_id: str, password_hash: str) -> bool:
        """Replace the password, which ends what the person has signed in to."""
        return self._change(account_id, password_hash=password_hash, epoch=table.c.epoch + 1)

    def rehash(self, account_id: str, stored: str, password_hash: str) -> None:
        """Store a newer hash of the same password, unless `stored` is no longer the one."""
        with self._database.writing() as connection:
            connection.execute(
                table.update()
                .where(table.c.id == account_id, table.c.password_hash == stored)
                .values(password_hash=password_hash)
            )

    def delete(self, account_id: str) -> bool:
        """Remove the account. Its name becomes free, its id does not."""
        with self._database.writing() as connection:
            return (
                connection.execute(table.delete().where(table.c.id == account_id)).rowcount > 0
            )

    def _insert(self, new: Sequence[NewAccount]) -> list[dict[str, Any]]:
        now = self._clock()
        rows = [
            {
                "id": str(uuid.uuid4()),
                "name": canonical_name(account.name),
                "password_hash": account.password_hash,
                "active": account.active,
                "epoch": 0,
                "claims": json.dumps(dict(account.claims), allow_nan=False),
                "groups": json.dumps(account.groups),
                "created_at": now,
                "updated_at": now,
            }
            for account in new
        ]
        try:
            with self._database.writing() as connection:
                connection.execute(table.insert(), rows)
        except sa.exc.IntegrityError as error:
            raise NameTaken from error
        return rows

    def _change(self, account_id: str, **values: Any) -> bool:
        with self._database.writing() as connection:
            result = connection.execute(
                table.update()
                .where(table.c.id == account_id)
                .values(updated_at=self._clock(), **values)
            )
        return result.rowcount > 0


def _to_account(row: Sequence[Any]) -> Account:
    account_id, name, active, epoch, claims_json, groups_json, created_at, updated_at = row
    try:
        claims, groups = json.loads(claims_json), json.loads(groups_json)
    except (TypeError, ValueError, RecursionError):
        claims = groups = None
    if type(claims) is dict and type(groups) is list and all(type(g) is str for g in groups):
        return Account(
            account_id, name, active, epoch, claims, tuple(groups), created_at, updated_at
        )
    damage = "its claims or groups are damaged"
    return Account(account_id, name, False, epoch, {}, (), created_at, updated_at, damage)
