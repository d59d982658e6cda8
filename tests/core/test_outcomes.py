"""Outcomes in the database: added up by all processes, thinned, and bounded."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import sqlalchemy as sa
from support.threads import together

from flask_usher.audit import Visit
from flask_usher.database import Database
from flask_usher.outcomes import store
from flask_usher.outcomes.classes import MILLISECONDS, class_of, median
from flask_usher.outcomes.figures import last_failures, series, totals
from flask_usher.outcomes.recorder import Outcomes
from flask_usher.outcomes.reports import read
from flask_usher.outcomes.store import Batch, save, thin
from flask_usher.outcomes.tables import DAY, HOUR, MINUTE, Event, Key, counts, reports
from flask_usher.testing import Clock

START = 1_800_000_000 // DAY * DAY
VISIT = Visit(support_id="-", address="192.0.2.1", site=None)


def batch(*support_ids: str, time: float = START, **members: object) -> Batch:
    """Return reports in a batch."""
    form = {"v": 1, "mode": "secured", "status": "activated", "reason": None} | members
    read_in = [read(json.dumps(form | {"support_id": it}).encode()) for it in support_ids]
    return Batch(reports=[(time, it) for it in read_in])


def of_counts(database: Database) -> dict[tuple[int, str, str], int]:
    with database.reading() as connection:
        rows = connection.execute(sa.select(counts)).all()
    return {(start, event, label): count for start, event, label, count in rows}


def test_batches_are_added_up(database: Database) -> None:
    key = Key(START, Event.GRANTED, "")
    save(database, Batch(Counter({key: 5})), START)
    save(database, Batch(Counter({key: 2, Key(START, Event.REFUSED, "paused"): 1})), START)
    assert of_counts(database) == {
        (START, "granted", ""): 7,
        (START, "refused", "paused"): 1,
    }


def test_of_reports_with_one_id_the_first_counts(database: Database) -> None:
    save(database, batch("A", "B", "A"), START)
    save(database, batch("B", "C", status="failed"), START)
    assert totals(database).of(Event.ACTIVATED) == {"secured": 2}
    assert totals(database).total(Event.FAILED) == 1
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(reports)) == 3
    save(database, batch("D"), START + 2 * HOUR)
    with database.reading() as connection:
        assert connection.execute(sa.select(reports.c.support_id)).all() == [("D",)]


def test_workers_that_save_at_once_lose_nothing_and_count_nothing_twice(
    database: Database,
) -> None:
    workers = [Outcomes(database, Clock(START)) for _ in range(4)]
    (same,) = batch("same").reports

    def work(number: int) -> bool:
        worker = workers[number]
        for turn in range(10):
            worker("token", "issued", VISIT, {})
            worker("token", "paused" if number % 2 else "no-session", VISIT, {})
            worker("sign-in", "signed-in", VISIT, {})
            worker.report(same[1])
            worker.report(batch(f"{number}-{turn}").reports[0][1])
            assert worker.save()
        return True

    assert together(4, work) == [True] * 4
    found = totals(database)
    assert found.total(Event.GRANTED) == 40
    assert found.of(Event.REFUSED) == {"paused": 20, "no-session": 20}
    assert found.activated == 41


def test_old_minutes_become_hours_and_the_oldest_one_sum(database: Database) -> None:
    now = START + 100 * DAY
    minutes = (now - 91 * DAY, now - 3 * DAY + 5 * MINUTE, now - 3 * DAY + 9 * MINUTE, now)
    for minute in minutes:
        save(database, Batch(Counter({Key(int(minute), Event.GRANTED, ""): 2})), minute)
    save(database, batch("A", time=now - 91 * DAY, status="failed", reason="strange"), now)
    for _ in range(2):
        thin(database, now)
        assert of_counts(database) == {
            (0, "granted", ""): 2,
            (0, "failed", "other"): 1,
            (now - 3 * DAY, "granted", ""): 4,
            (now, "granted", ""): 2,
        }
    assert totals(database).total(Event.GRANTED) == 8
    assert last_failures(database, 10) == []


def test_the_sum_of_what_is_old_grows(database: Database) -> None:
    for day in range(3):
        key = Key(START + day * DAY, Event.GRANTED, "")
        save(database, Batch(Counter({key: 1})), START)
    for day in range(3):
        thin(database, START + (day + 90) * DAY + HOUR)
        assert of_counts(database)[0, "granted", ""] == day + 1
        assert totals(database).total(Event.GRANTED) == 3


def test_row_153_texts_of_strangers_are_few(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FREE_TEXTS_PER_DAY", 5)
    for number in range(12):
        strange = batch(f"A{number}", status="failed", reason=f"strange {number}")
        save(database, strange, START)
    more = batch("B1", time=START + 2 * HOUR, status="error", code="strange")
    save(database, more, START)
    save(database, batch("B2", status="failed", reason="strange 1"), START)
    save(database, batch("B3", status="failed", reason="invalid key"), START)
    labels = {label: n for (_, _, label), n in of_counts(database).items()}
    assert len([it for it in labels if it.startswith('"')]) == 5
    assert (labels["other"], labels['"strange 1"'], labels["invalid-key"]) == (1, 2, 1)
    save(database, batch("C", time=START + DAY, status="failed", reason="new"), START + DAY)
    assert of_counts(database)[START + DAY, "failed", '"new"'] == 1


def test_of_failures_the_last_are_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FAILURES_KEPT", 3)
    for number in range(6):
        time = START + number
        save(database, batch(f"A{number}", time=time, status="failed", reason="x"), time)
    thin(database, START + 10)
    assert [it.support_id for it in last_failures(database, 10)] == ["A5", "A4", "A3"]


def test_a_period_in_steps(database: Database) -> None:
    for minute, number in ((0, 1), (7, 2), (59, 3), (61, 4)):
        key = Key(START + minute * MINUTE, Event.GRANTED, "")
        save(database, Batch(Counter({key: number})), START)
    hour = series(database, START + HOUR - 1, START + 2 * HOUR - 1)
    assert (hour.step, len(hour.starts), hour.whole.total(Event.GRANTED)) == (60, 61, 7)
    day = series(database, START - DAY, START + 2 * HOUR)
    assert day.step == 1800
    shown = {start: it.total(Event.GRANTED) for start, it in day if it.counts}
    assert shown == {START: 3, START + 1800: 3, START + 3600: 4}
    assert series(database, START - 90 * DAY, START + HOUR).step == DAY
    assert day.whole.median(Event.ACTIVATED_MS) is None


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        ([], None, None),
        ([640], 500, 650),
        ([90, 110, 5000], 100, 150),
        ([10**9] * 3, 60_000, 60_000),
        ([0, 0, 0], 0, 50),
    ],
)
def test_medians(values: list[int], least: float | None, most: float | None) -> None:
    found = median(Counter(class_of(it, MILLISECONDS) for it in values), MILLISECONDS)
    if least is None or most is None:
        assert found is None
    else:
        assert found is not None
        assert least <= found <= most
