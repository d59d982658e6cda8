"""The record of which keys are in force. It only chooses among those that each host has.

Where nothing is on record, the first key of the settings is in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ..database import Database


class Purpose(StrEnum):
    """What a key is for: our own that signs, and iAdvize's for which tokens are encrypted."""

    SIGNING = "signing"
    RECIPIENT = "recipient"


class KeyState(StrEnum):
    """Where a key is in its life. At most one of each purpose is in each of the first three."""

    NEXT = "next"
    CURRENT = "current"
    PREVIOUS = "previous"
    RETIRED = "retired"


metadata = sa.MetaData()
table = sa.Table(
    "usher_keys",
    metadata,
    sa.Column("purpose", sa.String(16), primary_key=True),
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("staged_at", sa.Double, nullable=False),
    sa.Column("confirmed_at", sa.Double),
    sa.Column("switched_at", sa.Double),
    sa.Column("retired_at", sa.Double),
)
sa.Index(
    "usher_keys_one_of_each",
    table.c.purpose,
    table.c.state,
    unique=True,
    sqlite_where=table.c.state != "retired",
    postgresql_where=table.c.state != "retired",
)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key on record. Times are in seconds since the epoch, `None` for what has not been."""

    purpose: Purpose
    fingerprint: str
    public_key: str
    """PEM."""
    state: KeyState
    staged_at: float
    confirmed_at: float | None
    """Also `None` for a key that was in force before there was any record."""
    switched_at: float | None
    """When it was last put into force, as far as that is on record."""
    retired_at: float | None


def _in_force(purpose: Purpose) -> sa.ColumnElement[Any]:
    of_purpose = sa.case((table.c.purpose == purpose.value, table.c.fingerprint))
    return sa.func.max(of_purpose).label(purpose.value)


_both = sa.select(_in_force(Purpose.SIGNING), _in_force(Purpose.RECIPIENT))
_both_in_force = _both.where(table.c.state == KeyState.CURRENT)


def in_force(database: Database) -> tuple[str | None, str | None]:
    """Return the fingerprints of the signing key and the recipient key that are in force.

    Raises `StoreUnavailable`.
    """
    row = database.first(_both_in_force, {})
    return (None, None) if row is None else (row.signing, row.recipient)


def records(connection: sa.Connection, purpose: Purpose) -> tuple[KeyRecord, ...]:
    """Return the keys of a purpose, in the order in which they were staged."""
    found = sa.select(table).where(table.c.purpose == purpose.value).order_by(table.c.staged_at)
    return tuple(map(_record, connection.execute(found)))


def _record(row: sa.Row[Any]) -> KeyRecord:
    values = row._asdict()
    purpose, state = Purpose(values.pop("purpose")), KeyState(values.pop("state"))
    return KeyRecord(purpose=purpose, state=state, **values)
