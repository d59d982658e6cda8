"""The kill switch: one row in the database stops all tokens on every host within a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from .database import Database
from .errors import Paused

FRESH_SECONDS = 0.5
_ONLY = 1

metadata = sa.MetaData()
table = sa.Table(
    "usher_pause",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("message", sa.String(200), nullable=False),
    sa.Column("since", sa.Double, nullable=False),
)
_current = sa.select(table.c.message, table.c.since).where(table.c.id == sa.bindparam("id"))


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause in force: why, for colleagues, and since when in seconds since the epoch."""

    message: str
    since: float


class Pauses:
    """Pausing and resuming for all hosts that share the database.

    `clock` gives seconds since the epoch; `monotonic` seconds that never go back. Everything
    raises `StoreUnavailable`.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        # The pause, if any, and until when it need not be read again.
        self._known: tuple[Pause | None, float] = (None, float("-inf"))

    def check(self) -> None:
        """Raise `Paused` while a pause is in force. At most half a second behind."""
        pause, fresh_until = self._known
        if self._monotonic() >= fresh_until:
            pause = self.current()
        if pause is not None:
            raise Paused(pause.message)

    def current(self) -> Pause | None:
        """Read the pause that is in force, if there is one."""
        fresh_until = self._monotonic() + FRESH_SECONDS
        row = self._database.first(_current, {"id": _ONLY})
        pause = None if row is None else Pause(row.message, row.since)
        self._known = (pause, fresh_until)
        return pause

    def pause(self, message: str) -> Pause:
        """Pause; a pause that is in force takes the new message and keeps its beginning."""
        with self._database.writing() as connection:
            changed = connection.execute(table.update().values(message=message))
            if changed.rowcount == 0:
                values = {"id": _ONLY, "message": message, "since": self._clock()}
                connection.execute(table.insert().values(values))
        pause = self.current()
        return pause or Pause(message, self._clock())

    def resume(self) -> bool:
        """End the pause; tell whether there was one."""
        with self._database.writing() as connection:
            ended = connection.execute(table.delete()).rowcount > 0
        self._known = (None, float("-inf"))
        return ended
