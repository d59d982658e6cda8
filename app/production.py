"""What must be so in production, beyond what makes settings usable at all."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping

from .database import Database
from .errors import Fault, UsherError
from .schema import HEAD, is_current
from .settings import Settings
from .state import State

DEBUG_VARIABLE = "FLASK_DEBUG"
"""With it, Flask shows its errors, and what is in memory, to whoever asks."""
OFF = frozenset({"", "0", "false", "no"})
THREADS = 16
"""How many requests a worker answers at once, unless it is told otherwise."""
LOOPBACK = tuple(map(ipaddress.ip_address, ("127.0.0.1", "::1")))


def environment_faults(environment: Mapping[str, str]) -> Iterator[Fault]:
    """Give what is wrong around the service, whatever its settings say."""
    debug = environment.get(DEBUG_VARIABLE, "")
    if debug.lower() not in OFF:
        yield Fault(DEBUG_VARIABLE, repr(debug), "no such variable: debugging tells secrets")


def settings_faults(settings: Settings, workers: int) -> Iterator[Fault]:
    """Give what is right for a trial only, with so many worker processes on this host."""
    if settings.sandbox is not None:
        expected = "no such table: it is the stand-in for iAdvize. `usher demo` serves with it"
        yield Fault("sandbox", "a table", expected)
    trusted = settings.proxy.trusted_addresses
    if settings.secure and not any(it in network for network in trusted for it in LOOPBACK):
        yield Fault(
            "proxy.trusted_addresses",
            ", ".join(map(str, trusted)) or "none",
            "127.0.0.1 among them: the reverse proxy that has the certificate is on this host "
            "(a Unix socket counts as 127.0.0.1), and nobody else could tell who visits",
        )
    if settings.redis is None and settings.limits.workers < workers:
        yield Fault(
            "limits.workers",
            str(settings.limits.workers),
            f"the number of workers on all hosts, so {workers} or more, or a [redis] table: "
            "each process counts for itself, and would grant too much",
        )
    for name, provider in settings.providers.items():
        if getattr(provider, "insecure_loopback", False) and settings.secure:
            path = f"providers.{name}.insecure_loopback"
            yield Fault(path, "True", "false: it is for trying things out")


def store_faults(state: State) -> Iterator[Fault]:
    """Give what keeps every token from being issued, and changes nothing."""
    of_database = tuple(database_faults(state.database))
    yield from of_database or key_faults(state)
    yield from audit_faults(state)


def database_faults(database: Database) -> Iterator[Fault]:
    """Give what is wrong with the database."""
    try:
        current = database.may_exist() and is_current(database)
    except UsherError as error:
        yield Fault("database.url", _reason(error), "a database that answers")
        return
    if not current:
        expected = f"tables of revision {HEAD} or later. Run: usher db upgrade"
        yield Fault("database.url", "tables that are missing or old", expected)


def audit_faults(state: State) -> Iterator[Fault]:
    """Give what keeps audit lines from being written."""
    try:
        state.audit.check()
    except UsherError as error:
        path = "audit.syslog" if state.settings.audit.syslog else "audit.file"
        expected = "a place that this user may write to, with space left: no token without it"
        yield Fault(path, _reason(error), expected)


def key_faults(state: State) -> Iterator[Fault]:
    """Give what is wrong with the keys in force, once the database tells which they are."""
    try:
        state.admission.key_ring.check()
    except UsherError as error:
        expected = "a source of the key in force; see: usher keys status"
        yield Fault("token.signing_key, token.recipient_key", _reason(error), expected)


def _reason(error: UsherError) -> str:
    # SQLAlchemy's own message has the statement in it; `orig` is the driver's error.
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    lines = str(cause).splitlines() if cause else []
    return error.reason or (lines[0] if lines else str(error.code))
