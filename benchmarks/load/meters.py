"""What the parts of a deployment have used so far, as the kernel and they themselves tell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from faults.deployment import Deployment

from ..processes import cpu_seconds

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
DATABASE = """
    SELECT xact_commit, tup_inserted + tup_updated + tup_deleted, numbackends
    FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """All meters at one moment."""

    cpu_seconds: Mapping[str, float]
    """By part."""
    transactions: float
    rows_written: float
    database_connections: float
    redis_commands: float
    audit_bytes: float


def read(deployment: Deployment) -> Reading:
    """Read all meters."""
    roots = {
        "Usher": [it.pid for it in deployment.hosts],
        "nginx": [deployment.nginx],
        "PostgreSQL": [deployment.postgresql.pid],
        "Redis": [deployment.redis.pid],
    }
    cpu = {name: sum(map(cpu_seconds, pids)) for name, pids in roots.items()}
    server = deployment.postgresql
    with psycopg.connect(
        host=str(server.folder), user="usher", dbname=deployment.database
    ) as connection:
        row = connection.execute(DATABASE).fetchone()
    assert row is not None
    with redis.Redis.from_url(deployment.redis.url) as client:
        commands = client.info("stats")["total_commands_processed"]
    numbers = [float(it) for it in row]
    return Reading(cpu, *numbers, float(commands), float(sum(deployment.audit_sizes())))


def resident_mib(deployment: Deployment) -> list[float]:
    """Return the resident memory of each worker of the hosts."""
    workers = [it for host in deployment.hosts for it in host.workers()]
    pages = [int(Path(f"/proc/{it}/statm").read_text().split()[1]) for it in workers]
    return [it * PAGE_MIB for it in pages]
