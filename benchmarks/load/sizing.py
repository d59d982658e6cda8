"""How large a deployment must be, by arithmetic from what one page view costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

RATES = (10, 100, 1_000, 10_000)
"""Page views a second."""
BUSY_SHARE = 0.5
"""How busy a processor may be at that rate, so that a peak, or the loss of a host, has room."""
PROCESSORS_OF_A_HOST = 8
LEAST_HOSTS = 2
SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Costs:
    """What one page view costs: seconds of processor time, numbers and bytes."""

    usher_seconds: float
    nginx_seconds: float
    postgresql_seconds: float
    redis_seconds: float
    transactions: float
    rows_written: float
    redis_commands: float
    audit_bytes: float
    worker_mib: float


@dataclass(frozen=True, slots=True)
class Size:
    """What so many page views a second need."""

    rate: int
    hosts: int
    """Each with nginx and one worker for each of its processors that Usher needs."""
    workers: int
    processors: float
    """For Usher and nginx, on all hosts."""
    memory_mib: float
    """Of all workers."""
    postgresql_processors: float
    transactions: float
    rows_written: float
    redis_processors: float
    redis_commands: float
    audit_gigabytes: float
    """In a day in which the rate never falls."""


def size(rate: int, costs: Costs) -> Size:
    """Return what a rate needs; one host more than the rate needs may be lost."""
    usher = rate * costs.usher_seconds / BUSY_SHARE
    processors = usher + rate * costs.nginx_seconds / BUSY_SHARE
    hosts = max(LEAST_HOSTS, math.ceil(processors / PROCESSORS_OF_A_HOST) + 1)
    workers = hosts * max(1, math.ceil(usher / (hosts - 1)))
    return Size(
        rate,
        hosts,
        workers,
        processors,
        workers * costs.worker_mib,
        rate * costs.postgresql_seconds / BUSY_SHARE,
        rate * costs.transactions,
        rate * costs.rows_written,
        rate * costs.redis_seconds / BUSY_SHARE,
        rate * costs.redis_commands,
        rate * costs.audit_bytes * SECONDS_OF_A_DAY / 1e9,
    )


def as_table(costs: Costs) -> str:
    """Return a Markdown table with one column for each rate."""
    sizes = [size(rate, costs) for rate in RATES]
    return "\n".join(
        f"| {' | '.join(row)} |"
        for row in (
            ("page views a second", *(f"{it.rate:,}" for it in sizes)),
            ("---", *("---" for _ in sizes)),
            *_rows(sizes),
        )
    )


def _rows(sizes: list[Size]) -> Iterator[tuple[str, ...]]:
    for text, name, form in (
        ("processors for Usher and nginx", "processors", ",.1f"),
        (f"hosts with {PROCESSORS_OF_A_HOST} processors, one of them spare", "hosts", ",d"),
        ("workers on all hosts (`limits.workers`)", "workers", ",d"),
        ("memory of all workers, MiB", "memory_mib", ",.0f"),
        ("processors for PostgreSQL", "postgresql_processors", ",.1f"),
        ("PostgreSQL: transactions a second", "transactions", ",.0f"),
        ("PostgreSQL: rows written a second", "rows_written", ",.0f"),
        ("processors for Redis", "redis_processors", ",.2f"),
        ("Redis: commands a second", "redis_commands", ",.0f"),
        ("audit log, GB in a whole day of it", "audit_gigabytes", ",.1f"),
    ):
        yield (text, *(format(getattr(it, name), form) for it in sizes))
