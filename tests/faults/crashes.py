"""Scenarios in which something ends: a worker, a host, Redis, PostgreSQL."""

from __future__ import annotations

import time

from faults.trial import Trial, tell


def workers_killed(trial: Trial) -> None:
    """Kill one worker after the other, on each host in turn (`kill -9`)."""
    for number in range(trial.size.kills):
        host = trial.deployment.hosts[number % len(trial.deployment.hosts)]
        host.wait_until_whole()
        with trial.fault():
            host.kill_a_worker()
        if number % 50 == 49:
            tell(f"  {number + 1:,} of {trial.size.kills:,} workers killed")
    for host in trial.deployment.hosts:
        host.wait_until_whole()


def host_killed(trial: Trial) -> None:
    """Kill everything on one host at once; it comes back by itself."""
    host = trial.deployment.hosts[1]
    with trial.fault():
        host.kill()
        time.sleep(0.5)
        host.wait_until_whole()


def redis_killed(trial: Trial) -> None:
    """Kill Redis and start it again, empty."""
    with trial.fault():
        trial.deployment.redis.kill()
        trial.last()
        trial.deployment.redis.start()


def redis_frozen(trial: Trial) -> None:
    """Let Redis take connections and answer none."""
    with trial.fault():
        trial.deployment.redis.freeze()
        trial.last()
        trial.deployment.redis.thaw()


def postgresql_killed(trial: Trial) -> None:
    """Kill PostgreSQL and start it again; it finds out what it had committed."""
    with trial.fault():
        trial.deployment.postgresql.kill()
        trial.last()
        trial.deployment.postgresql.start()
