"""Writing outcomes: counters are added to, old ones thinned, and nothing is kept for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..database import Database, wait_for_turn
from .labels import OTHER, is_free_text
from .reports import Report
from .tables import (
    ALL_BEFORE,
    DAY,
    HOUR,
    MINUTE,
    Event,
    Failure,
    Key,
    counts,
    failures,
    reports,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

KEPT_DAYS = 90
MINUTES_KEPT_DAYS = 2
FREE_TEXTS_PER_DAY = 50
FAILURES_KEPT = 500
REPORTS_KEPT_SECONDS = HOUR
FAILED = (Event.FAILED, Event.REFUSAL_SEEN, Event.ERROR)


@dataclass(slots=True)
class Batch:
    """What has been counted and reported, and is not in the database yet."""

    counts: Counter[Key] = field(default_factory=Counter)
    reports: list[tuple[float, Report]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.counts or self.reports)


def save(database: Database, batch: Batch, now: float) -> None:
    """Add a batch, whole or not at all; of reports with one support id only the first counts.

    `now` is in seconds since the epoch. Raises `StoreUnavailable`.
    """
    with database.noting() as connection:
        # Two who add to the same counters in another order would wait for each other.
        wait_for_turn(connection, "outcomes")
        added = Counter(batch.counts)
        failed = []
        for time, report in _bounded(connection, _news(connection, batch.reports, now)):
            minute = minute_of(time)
            added[Key(minute, report.event, report.label)] += 1
            added.update(Key(minute, event, label) for event, label in report.measured)
            if report.event in FAILED:
                failed.append(
                    Failure(report.support_id, time, report.event, report.label, report.mode)
                )
        _put(connection, failures, [it._asdict() for it in failed])
        _add(connection, added)


def thin(database: Database, now: float) -> None:
    """Make hours of old minutes, and one sum of what is older than 90 days; drop old failures.

    Raises `StoreUnavailable`.
    """
    with database.noting() as connection:
        wait_for_turn(connection, "outcomes")
        start = counts.c.start
        _move(connection, start < now - KEPT_DAYS * DAY, sa.literal(ALL_BEFORE), sa.case(
            (counts.c.label.startswith('"'), OTHER), else_=counts.c.label
        ))  # fmt: skip
        old_minute = (start < now - MINUTES_KEPT_DAYS * DAY) & (start % HOUR != 0)
        _move(connection, old_minute, start - start % HOUR, counts.c.label)
        newest = sa.select(failures.c.time).order_by(failures.c.time.desc())
        last_kept = connection.scalar(newest.offset(FAILURES_KEPT - 1).limit(1))
        too_old = failures.c.time < now - KEPT_DAYS * DAY
        if last_kept is not None:
            too_old |= failures.c.time < last_kept
        connection.execute(failures.delete().where(too_old))


def minute_of(time: float) -> int:
    """Return where the minute begins that holds a time."""
    return int(time) // MINUTE * MINUTE


def _news(
    connection: sa.Connection, given: Sequence[tuple[float, Report]], now: float
) -> list[tuple[float, Report]]:
    """Return what has not been reported before, and remember it."""
    connection.execute(reports.delete().where(reports.c.time < now - REPORTS_KEPT_SECONDS))
    by_id = {report.support_id: (time, report) for time, report in reversed(given)}
    known = sa.select(reports.c.support_id).where(reports.c.support_id.in_(list(by_id)))
    for (support_id,) in connection.execute(known).all():
        del by_id[support_id]
    rows = [{"support_id": it, "time": now} for it in by_id]
    _put(connection, reports, rows)
    return list(reversed(by_id.values()))


def _bounded(
    connection: sa.Connection, reports: Sequence[tuple[float, Report]]
) -> list[tuple[float, Report]]:
    """Return the reports, those with yet another free text under the label `other`."""
    known: dict[int, set[tuple[str, str]]] = {}
    bounded = []
    for time, report in reports:
        if is_free_text(report.label):
            day = int(time) // DAY * DAY
            texts = known.setdefault(day, _free_texts(connection, day))
            text = (report.event.value, report.label)
            if text not in texts and len(texts) >= FREE_TEXTS_PER_DAY:
                report = replace(report, label=OTHER)
            else:
                texts.add(text)
        bounded.append((time, report))
    return bounded


def _free_texts(connection: sa.Connection, day: int) -> set[tuple[str, str]]:
    of_day = counts.c.start.between(day, day + DAY - 1) & counts.c.label.startswith('"')
    rows = connection.execute(sa.select(counts.c.event, counts.c.label).where(of_day))
    return {(event, label) for event, label in rows}


def _add(connection: sa.Connection, added: Mapping[Key, int]) -> None:
    if added:
        rows = [{**key._asdict(), "count": number} for key, number in sorted(added.items())]
        connection.execute(_adding(connection, None), rows)


def _move(
    connection: sa.Connection,
    which: sa.ColumnElement[bool],
    start: sa.ColumnElement[int],
    label: sa.ColumnElement[str],
) -> None:
    """Add the counters to those at another start or of another label, which replace them."""
    which &= counts.c.start != ALL_BEFORE
    moved = sa.select(
        start.label("start"),
        counts.c.event,
        label.label("label"),
        sa.func.sum(counts.c.count).label("count"),
    ).where(which).group_by(sa.text("1"), sa.text("2"), sa.text("3"))  # fmt: skip
    connection.execute(_adding(connection, moved))
    connection.execute(counts.delete().where(which))


def _put(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _adding(connection: sa.Connection, rows: sa.Select[Any] | None) -> sa.Insert:
    insert = _insert(connection, counts)
    if rows is not None:
        insert = insert.from_select([it.name for it in counts.c], rows)
    return insert.on_conflict_do_update(
        index_elements=[counts.c.start, counts.c.event, counts.c.label],
        set_={"count": counts.c.count + insert.excluded.count},
    )


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    # Each costs memory and time at the start, and a process uses one of them.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
