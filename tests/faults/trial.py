"""A scenario while it runs, and the run of one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from faults.deployment import Deployment
from faults.judge import Judge
from faults.page_views import PageViews
from faults.people import Person, sign_in
from faults.report import RECOVERY_SECONDS, Fault, Record, Result, judged

RATE = 110
SETTLE_SECONDS = RECOVERY_SECONDS + 10


@dataclass(frozen=True)
class Size:
    """How much of each scenario there is."""

    rate: float = RATE
    calm_seconds: float = 10
    settled_seconds: float = 2
    """How long everything must be well at the end."""
    seconds: float = 30
    """How long a fault stays."""
    kills: int = 100
    reloads: int = 100
    """How many reloads, policies and rotations there are."""
    slow_sockets: int = 2000
    idle_sockets: int = 10_000


SHORT = Size(
    rate=60,
    calm_seconds=1,
    settled_seconds=1,
    seconds=2,
    kills=4,
    reloads=2,
    slow_sockets=300,
    idle_sockets=300,
)


@dataclass
class Trial:
    """What a scenario works with. `people` ask too, beside those of the deployment."""

    deployment: Deployment
    size: Size
    judge: Judge
    people: list[Person]
    faults: list[Fault] = field(default_factory=list)
    by_design: frozenset[str] = frozenset()
    p99_limit: float | None = None

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Note that something is wrong during the block, and only then."""
        fault = Fault(time.monotonic())
        self.faults.append(fault)
        try:
            yield
        finally:
            fault.ended = time.monotonic()

    def calm(self) -> None:
        """Let requests come in peace for a while."""
        time.sleep(self.size.calm_seconds)

    def last(self) -> None:
        """Let a fault last."""
        time.sleep(self.size.seconds)


@dataclass(frozen=True)
class Scenario:
    """What is done to the deployment while people ask for tokens."""

    name: str
    play: Callable[[Trial], None]
    guests: int = 0
    """How many people are signed in for it alone."""


def run(deployment: Deployment, scenario: Scenario, size: Size) -> Result:
    """Play a scenario and judge it."""
    guests = [
        sign_in(deployment.state, f"guest-{scenario.name}-{number}-{time.time_ns()}")
        for number in range(scenario.guests)
    ]
    trial = Trial(deployment, size, deployment.judge(), guests)
    ends = sum(it.ends for it in deployment.hosts)
    sizes = deployment.audit_sizes()
    with deployment.asked(size.rate, guests) as views:
        trial.calm()
        scenario.play(trial)
        _settle(views, size.settled_seconds, trial.by_design)
    # Keys that the scenario has made are known to iAdvize too.
    judge = deployment.judge()
    judge.signed_out.update(trial.judge.signed_out)
    record = Record(
        views.asked,
        trial.faults,
        trial.by_design,
        trial.p99_limit,
        sum(it.ends for it in deployment.hosts) - ends,
    )
    return judged(scenario.name, record, judge, deployment.audit_lines(sizes))


def tell(text: str) -> None:
    """Say on stderr what is being done."""
    print(text, file=sys.stderr, flush=True)


def _settle(views: PageViews, seconds: float, by_design: frozenset[str]) -> None:
    """Wait until everything has been well for a while, or has had every chance."""
    deadline = time.monotonic() + SETTLE_SECONDS
    well_since = time.monotonic()
    seen = len(views.asked)
    while time.monotonic() < min(deadline, well_since + seconds):
        time.sleep(0.1)
        fresh, seen = views.asked[seen:], len(views.asked)
        if any(not it.token and it.code not in by_design for it in fresh) or not fresh:
            well_since = time.monotonic()
