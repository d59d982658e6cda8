"""Values that count once: the state of a sign-in attempt, the id of a logout token."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

metadata = sa.MetaData()
table = sa.Table(
    "usher_replays",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("usher_replays_expires_at", "expires_at"),
)
PURGED_AT_ONCE = 100


def first_use(
    connection: sa.Connection, purpose: str, value: str, *, now: float, expires_at: float
) -> bool:
    """Tell whether `value` is used for the first time; remember it until `expires_at`.

    However many transactions ask at once, one is told yes. Times are in seconds since the
    epoch.
    """
    # Others may be at the same rows, and nobody shall wait for that.
    lapsed = sa.select(table.c.id).where(table.c.expires_at < now).limit(PURGED_AT_ONCE)
    connection.execute(
        table.delete().where(table.c.id.in_(lapsed.with_for_update(skip_locked=True)))
    )
    key = hashlib.sha256(f"{purpose}\0{value}".encode("utf-8", "replace")).hexdigest()
    try:
        with connection.begin_nested():
            connection.execute(table.insert().values(id=key, expires_at=expires_at))
    except sa.exc.IntegrityError:
        return False
    return True
