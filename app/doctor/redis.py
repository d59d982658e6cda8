"""Redis, where the settings have it: there, fast, writable, and forgetting nothing early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ..findings import Finding, fault, ok, warning
from ..setting_types import LOOPBACK_HOSTS
from ..settings import RedisSettings
from .subject import Subject
from .timing import milliseconds

SLOW_MILLISECONDS = 50
OLDEST = (6, 2)
WHY = "Meanwhile each worker counts for itself, and grants its part of each limit."


def redis_findings(subject: Subject) -> Iterator[Finding]:
    """Judge Redis."""
    settings = subject.settings.redis
    if settings is None:
        yield ok("redis", "not in the settings: each worker counts its part of the limits")
        return
    yield from _encryption(settings)
    # An extra, which need not be installed.
    from redis import Redis, RedisError

    from ..limits.redis_client import connections

    pool = connections(settings)
    try:
        with Redis(connection_pool=pool) as client:
            yield _latency(client)
            yield from _server_findings(client)
    except RedisError as error:
        yield fault("connection", _words(error), WHY, "Look at redis.url, and at the server.")
    finally:
        pool.disconnect()


def _latency(client: Any) -> Finding:
    from redis.exceptions import NoPermissionError

    try:
        took = milliseconds(client.ping)
    except NoPermissionError as error:
        # Or it is a command that the connection begins with, and that limits need as well.
        if "'ping'" not in str(error):
            raise
        return ok("latency", "its user may not give a PING, so it was not measured")
    if took > SLOW_MILLISECONDS:
        return warning(
            "latency",
            f"{took:.1f} ms for a PING",
            "Each token waits for it, for 250 ms at most.",
            "Put Redis near, or look at the network and at slow commands of others.",
        )
    return ok("latency", f"{took:.1f} ms for a PING")


def _server_findings(client: Any) -> Iterator[Finding]:
    from redis import ResponseError

    try:
        told = client.info()
    except ResponseError:
        yield ok("server", "its user may not ask for INFO, so no more was looked at")
        return
    version = str(told.get("redis_version", "0"))
    numbers = tuple(int(it) for it in version.split(".")[:2] if it.isdigit())
    if numbers < OLDEST:
        yield warning(
            "version",
            f"Redis {version}",
            "It gets no corrections any more, those for security included.",
            "Upgrade it to 6.2 or later.",
        )
    else:
        yield ok("version", f"Redis {version}")
    if told.get("role") != "master":
        yield fault(
            "writing",
            "a replica, which takes no writes",
            WHY,
            "Let redis.url lead to the primary server.",
        )
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and told.get("maxmemory", 0):
        yield warning(
            "memory",
            f"{told.get('maxmemory_human')} at most, then {policy}",
            "When others fill it, counters are thrown away and limits begin anew.",
            "Run: redis-cli CONFIG SET maxmemory-policy noeviction",
        )
    else:
        yield ok("memory", "throws nothing away before its time")


def _encryption(settings: RedisSettings) -> Iterator[Finding]:
    parts = urlsplit(settings.url.get_secret_value())
    if parts.scheme == "redis" and parts.hostname not in LOOPBACK_HOSTS:
        yield warning(
            "encryption",
            "the connection is not encrypted",
            "Whoever is on the way reads the password, and can change counts.",
            "Use rediss:// in redis.url, with TLS on the server.",
        )


def _words(error: Exception) -> str:
    """Say what has happened, without the address: it may hold a password."""
    from redis import exceptions

    for kind, words in (
        (exceptions.AuthenticationError, "refuses the user or the password of redis.url"),
        (exceptions.TimeoutError, "no answer in 250 ms"),
        (exceptions.ConnectionError, "no connection"),
        (exceptions.NoPermissionError, "its user may not give a command that is needed"),
    ):
        if isinstance(error, kind):
            return words
    return f"refuses what it is asked ({type(error).__name__})"
