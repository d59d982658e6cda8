"""What identity providers have ended, so that no sign-in under way outlives it.

A logout may arrive between the moment when a provider vouches for somebody and the moment when
their sign-in is recorded. The one that comes second must see the other: both work under one
lock for each provider.
"""

from __future__ import annotations

import zlib

import sqlalchemy as sa

from flask_usher.providers.base import Completion, LogoutNotice

metadata = sa.MetaData()
table = sa.Table(
    "usher_logouts",
    metadata,
    sa.Column("provider", sa.String(64), primary_key=True),
    sa.Column("ended", sa.String(300), primary_key=True),
    sa.Column("issued_at", sa.Double, nullable=False),
    sa.Column("forget_at", sa.Double, nullable=False),
)
# Longer than any attempt to sign in can take.
REMEMBERED_SECONDS = 3600
LOCK_NUMBER = int.from_bytes(b"ushr", "big")


def take_turn(connection: sa.Connection, provider: str) -> None:
    """Wait until no other transaction records sign-ins or logouts of this provider."""
    # On SQLite the transaction has begun with the write lock.
    if connection.dialect.name == "postgresql":
        number = zlib.crc32(provider.encode()) - 2**31
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_NUMBER, number)))


def remember(
    connection: sa.Connection, provider: str, notice: LogoutNotice, now: float
) -> None:
    """Record what the notice ends: the one session that it names, else all of the person."""
    connection.execute(table.delete().where(table.c.forget_at < now))
    ended = f"sid:{notice.sid}" if notice.sid is not None else f"sub:{notice.subject}"
    mine = sa.and_(table.c.provider == provider, table.c.ended == ended)
    connection.execute(table.delete().where(mine))
    connection.execute(
        table.insert().values(
            provider=provider,
            ended=ended,
            issued_at=notice.issued_at,
            forget_at=now + REMEMBERED_SECONDS,
        )
    )


def has_ended(connection: sa.Connection, completion: Completion) -> bool:
    """Tell whether the provider has ended this sign-in since it vouched for it."""
    names = [f"sub:{completion.identity.subject}", f"sid:{completion.sid}"]
    rows = connection.execute(
        sa.select(table.c.ended, table.c.issued_at).where(
            table.c.provider == completion.identity.provider, table.c.ended.in_(names)
        )
    )
    vouched_at = completion.vouched_at or completion.identity.signed_in_at
    return any(ended.startswith("sid:") or issued_at >= vouched_at for ended, issued_at in rows)
