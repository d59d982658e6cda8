"""What is metered in memory: nothing is lost, whoever counts and whenever it is saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from support.threads import together

from flask_usher import schema
from flask_usher.database import Database
from flask_usher.errors import StoreUnavailable
from flask_usher.outcomes.classes import MICROSECONDS
from flask_usher.outcomes.figures import metered, totals
from flask_usher.outcomes.meters import Meters
from flask_usher.outcomes.recorder import Outcomes
from flask_usher.outcomes.store import thin
from flask_usher.outcomes.tables import DAY, Meter
from flask_usher.testing import Clock

START = 1_800_000_000


@pytest.mark.parametrize(
    ("seconds", "name"),
    [(0.0, "100"), (0.0001, "100"), (0.000101, "250"), (0.7, "1000000"), (11.0, "more")],
)
def test_what_is_measured_falls_into_its_class(seconds: float, name: str) -> None:
    meters = Meters()
    meters.histogram(Meter.STAGE_US, "mint").took(seconds)
    found = meters.drain()
    assert found[Meter.STAGE_US, f"mint {name}"] == 1
    assert found.get((Meter.STAGE_US, "mint sum"), 0) == round(seconds * 1e6)
    assert not meters.drain()


def test_threads_lose_nothing_while_it_is_drained() -> None:
    meters, drained = Meters(), []

    def work(number: int) -> bool:
        for _ in range(2000):
            if number:
                meters.count(Meter.LINE_LOST)
                meters.histogram(Meter.CALL_US, "database").took(1e-6)
            else:
                drained.append(meters.drain())
        return True

    assert together(4, work) == [True] * 4
    drained.append(meters.drain())

    def total(meter: Meter, label: str) -> int:
        return sum(it.get((meter, label), 0) for it in drained)

    assert total(Meter.LINE_LOST, "") == 6000
    assert total(Meter.CALL_US, f"database {MICROSECONDS[0]}") == 6000
    assert total(Meter.CALL_US, "database sum") == 6000


def test_what_the_database_does_not_take_is_kept(tmp_path: Path) -> None:
    meters = Meters()
    folder = tmp_path / "later"
    database = Database(f"sqlite:///{folder}/usher.db", meters.dependency("database"))
    outcomes = Outcomes(database, Clock(START), meters)
    with pytest.raises(StoreUnavailable):
        database.first(sa.select(1), {})
    outcomes.request("/token", 503, 0.01)
    assert not outcomes.save()
    folder.mkdir()
    schema.upgrade(database)
    assert outcomes.save()
    found = metered(database)
    assert found[Meter.REQUEST] == {"/token 5xx": 1}
    # The read, and the first try to save.
    assert found[Meter.CALL_FAILED] == {"database": 2}
    outcomes.close()
    database.close()


def test_workers_add_up_and_nothing_is_thinned(database: Database) -> None:
    for _ in range(2):
        outcomes = Outcomes(database, Clock(START))
        outcomes.request("/token", 200, 0.01)
        outcomes.close()
    thin(database, START + 1000 * DAY)
    assert metered(database)[Meter.REQUEST] == {"/token 2xx": 2}
    assert totals(database).counts == {}


def test_a_command_saves_nothing_of_its_own(database: Database) -> None:
    meters = Meters()
    meters.dependency("database")(0.1, False)
    Outcomes(database, Clock(START), meters).close()
    assert not any(metered(database).values())
