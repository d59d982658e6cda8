"""A document on another machine, held for a while and looked at again when that is due.

One look at a time, however many threads ask, and few of them wait for it. Whoever reads does
so through a `Reader` with a budget of its own: strangers who use up theirs do not use up
anybody else's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .base import ProviderUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

# From this part of its life on, a document is looked at again without anybody waiting.
_EARLY = 0.8


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """What a look brought, and for how many seconds it is in force."""

    value: T
    fresh_seconds: float


@dataclass(frozen=True, slots=True)
class _Held(Generic[T]):
    value: T
    fetched_at: float
    fresh_seconds: float


def in_a_thread(work: Callable[[], None]) -> None:
    """Do the work while the caller goes on."""
    threading.Thread(target=work, daemon=True).start()


class Refreshing(Generic[T]):
    """Holds what `fetch` returns; `fetch` raises `ProviderUnavailable`.

    While the other machine does not answer, the last good value serves for `stale_seconds`.
    `clock` gives seconds since the epoch; `background` starts work that nobody waits for.
    """

    def __init__(
        self,
        fetch: Callable[[], Fetched[T]],
        *,
        clock: Callable[[], float],
        stale_seconds: float,
        background: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._fetch = fetch
        self._stale_seconds = stale_seconds
        self._looking = threading.Lock()
        self._failed_at: float | None = None
        self.clock = clock
        self.background = background
        self.held: _Held[T] | None = None
        self.looks = 0

    def reader(self, *, cool_down_seconds: float, room: int) -> Reader[T]:
        """Return a way to read that causes one look in `cool_down_seconds` at most.

        Not more than `room` threads wait for a look: a provider that hangs must not take all
        that there are.
        """
        return Reader(self, cool_down_seconds, room)

    @property
    def is_answered(self) -> bool:
        """Whether the last look brought something."""
        return self.held is not None and self._failed_at is None

    @property
    def is_due(self) -> bool:
        """Whether it is time for another look, or for the first one."""
        held = self.held
        if held is None or self._failed_at is not None:
            return True
        return self.age(held.fetched_at) >= _EARLY * held.fresh_seconds

    def age(self, since: float) -> float:
        """Return how many seconds have passed; infinitely many if the clock was set back."""
        passed = self.clock() - since
        return passed if passed >= 0 else float("inf")

    def is_usable(self, held: _Held[T] | None) -> bool:
        """Tell whether this may still serve, at least while there is nothing better."""
        return held is not None and self.age(held.fetched_at) < self._stale_seconds

    def is_not_to_be_waited_for(self, held: _Held[T]) -> bool:
        """Tell whether somebody is looking already, or found nothing a short while ago."""
        failed_at = self._failed_at
        return self._looking.locked() or (
            failed_at is not None and self.age(failed_at) < held.fresh_seconds
        )

    def look(self, seen: int, may_look: Callable[[], bool]) -> None:
        """Fetch, unless somebody did since `seen` looks had been made, or it may not be."""
        with self._looking:
            if self.looks != seen or not may_look():
                return
            try:
                fetched = self._fetch()
            except ProviderUnavailable as error:
                logger.warning("%s", error)
                self._failed_at = self.clock()
            else:
                self.held = _Held(fetched.value, self.clock(), fetched.fresh_seconds)
                self._failed_at = None
            finally:
                self.looks += 1


class Reader(Generic[T]):
    """One party's way to read a `Refreshing` document."""

    def __init__(self, document: Refreshing[T], cool_down_seconds: float, room: int) -> None:
        self._document = document
        self._cool_down_seconds = cool_down_seconds
        self._last_look: float | None = None
        self._waiting_room = threading.BoundedSemaphore(room)

    def current(self) -> T:
        """Return the value that is in force. Raises `ProviderUnavailable`."""
        document = self._document
        # In this order: a look in between then counts as made.
        looks, held = document.looks, document.held
        if held is not None and document.is_usable(held):
            age = document.age(held.fetched_at)
            if age < _EARLY * held.fresh_seconds:
                return held.value
            if age < held.fresh_seconds or document.is_not_to_be_waited_for(held):
                if self._take_look():
                    document.background(lambda: document.look(looks, lambda: True))
                return held.value
        self._look(looks)
        held = document.held
        if held is None or not document.is_usable(held):
            raise ProviderUnavailable("the provider's document can't be had")
        return held.value

    def is_ready(self) -> bool:
        """Tell whether the last look brought something. Starts another, when it is due."""
        document = self._document
        looks = document.looks
        if document.is_due and self._take_look():
            document.background(lambda: document.look(looks, lambda: True))
        return document.is_answered

    def newer(self, than: T) -> T | None:
        """Return a value from after `than`, or `None` when it may not be looked for yet.

        Raises `ProviderUnavailable` when enough others wait for it.
        """
        document = self._document
        looks, held = document.looks, document.held
        if held is not None and held.value is than:
            if not self._look(looks):
                raise ProviderUnavailable("too many wait for the provider's document")
            held = document.held
        return None if held is None or held.value is than else held.value

    def _look(self, seen: int) -> bool:
        """Look, or wait for who is looking. Returns whether there was room to wait."""
        if not self._waiting_room.acquire(blocking=False):
            return False
        try:
            self._document.look(seen, self._take_look)
        finally:
            self._waiting_room.release()
        return True

    def _take_look(self) -> bool:
        last = self._last_look
        if last is not None and self._document.age(last) < self._cool_down_seconds:
            return False
        self._last_look = self._document.clock()
        return True
