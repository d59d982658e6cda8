"""`make load`: page views of many people at a stated rate."""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

from faults.deployment import Deployment, deployed
from faults.report import percentile

from flask_usher.providers.passwords import Passwords, prepare

from ..http_path import tell
from ..report import Measurement
from . import meters, sizing
from .browsers import PASSWORD, Browsers, Seen
from .schedule import Kind, Model, schedule

PROGRESS_SECONDS = 5
PERCENTILES = (50, 90, 99, 99.9)


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Run the model against one host with two workers; give what each page view cost."""
    model = Model(
        arguments.rate,
        arguments.seconds,
        arguments.pages_per_visit,
        arguments.seconds_per_page,
        arguments.refreshes,
        arguments.sign_ins,
    )
    tell(
        f"Making {arguments.accounts:,} accounts and {arguments.live_sign_ins:,} live sign-ins"
    )
    password_hash = Passwords().hash(prepare(PASSWORD))
    with deployed(
        arguments.accounts,
        arguments.live_sign_ins,
        1,
        direct=True,
        password_hash=password_hash,
    ) as deployment:
        events = schedule(model, len(deployment.people), random.Random(arguments.seed))
        browsers = Browsers(deployment, events)
        before, memory = meters.read(deployment), meters.resident_mib(deployment)
        tell(f"{model.rate:g} page views a second for {model.seconds:g} s")
        browsers.start()
        _watch(browsers, deployment)
        after, last = meters.read(deployment), meters.resident_mib(deployment)
    yield from latencies(browsers.seen)
    page_views = sum(it.kind is Kind.PAGE for it in events)
    costs = costs_of(before, after, page_views, max(last))
    yield from _told(costs, after)
    yield Measurement("memory of a worker at the start", max(memory), "MiB")
    yield Measurement("memory of a worker at the end", max(last), "MiB")
    print(sizing.as_table(costs), end="\n\n")


def latencies(seen: Iterable[Seen]) -> Iterator[Measurement]:
    """Give how many answers of each kind there were, and how long they took."""
    kinds: defaultdict[str, list[Seen]] = defaultdict(list)
    for it in seen:
        kinds[it.what].append(it)
    for what, them in kinds.items():
        yield Measurement(f"{what}: answers", len(them), "")
        failed = sum(not it.is_good for it in them)
        yield Measurement(f"{what}: other than wanted", failed, "", 0)
        for percent in PERCENTILES:
            value = percentile([it.seconds for it in them], percent) * 1000
            yield Measurement(f"{what}: p{percent:g}", value, "ms")
    late = percentile([it.late for them in kinds.values() for it in them], 99)
    yield Measurement("this client's own delay, p99", late * 1000, "ms")


def costs_of(
    before: meters.Reading, after: meters.Reading, page_views: int, worker_mib: float
) -> sizing.Costs:
    """Return what one page view cost, with all that belongs to it."""

    def each(start: float, end: float) -> float:
        return (end - start) / page_views

    cpu = {part: each(before.cpu_seconds[part], it) for part, it in after.cpu_seconds.items()}
    return sizing.Costs(
        cpu["Usher"],
        cpu["nginx"],
        cpu["PostgreSQL"],
        cpu["Redis"],
        each(before.transactions, after.transactions),
        each(before.rows_written, after.rows_written),
        each(before.redis_commands, after.redis_commands),
        each(before.audit_bytes, after.audit_bytes),
        worker_mib,
    )


def _told(costs: sizing.Costs, after: meters.Reading) -> Iterator[Measurement]:
    for part, seconds in (
        ("Usher", costs.usher_seconds),
        ("nginx", costs.nginx_seconds),
        ("PostgreSQL", costs.postgresql_seconds),
        ("Redis", costs.redis_seconds),
    ):
        yield Measurement(f"CPU of {part} for a page view", seconds * 1e6, "µs")
    yield Measurement("PostgreSQL: transactions for a page view", costs.transactions, "")
    yield Measurement("PostgreSQL: rows written for a page view", costs.rows_written, "")
    yield Measurement("Redis: commands for a page view", costs.redis_commands, "")
    yield Measurement("audit log for a page view", costs.audit_bytes, "bytes")
    # Without the one that asked.
    connections = int(after.database_connections) - 1
    yield Measurement("connections to PostgreSQL", connections, "")


def _watch(browsers: Browsers, deployment: Deployment) -> None:
    shown, started = 0, time.monotonic()
    while browsers.is_alive():
        browsers.join(PROGRESS_SECONDS)
        fresh = browsers.seen[shown:]
        shown += len(fresh)
        tokens = [it.seconds * 1000 for it in fresh if it.what == "token"]
        if tokens:
            memory = ", ".join(f"{it:.0f}" for it in meters.resident_mib(deployment))
            tell(
                f"  {time.monotonic() - started:5.0f} s: {len(tokens)} tokens, "
                f"p50 {percentile(tokens, 50):.1f} ms, p99 {percentile(tokens, 99):.1f} ms, "
                f"workers {memory} MiB"
            )
