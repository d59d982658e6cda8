"""Limits: at most N of something in a window of time. The counting is the library `limits`."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter

from .errors import TooManyRequests
from .limit_storage import CounterStorage
from .settings import LimitSettings


class Limit:
    """One limit, counted in this process for each key."""

    def __init__(self, name: str, rate: str, workers: int, clock: Callable[[], float]) -> None:
        amount, seconds = map(int, re.findall(r"\d+", rate))
        self._name = name
        # Each worker grants its part, rounded up so that no worker refuses everybody.
        self._item: RateLimitItem = RateLimitItemPerSecond(math.ceil(amount / workers), seconds)
        self._limiter = FixedWindowRateLimiter(CounterStorage(clock))
        self._clock = clock

    def count(self, key: str = "") -> None:
        """Count one; raise `TooManyRequests` when that is over the limit."""
        if not self._limiter.hit(self._item, self._name, key):
            raise self._exceeded(key)

    @contextmanager
    def trying(self, key: str, failure: type[Exception]) -> Iterator[None]:
        """Count a try, and take it back unless it ends in `failure`.

        It is counted before it is made: many at the same time would all pass otherwise.
        """
        self.count(key)
        failed = False
        try:
            yield
        except failure:
            failed = True
            raise
        finally:
            if not failed:
                self._limiter.hit(self._item, self._name, key, cost=-1)

    def _exceeded(self, key: str) -> TooManyRequests:
        reset_at = self._limiter.get_window_stats(self._item, self._name, key).reset_time
        return TooManyRequests(max(1, math.ceil(reset_at - self._clock())))


class Limits:
    """All limits of one installation."""

    def __init__(self, settings: LimitSettings, clock: Callable[[], float]) -> None:
        def limit(name: str, rate: str) -> Limit:
            return Limit(name, rate, settings.workers, clock)

        # Whole in each worker: it holds off floods, and one busy visitor may be on one worker.
        self.tokens_per_person = Limit("tokens", settings.tokens_per_person, 1, clock)
        self.sign_ins = limit("sign-ins", settings.sign_ins)
        self.failures_per_account = limit("account", settings.sign_in_failures_per_account)
        self.failures_per_address = limit("address", settings.sign_in_failures_per_address)
        self.refused_credentials_per_address = limit(
            "credentials", settings.refused_credentials_per_address
        )


def address_key(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
