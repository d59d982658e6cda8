"""What identity providers have ended, so that no sign-in under way outlives it.

A logout may arrive between the moment when an attempt to sign in begins and the moment when its
sign-in is recorded. The one that comes second must see the other, so they take turns.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import sqlalchemy as sa

from flask_usher.providers.base import Completion, LogoutNotice

metadata = sa.MetaData()
table = sa.Table(
    "usher_logouts",
    metadata,
    sa.Column("provider", sa.String(64), primary_key=True),
    sa.Column("ended", sa.String(300), primary_key=True),
    sa.Column("issued_at", sa.Double, nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),
)
# Longer than any attempt to sign in can take.
REMEMBERED_SECONDS = 3600
LOCK_NUMBER = int.from_bytes(b"ushr", "big")


def remember(
    connection: sa.Connection, provider: str, notice: LogoutNotice, now: float
) -> None:
    """Record what the notice ends.

    Waits until no other transaction records a sign-in or a logout of this provider.
    """
    _take_turn(connection, provider, sa.func.pg_advisory_xact_lock)
    lapsed = table.c.received_at < now - REMEMBERED_SECONDS
    connection.execute(table.delete().where(lapsed))
    for ended in _ended_by(notice):
        mine = sa.and_(table.c.provider == provider, table.c.ended == ended)
        connection.execute(table.delete().where(mine))
        connection.execute(
            table.insert().values(
                provider=provider, ended=ended, issued_at=notice.issued_at, received_at=now
            )
        )


def has_ended(connection: sa.Connection, completion: Completion, begun_at: float) -> bool:
    """Tell whether the provider has ended this sign-in since the attempt began.

    Waits until no other transaction records a logout of this provider.
    """
    provider, vouched_at = completion.identity.provider, completion.vouched_at
    _take_turn(connection, provider, sa.func.pg_advisory_xact_lock_shared)
    since = table.c.received_at >= begun_at
    if vouched_at is not None:
        since |= table.c.issued_at >= vouched_at
    mine = sa.and_(table.c.provider == provider, table.c.ended.in_(_ways_to_end(completion)))
    found = connection.execute(sa.select(table.c.ended).where(mine, since).limit(1))
    return found.first() is not None


def _ended_by(notice: LogoutNotice) -> list[str]:
    if notice.sid is None:
        return [f"all:{notice.subject}"]
    named = [f"sid:{notice.sid}"]
    return named if notice.subject is None else [*named, f"unnamed:{notice.subject}"]


def _ways_to_end(completion: Completion) -> list[str]:
    subject, sid = completion.identity.subject, completion.sid
    return [f"all:{subject}", f"unnamed:{subject}" if sid is None else f"sid:{sid}"]


def _take_turn(
    connection: sa.Connection, provider: str, lock: Callable[[int, int], sa.ColumnElement[None]]
) -> None:
    # On SQLite the transaction has begun with the write lock.
    if connection.dialect.name == "postgresql":
        number = zlib.crc32(provider.encode()) - 2**31
        connection.execute(sa.select(lock(LOCK_NUMBER, number)))
