"""Reading outcomes: the figures of a period, as a whole and in steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from ..database import Database
from .classes import MILLISECONDS, SECONDS, median
from .labels import OTHER, is_free_text
from .tables import ALL_BEFORE, DAY, HOUR, MINUTE, Event, Failure, Meter, counts, failures

CLASSES = {
    Event.TOKEN_MS: MILLISECONDS,
    Event.ACTIVATED_MS: MILLISECONDS,
    Event.TOKEN_LIFE: SECONDS,
}
SECURED, ANONYMOUS = "secured", "anonymous"


@dataclass(slots=True)
class Figures:
    """What was counted, by event and label."""

    counts: dict[Event, Counter[str]] = field(default_factory=dict)

    def of(self, event: Event) -> Counter[str]:
        """Return what was counted for an event, by label."""
        return self.counts.get(event, Counter())

    def total(self, event: Event) -> int:
        """Return how often an event was counted."""
        return self.of(event).total()

    def median(self, event: Event) -> float | None:
        """Return the median of something measured, `None` where nothing was."""
        return median(self.of(event), CLASSES[event])

    @property
    def activated(self) -> int:
        """How many pages have an authenticated chat."""
        return self.of(Event.ACTIVATED)[SECURED]

    @property
    def never_activated(self) -> int:
        """How many tokens were granted that no page has reported to be of use."""
        return max(0, self.total(Event.GRANTED) - self.activated)

    @property
    def unreported(self) -> int:
        """How many of these no page has reported at all."""
        return max(0, self.never_activated - self.total(Event.FAILED))

    def add(self, event: Event, label: str, count: int) -> None:
        """Add to what was counted."""
        self.counts.setdefault(event, Counter())[label] += count


@dataclass(frozen=True, slots=True)
class Series:
    """Figures in steps of `step` seconds; `starts` are in seconds since the epoch."""

    step: int
    starts: tuple[int, ...]
    steps: Mapping[int, Figures]
    whole: Figures

    def __iter__(self) -> Iterator[tuple[int, Figures]]:
        """Give each step with its figures."""
        return ((start, self.steps.get(start, Figures())) for start in self.starts)


def step_of(seconds: int) -> int:
    """Return the step, in seconds, in which a period is shown."""
    for longest, step in ((2 * HOUR, MINUTE), (12 * HOUR, 10 * MINUTE), (2 * DAY, HOUR // 2)):
        if seconds <= longest:
            return step
    return 3 * HOUR if seconds <= 14 * DAY else DAY


def series(database: Database, since: float, now: float) -> Series:
    """Return the figures from `since` to `now`, both in seconds since the epoch.

    It begins at a whole step. Raises `StoreUnavailable`.
    """
    step = step_of(int(now - since))
    first = int(since) // step * step
    # Written out: PostgreSQL takes an expression with parameters for another one each time.
    start = counts.c.start - counts.c.start % sa.literal_column(str(step))
    statement = (
        sa.select(start, counts.c.event, counts.c.label, sa.func.sum(counts.c.count))
        .where(counts.c.start >= max(first, 1), counts.c.start <= now)
        .group_by(start, counts.c.event, counts.c.label)
    )
    whole = Figures()
    steps: dict[int, Figures] = {}
    with database.reading() as connection:
        for begin, event, label, count in connection.execute(statement):
            whole.add(Event(event), label, int(count))
            steps.setdefault(int(begin), Figures()).add(Event(event), label, int(count))
    return Series(step, tuple(range(first, int(now) + 1, step)), steps, whole)


def totals(database: Database) -> Figures:
    """Return all that was ever counted; texts of strangers are `other`.

    Raises `StoreUnavailable`.
    """
    statement = (
        sa.select(counts.c.event, counts.c.label, sa.func.sum(counts.c.count))
        .where(counts.c.event.in_([*Event]))
        .group_by(counts.c.event, counts.c.label)
    )
    figures = Figures()
    with database.reading() as connection:
        for event, label, count in connection.execute(statement):
            figures.add(Event(event), OTHER if is_free_text(label) else label, int(count))
    return figures


def metered(database: Database) -> Mapping[Meter, Counter[str]]:
    """Return what all processes have metered, by label. Raises `StoreUnavailable`."""
    found = {meter: Counter[str]() for meter in Meter}
    statement = sa.select(counts).where(counts.c.start == ALL_BEFORE)
    with database.reading() as connection:
        for _, name, label, count in connection.execute(statement):
            if name in found:
                found[Meter(name)][label] = count
    return found


def last_failures(database: Database, count: int) -> list[Failure]:
    """Return the last activations that came to nothing, the newest first.

    Raises `StoreUnavailable`.
    """
    statement = sa.select(failures).order_by(failures.c.time.desc()).limit(count)
    with database.reading() as connection:
        rows = connection.execute(statement).all()
    return [Failure(row[0], row[1], Event(row[2]), row[3], row[4]) for row in rows]
