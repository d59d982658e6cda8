"""People who are signed in, as many as are wanted, written straight into PostgreSQL."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import sqlalchemy as sa

from flask_usher import State
from flask_usher.providers import accounts
from flask_usher.providers.accounts import Accounts, NewAccount
from flask_usher.providers.base import Completion, Identity
from flask_usher.sign_ins import records as sign_in_records

ADDRESSES = 60
"""How many addresses the people share; one may ask for 50 tokens a second."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in: whose tokens must hold `user_id`, and nobody else's."""

    user_id: str
    cookie: str = field(repr=False)
    address: str

    @property
    def subject(self) -> str:
        """The id of the account."""
        return self.user_id.partition(":")[2]


def sign_in(state: State, name: str, password_hash: str = "-") -> Person:
    """Make an account and sign its owner in, through the front door."""
    account = Accounts(state.database).add(NewAccount(name=name, password_hash=password_hash))
    identity = Identity(
        provider="local",
        subject=account.id,
        signed_in_at=state.clock(),
        epoch=account.epoch,
        amr=("pwd",),
    )
    cookie = state.sign_ins.create(Completion(identity))
    return Person(f"local:{account.id}", cookie, _address(0))


def fill(
    state: State, account_count: int, sign_in_count: int, password_hash: str = "-"
) -> list[Person]:
    """Make accounts, of which the first are signed in; return those who are.

    One goes through the front door, and its rows are copied for the others.
    """
    first = sign_in(state, "person-0", password_hash)
    people = [
        Person(f"local:{uuid.uuid4()}", secrets.token_urlsafe(32), _address(number))
        for number in range(1, sign_in_count)
    ]
    others = account_count - len(people) - 1
    subjects = [it.subject for it in people] + [str(uuid.uuid4()) for _ in range(others)]
    _copy(
        state.database.engine,
        accounts.table,
        first.subject,
        ({"id": it, "name": f"person-{number}"} for number, it in enumerate(subjects, 1)),
    )
    _copy(
        state.database.engine,
        sign_in_records.table,
        state.sign_ins._id(first.cookie),
        ({"id": state.sign_ins._id(it.cookie), "subject": it.subject} for it in people),
    )
    # What a connection has written may count in PostgreSQL's statistics only when it closes.
    state.database.engine.dispose()
    return [first, *people]


def _copy(
    engine: sa.Engine, table: sa.Table, key: str, changes: Iterable[dict[str, str]]
) -> None:
    """Copy the row with this key once for each change."""
    names = [column.name for column in table.columns]
    columns = ", ".join(f'"{name}"' for name in names)
    with engine.begin() as connection:
        row = connection.execute(table.select().where(table.c.id == key)).one()._asdict()
        # So many rows take longer than a request may.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
            for values in _changed(row, changes):
                copy.write_row([values[name] for name in names])
        connection.exec_driver_sql(f"ANALYZE {table.name}")


def _changed(
    row: dict[str, object], changes: Iterable[dict[str, str]]
) -> Iterator[dict[str, object]]:
    for change in changes:
        yield row | change


def _address(number: int) -> str:
    # All of 127.0.0.0/8 is this machine; 127.0.0.1 is where the proxy is.
    return f"127.0.1.{number % ADDRESSES + 1}"
