"""What `make load` computes: its model of visitors, and its report."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from support.benchmarks import benchmark

schedule = benchmark("load.schedule")
Kind, Model = schedule.Kind, schedule.Model
Seen = benchmark("load.browsers").Seen
latencies = benchmark("load.pages").latencies
Measurement = benchmark("report").Measurement
as_table = benchmark("report").as_table
sizing = benchmark("load.sizing")
PEOPLE = 1000
COSTS = sizing.Costs(0.004, 0.0005, 0.0005, 0.0002, 2.0, 0.5, 10.0, 350.0, 100.0)


def events(seed: int = 1, **changes: float) -> list[schedule.Event]:
    model = Model(**{"rate": 200.0, "seconds": 40.0, "seconds_per_page": 1.0} | changes)
    return schedule.schedule(model, PEOPLE, random.Random(seed))


def count(them: list[schedule.Event]) -> Counter[str]:
    return Counter(it.kind.value for it in them)


def test_the_rate_is_the_one_that_was_asked_for_from_the_first_second_on() -> None:
    found = events()
    assert found == sorted(found, key=lambda it: it.at)
    assert {0 <= it.at < 40 for it in found} == {True}
    pages = [it.at for it in found if it.kind is Kind.PAGE]
    for quarter in range(4):
        inside = sum(10 * quarter <= at < 10 * (quarter + 1) for at in pages)
        assert inside == pytest.approx(2000, rel=0.15)


def test_visits_are_made_of_what_the_model_says() -> None:
    found = count(events(pages_per_visit=4, sign_ins=0.5, refreshes=0.1))
    assert found["sign-in"] / found["page view"] == pytest.approx(0.5 / 4, rel=0.1)
    assert found["refresh"] / found["page view"] == pytest.approx(0.1, rel=0.1)
    assert count(events(sign_ins=0, refreshes=0)).keys() == {"page view"}


def test_the_same_seed_gives_the_same_visitors() -> None:
    assert events(seed=7) == events(seed=7) != events(seed=8)
    assert {it.person for it in events()} <= set(range(PEOPLE))


def test_latencies_are_told_by_kind() -> None:
    seen = [Seen("token", 0.0, 0.001, number / 1000, True) for number in range(1, 101)]
    seen += [Seen("report", 0.0, 0.001, 0.5, False)]
    found = {it.name: it for it in latencies(seen)}
    assert found["token: answers"].value == 100
    assert found["token: p50"].value == pytest.approx(50)
    assert found["token: p99"].value == pytest.approx(99)
    assert found["token: other than wanted"].verdict == "within"
    assert found["report: other than wanted"].verdict == "OVER"
    assert found["this client's own delay, p99"].value == pytest.approx(1)


def test_counts_are_shown_whole() -> None:
    assert "| 7        |" in as_table([Measurement("answers", 7, "")])


def test_a_deployment_is_sized_by_arithmetic() -> None:
    found = sizing.size(1000, COSTS)
    assert found.processors == pytest.approx((4 + 0.5) / 0.5)
    # 9 processors are two hosts of 8, and one is spare.
    assert found.hosts == 3
    # The two that are left when one is lost have the 8 workers that the rate needs.
    assert found.workers == 12
    assert found.memory_mib == 1200
    assert found.postgresql_processors == pytest.approx(1)
    assert found.transactions == 2000
    assert found.redis_processors == pytest.approx(0.4)
    assert found.audit_gigabytes == pytest.approx(1000 * 350 * 86_400 / 1e9)


def test_the_smallest_deployment_has_a_spare_host_too() -> None:
    found = sizing.size(10, COSTS)
    assert (found.hosts, found.workers) == (2, 2)


def test_the_sizes_are_shown_for_each_rate() -> None:
    lines = sizing.as_table(COSTS).splitlines()
    assert lines[0] == "| page views a second | 10 | 100 | 1,000 | 10,000 |"
    assert {line.count("|") for line in lines} == {6}


def test_a_page_view_costs_what_the_meters_have_moved() -> None:
    meters, pages = benchmark("load.meters"), benchmark("load.pages")
    parts = ("Usher", "nginx", "PostgreSQL", "Redis")
    before = meters.Reading(dict.fromkeys(parts, 1.0), 100, 10, 5, 1000, 0)
    after = meters.Reading(dict.fromkeys(parts, 2.0), 300, 60, 5, 2000, 35_000)
    found = pages.costs_of(before, after, 100, 90.0)
    assert found == sizing.Costs(0.01, 0.01, 0.01, 0.01, 2.0, 0.5, 10.0, 350.0, 90.0)
