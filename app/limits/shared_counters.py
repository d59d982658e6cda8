"""Counters that all processes share, and what counts while those do not answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from ..errors import Fault, SettingsError
from ..keys import Secret
from ..settings import RedisSettings
from ..timing import Timer, Took, unmeasured
from .counters import Counters, Taken, Tally
from .memory_counters import MemoryCounters

RETRY_SECONDS = 5.0
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)


class FailingCounters(Counters, Protocol):
    """Counters that may not answer, and then raise one of `failures`."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What not answering raises."""
        ...

    def reconnect(self) -> None:
        """Drop the connections there are."""
        ...


class SharedCounters:
    """Counts in `shared`, and in `own` while those do not answer.

    After a failure they are left alone for `RETRY_SECONDS`; then one request tries again. So
    no more than that one waits for them, and what is up again is used again.
    `clock` gives seconds since the epoch. `took` learns of each question to those, and `alone`
    is called for each that goes to `own`.
    """

    def __init__(
        self,
        shared: FailingCounters,
        own: Counters,
        clock: Callable[[], float],
        took: Took = unmeasured,
        alone: Callable[[], None] = lambda: None,
    ) -> None:
        self._shared = shared
        self._own = own
        self._clock = clock
        self._took = took
        self._alone = alone
        self._retry_at: float | None = None
        self._lock = threading.Lock()

    def take(self, tallies: Sequence[Tally]) -> Taken:
        """Count one on each quota, or on none."""
        return self._ask(lambda counters: counters.take(tallies))

    def give_back(self, tallies: Sequence[Tally]) -> None:
        """Undo a count of each."""
        self._ask(lambda counters: counters.give_back(tallies))

    def are_degraded(self) -> bool:
        """Tell whether the shared counters do not answer; asks them."""
        self._ask(lambda counters: counters.are_degraded())
        return self._retry_at is not None

    def _ask(self, question: Callable[[Counters], Answer]) -> Answer:
        if self._may_ask():
            try:
                with Timer(self._took, *self._shared.failures):
                    answer = question(self._shared)
            except self._shared.failures as error:
                self._failed(error)
            else:
                self._answered()
                return answer
        self._alone()
        return question(self._own)

    def _may_ask(self) -> bool:
        if self._retry_at is None:
            return True
        with self._lock:
            now = self._clock()
            # A clock that is set back must not make the wait longer.
            if self._retry_at is not None and 0 < self._retry_at - now <= RETRY_SECONDS:
                return False
            self._retry_at = now + RETRY_SECONDS
        return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            is_news = self._retry_at is None
            self._retry_at = self._clock() + RETRY_SECONDS
        self._shared.reconnect()
        if is_news:
            # Not its text, which may name the server.
            kind = type(error).__name__
            logger.warning("Redis does not count (%s): each process counts for itself", kind)

    def _answered(self) -> None:
        if self._retry_at is None:
            return
        with self._lock:
            is_news = self._retry_at is not None
            self._retry_at = None
        if is_news:
            logger.warning("Redis counts again, for all processes together")


def make_counters(
    redis: RedisSettings | None,
    secret: Secret,
    clock: Callable[[], float],
    took: Took = unmeasured,
    alone: Callable[[], None] = lambda: None,
) -> Counters:
    """Return the counters that the settings ask for, see `SharedCounters`.

    Raises `SettingsError`.
    """
    own = MemoryCounters(clock)
    if redis is None:
        return own
    # Its library costs memory, which an installation without it can do without.
    try:
        from .redis_counters import RedisCounters
    except ModuleNotFoundError:
        expected = "the library, from pip install 'flask-usher[redis]'"
        raise SettingsError((Fault("redis", "no library for Redis", expected),)) from None
    return SharedCounters(RedisCounters(redis, secret), own, clock, took, alone)
