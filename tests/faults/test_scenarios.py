"""The fault suite in short: each scenario once, with all its tokens judged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.deployment import Deployment, deployed
from faults.scenarios import SCENARIOS
from faults.trial import SHORT, Scenario, run

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.postgresql,
    pytest.mark.redis,
    pytest.mark.slow,
]
ROWS = {
    "workers-killed": "row171-",
    "reloads": "row174-",
    "clock-jumps": "row126-",
    "slowloris": "row178-",
    "idle-connections": "row182-",
    "garbage": "row182-",
    "disk-full": "row165-",
    "redis-killed": "row166-",
    "redis-frozen": "row166-",
}
CASES = [pytest.param(it, id=ROWS.get(it.name, "") + it.name) for it in SCENARIOS]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with deployed() as deployment:
        yield deployment


@pytest.mark.parametrize("scenario", CASES)
def test_no_wrong_token_and_none_without_its_line(
    deployment: Deployment, scenario: Scenario
) -> None:
    result = run(deployment, scenario, SHORT)
    assert list(result.broken(timed=False)) == []
    assert result.tokens > 100
    assert result.ends == (1 if scenario.name == "host-killed" else 0)
