"""The shop's customers, and in which browsers they are signed in."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask_login import UserMixin

TABLES = """
create table if not exists customers (
    id integer primary key autoincrement, -- never given to anybody else
    email text not null unique collate nocase,
    password_hash text not null,
    given_name text not null,
    family_name text not null,
    active integer not null default 1
);
create table if not exists visits (
    id text primary key,
    customer integer not null references customers (id) on delete cascade,
    signed_in_at real not null
);
"""
VISIT_SECONDS = 30 * 24 * 3600
LONGEST_PASSWORD = 256
hasher = PasswordHasher()
NOBODYS_HASH = hasher.hash(secrets.token_urlsafe())


@dataclass(frozen=True, slots=True, eq=False)
class Customer(UserMixin):  # type: ignore[misc]
    """Somebody who is signed in, since `signed_in_at` (seconds since the epoch)."""

    id: int
    email: str
    given_name: str
    family_name: str
    signed_in_at: float

    @property
    def number(self) -> str:
        """The customer number, which is on every invoice."""
        return f"Q-{self.id:06}"


class Customers:
    """The tables. A cookie is worth nothing without its row in `visits`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._connection() as connection:
            connection.executescript(TABLES)

    def add(self, email: str, password: str, given_name: str, family_name: str) -> int:
        """Add a customer and return their id. Raises `sqlite3.IntegrityError` for a second."""
        with self._connection() as connection:
            row = connection.execute(
                "insert into customers (email, password_hash, given_name, family_name)"
                " values (?, ?, ?, ?) returning id",
                (email, hasher.hash(password), given_name, family_name),
            ).fetchone()
        return int(row[0])

    def set_active(self, customer: int, active: bool) -> None:
        """Lock a customer out, or let them in again."""
        with self._connection() as connection:
            connection.execute(
                "update customers set active = ? where id = ?", (active, customer)
            )

    def sign_in(self, email: str, password: str) -> str | None:
        """Return the id of a new visit, or `None` for a wrong name or password."""
        with self._connection() as connection:
            row = connection.execute(
                "select id, password_hash, active from customers where email = ?", (email,)
            ).fetchone()
            customer, password_hash, active = row or (None, NOBODYS_HASH, False)
            # An unknown address takes as long as a wrong password.
            if not _is_right(password_hash, password) or not active:
                return None
            visit, now = secrets.token_urlsafe(), time.time()
            connection.execute(
                "delete from visits where signed_in_at < ?", (now - VISIT_SECONDS,)
            )
            connection.execute("insert into visits values (?, ?, ?)", (visit, customer, now))
        return visit

    def visitor(self, visit: str) -> Customer | None:
        """Return who is on this visit, if it goes on and the customer is active."""
        with self._connection() as connection:
            row = connection.execute(
                "select c.id, email, given_name, family_name, signed_in_at"
                " from customers c join visits v on v.customer = c.id"
                " where v.id = ? and signed_in_at > ? and active",
                (visit, time.time() - VISIT_SECONDS),
            ).fetchone()
        return Customer(*row) if row else None

    def sign_out(self, visit: str) -> None:
        """End a visit."""
        with self._connection() as connection:
            connection.execute("delete from visits where id = ?", (visit,))

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file)) as connection, connection:
            connection.execute("pragma foreign_keys = on")
            yield connection


def _is_right(password_hash: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
