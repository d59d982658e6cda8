"""Connections to Redis."""

from __future__ import annotations

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..settings import RedisSettings

TIMEOUT_SECONDS = 0.25


def connections(settings: RedisSettings) -> ConnectionPool:
    """Return connections to the Redis of the settings; none is opened before it is used.

    Connecting and each answer may take `TIMEOUT_SECONDS`. Nothing is tried twice: whoever asks
    knows better what to do when there is no answer.
    """
    url = settings.url.get_secret_value()
    tls = {} if settings.ca_file is None else {"ssl_ca_certs": str(settings.ca_file)}
    return ConnectionPool.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        **tls,
    )
