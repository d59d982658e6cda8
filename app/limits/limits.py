"""Limits: at most so many of something in a window of time, for each person or address."""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ..errors import TooManyRequests
from ..settings import LimitSettings
from .counters import Counters, Quota, Tally, Window


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one person stands with a quota. `retry_after` (seconds) is set if it is used up."""

    quota: Quota
    window: Window
    retry_after: int | None

    def demand(self) -> None:
        """Raise `TooManyRequests` unless one was granted."""
        if self.retry_after is not None:
            raise TooManyRequests(self.retry_after)


class Limits:
    """All limits of one installation."""

    def __init__(self, settings: LimitSettings, counters: Counters) -> None:
        def quota(name: str, rate: str) -> Quota:
            return Quota.of(name, rate, settings.workers)

        self._counters = counters
        # Whole in each process: one busy visitor may be on one process alone.
        self._tokens_per_person = Quota.of("tokens", settings.tokens_per_person, 1)
        self._tokens_per_address = quota("tokens-address", settings.tokens_per_address)
        self._sign_ins = quota("sign-ins", settings.sign_ins)
        self._failures_per_account = quota("account", settings.sign_in_failures_per_account)
        self._failures_per_address = quota("address", settings.sign_in_failures_per_address)
        self._refused_credentials = quota(
            "credentials", settings.refused_credentials_per_address
        )
        self._reports_per_browser = quota("reports", settings.reports_per_browser)
        self._reports_per_address = quota("reports-address", settings.reports_per_address)

    def token(self, person: str, address: str) -> Standing:
        """Count a token; return where the person stands.

        Raises `TooManyRequests` when it is the address that has had too many.
        """
        quota = self._tokens_per_person
        tallies = quota.tally(person), self._tokens_per_address.tally(address_key(address))
        granted, windows = self._counters.take(tallies)
        if granted:
            return Standing(quota, windows[0], None)
        if windows[0].left > 0:
            raise TooManyRequests(_seconds_until_granted(windows))
        return Standing(quota, windows[0], _seconds_until_granted(windows))

    @contextmanager
    def sign_in(self, account: str, address: str, failure: type[Exception]) -> Iterator[None]:
        """Count a try to sign in; for account and address only if it ends in `failure`."""
        failures = (
            self._failures_per_account.tally(account),
            self._failures_per_address.tally(address_key(address)),
        )
        self._count(*failures, self._sign_ins.tally())
        with self._kept_after(failure, *failures):
            yield

    @contextmanager
    def credentials(self, address: str, refusal: type[Exception]) -> Iterator[None]:
        """Count what an address shows to prove who it is, if it ends in `refusal`."""
        tally = self._refused_credentials.tally(address_key(address))
        self._count(tally)
        with self._kept_after(refusal, tally):
            yield

    def report(self, cookie: str | None, address: str) -> None:
        """Count a page's report, for the sign-in cookie that it shows and for its address.

        Without a cookie the address stands for the browser. Raises `TooManyRequests`.
        """
        at = address_key(address)
        self._count(
            self._reports_per_browser.tally(at if cookie is None else _digest(cookie)),
            self._reports_per_address.tally(at),
        )

    def are_degraded(self) -> bool:
        """Tell whether each process counts for itself, though all should count together."""
        return self._counters.are_degraded()

    def _count(self, *tallies: Tally) -> None:
        granted, windows = self._counters.take(tallies)
        if not granted:
            raise TooManyRequests(_seconds_until_granted(windows))

    @contextmanager
    def _kept_after(self, failure: type[Exception], *tallies: Tally) -> Iterator[None]:
        # Counted before it is made: many at the same time would all pass otherwise.
        failed = False
        try:
            yield
        except failure:
            failed = True
            raise
        finally:
            if not failed:
                self._counters.give_back(tallies)


def _seconds_until_granted(windows: Sequence[Window]) -> int:
    return max(1, *(math.ceil(it.reset_after) for it in windows if it.left == 0))


def _digest(text: str) -> str:
    # Whoever reads the memory of Redis or of a process shall find no cookie there.
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@lru_cache(maxsize=1024)
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
