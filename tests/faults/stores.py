"""Scenarios in which a store is there, but not as it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from faults.deployment import Deployment
from faults.disks import full
from faults.trial import Trial

SLOW_SECONDS = 0.1
READ_ONLY = "ALTER SYSTEM SET default_transaction_read_only = {}"
LONG_AGO = "UPDATE usher_sign_ins SET last_seen_at = last_seen_at - 120"
CLOCK_AHEAD_SECONDS = 3600
CLOCK_BEHIND_SECONDS = -3600


def postgresql_slow(trial: Trial) -> None:
    """Delay each answer of PostgreSQL."""
    with trial.fault(), trial.deployment.line.slow(SLOW_SECONDS):
        trial.last()


def postgresql_dead(trial: Trial) -> None:
    """Let nothing through to PostgreSQL, and close no connection."""
    with trial.fault(), trial.deployment.line.dead():
        trial.last()


def postgresql_read_only(trial: Trial) -> None:
    """Let PostgreSQL refuse to write, when there is a visit of everybody to note."""
    server = trial.deployment.postgresql
    server.execute(LONG_AGO, trial.deployment.database)
    with trial.fault(), _read_only(trial.deployment):
        trial.last()


def disk_full(trial: Trial) -> None:
    """Leave one host no space for its audit log."""
    host = trial.deployment.hosts[1]
    with trial.fault(), full(host):
        trial.last()


def clock_jumps(trial: Trial) -> None:
    """Put the clock of one host an hour ahead, then an hour behind."""
    host = trial.deployment.hosts[1]
    for seconds in (CLOCK_AHEAD_SECONDS, CLOCK_BEHIND_SECONDS):
        with trial.fault(), host.clock_off(seconds):
            trial.last()
        trial.calm()


@contextmanager
def _read_only(deployment: Deployment) -> Iterator[None]:
    server = deployment.postgresql
    server.execute(READ_ONLY.format("on"))
    server.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        server.execute(READ_ONLY.format("off"))
        server.execute("SELECT pg_reload_conf()")
