"""The database: there, fast, new enough, with the right tables, time and connections."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from .. import schema
from ..clocks import TOLERATED_SECONDS, difference
from ..database import WRITERS, Database
from ..findings import Finding, fault, ok, warning
from ..production import THREADS, database_faults
from ..setting_types import LOOPBACK_HOSTS
from ..workers import seen
from .subject import Subject
from .timing import milliseconds

SLOW_MILLISECONDS = 20
# The newest release that gets no more corrections, by the end of 2026.
OLD_POSTGRESQL = 14
CLOCK_WARNING_SECONDS = 5


def database_findings(subject: Subject) -> Iterator[Finding]:
    """Judge the database."""
    database = subject.state.database
    faults = tuple(database_faults(database))
    for it in faults:
        yield fault(
            "tables" if it.found.startswith("tables") else "connection",
            it.found,
            "Nobody can sign in, and no token is issued.",
            f"Expected: {it.expected}.",
        )
    if faults:
        return
    yield ok(
        "tables", f"revision {schema.revision(database)}; this release needs {schema.HEAD}"
    )
    with database.reading() as connection:
        yield _latency(connection)
        if connection.dialect.name == "postgresql":
            yield from _postgresql_findings(subject, connection)
        else:
            yield from _sqlite_findings(database, connection)


def _latency(connection: sa.Connection) -> Finding:
    took = milliseconds(lambda: connection.execute(sa.text("SELECT 1")).scalar())
    if took > SLOW_MILLISECONDS:
        return warning(
            "latency",
            f"{took:.1f} ms for the shortest question",
            "Each token needs two answers, one after the other.",
            "Put the database near, or look at the network and at the server's load.",
        )
    return ok("latency", f"{took:.1f} ms for the shortest question")


def _sqlite_findings(database: Database, connection: sa.Connection) -> Iterator[Finding]:
    version = connection.execute(sa.text("SELECT sqlite_version()")).scalar_one()
    yield ok("version", f"SQLite {version}: for one host")
    file = Path(database.url.database or "")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & stat.S_IWOTH:
        yield fault(
            "file",
            f"everybody may write to {file} (mode {mode:04o})",
            "Who writes to it signs in as anybody.",
            f"Run: chmod 600 {file}",
        )


def _postgresql_findings(subject: Subject, connection: sa.Connection) -> Iterator[Finding]:
    version = _show(connection, "server_version")
    if int(_show(connection, "server_version_num")) < (OLD_POSTGRESQL + 1) * 10_000:
        yield warning(
            "version",
            f"PostgreSQL {version}",
            "It gets no corrections any more, those for security included.",
            f"Upgrade it to {OLD_POSTGRESQL + 1} or later.",
        )
    else:
        yield ok("version", f"PostgreSQL {version}")
    if _show(connection, "transaction_read_only") == "on":
        yield fault(
            "writing",
            "read-only: a standby, or a user or database that is set so",
            "Nobody can sign in, and accounts that are disabled now stay in force.",
            "Let database.url lead to the primary server.",
        )
    ahead = difference(subject.state.database, time.time)
    if ahead is not None:
        yield _clock(-ahead)
    yield _connections(subject, connection)
    yield from _encryption(connection)


def _clock(ahead: float) -> Finding:
    found = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) <= CLOCK_WARNING_SECONDS:
        return ok("clock", found)
    judge = fault if abs(ahead) > TOLERATED_SECONDS else warning
    return judge(
        "clock",
        found,
        "Sign-ins and tokens end by the clock of the host that looks; iAdvize has its own.",
        "Set both clocks by NTP: timedatectl set-ntp true",
    )


def _connections(subject: Subject, connection: sa.Connection) -> Finding:
    reserved = int(_show(connection, "superuser_reserved_connections"))
    most = int(_show(connection, "max_connections")) - reserved
    workers = max(len(seen(subject.state.database)), subject.settings.limits.workers)
    needed = workers * (THREADS + WRITERS)
    found = f"{most} allowed; {workers} workers of {THREADS} threads may want {needed}"
    if needed > most:
        return warning(
            "connections",
            found,
            "In a rush, requests are refused for want of a connection.",
            f"Set max_connections to {needed + reserved} or more, or have fewer workers.",
        )
    return ok("connections", found)


def _encryption(connection: sa.Connection) -> Iterator[Finding]:
    host = connection.engine.url.host or str(connection.engine.url.query.get("host", ""))
    if not host or host.startswith("/") or host in LOOPBACK_HOSTS:
        return
    encrypted = connection.execute(
        sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    ).scalar()
    if encrypted:
        yield ok("encryption", "the connection is encrypted")
    else:
        yield warning(
            "encryption",
            "the connection is not encrypted",
            "Whoever is on the way reads who visits, and can change it.",
            "Add ?sslmode=verify-full to database.url, with TLS on the server.",
        )


def _show(connection: sa.Connection, name: str) -> str:
    return str(connection.execute(sa.text(f"SHOW {name}")).scalar_one())
