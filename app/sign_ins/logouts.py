"""What identity providers have ended, so that no sign-in under way outlives it.

A logout may arrive between the moment when an attempt to sign in begins and the moment when its
sign-in is recorded. The one that comes second must see the other, so they take turns.
"""

from __future__ import annotations

import sqlalchemy as sa

from flask_usher.providers.base import Completion, LogoutNotice

from ..database import wait_for_turn, wait_for_turns

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


def remember(
    connection: sa.Connection, provider: str, notice: LogoutNotice, now: float
) -> None:
    """Record what the notice ends.

    Waits until no other transaction records a sign-in or a logout of this provider.
    """
    wait_for_turn(connection, f"logouts of {provider}")
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
    wait_for_turns(connection, f"logouts of {provider}")
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
