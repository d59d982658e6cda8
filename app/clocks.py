"""Is this host's clock right? The database server's tells."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from .database import Database, database_time

TOLERATED_SECONDS = 30.0
"""Half of a token's life: further behind or ahead, iAdvize may refuse what is made here."""


def difference(database: Database, clock: Callable[[], float]) -> float | None:
    """Return by how many seconds this host's clock is ahead of the database server's.

    `None` for SQLite, which has no clock but this host's. Raises `StoreUnavailable`.
    """
    if database.is_local:
        return None
    with database.reading() as connection:
        before = clock()
        theirs = connection.scalar(sa.select(database_time(connection)))
        after = clock()
    return (before + after) / 2 - float(theirs or 0)
