"""What limits count with: a counter for each key, which lives for one window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from limits import parse


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `together` in `seconds`, which begin with the first.

    `alone` is what a process grants that has to count for itself; `prefix` begins the names of
    its counters.
    """

    name: str
    prefix: str
    together: int
    alone: int
    seconds: int

    @classmethod
    def of(cls, name: str, rate: str, processes: int) -> Quota:
        """Return the quota for a rate such as `10 per 300 seconds`."""
        item = parse(rate)
        # Rounded up, so that no process refuses everybody.
        alone = math.ceil(item.amount / processes)
        return cls(name, item.key_for(name, ""), item.amount, alone, item.get_expiry())

    def tally(self, key: str = "") -> Tally:
        """Return one count on this quota."""
        return Tally(self, self.prefix + key)


class Tally(NamedTuple):
    """One to be counted on a quota; `key` names the counter among all there are."""

    quota: Quota
    key: str


class Window(NamedTuple):
    """How many more a quota grants, and the seconds until its window ends."""

    left: int
    reset_after: float


class Taken(NamedTuple):
    """Whether all quotas granted one, and where each of them stands now."""

    granted: bool
    windows: Sequence[Window]


class Counters(Protocol):
    """Counters of one process, or of all."""

    def take(self, tallies: Sequence[Tally]) -> Taken:
        """Count one on each quota, in one step, or on none if any is used up."""
        ...

    def give_back(self, tallies: Sequence[Tally]) -> None:
        """Undo a count of each. No counter falls below 0: its window may have ended."""
        ...

    def are_degraded(self) -> bool:
        """Tell whether they count in another place than they should."""
        ...
