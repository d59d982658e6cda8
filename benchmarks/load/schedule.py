"""A model of what visitors do: when who opens which page, drawn before anything is sent.

So a service that is slow changes nothing in what is asked of it and when.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

WARM_VISITS = 10
"""How many visits' lengths the model has run for when the first second begins."""


class Kind(Enum):
    """What a visitor's browser does."""

    PAGE = "page view"
    """A token, and a report of what became of it."""
    REFRESH = "refresh"
    """Another token on the same page."""
    SIGN_IN = "sign-in"
    """The sign-in page, and its form with the right password."""


@dataclass(frozen=True, slots=True)
class Model:
    """Page views a second, for so many seconds, and what visits are made of."""

    rate: float
    seconds: float
    pages_per_visit: float = 5.0
    seconds_per_page: float = 20.0
    refreshes: float = 0.02
    """For each page view."""
    sign_ins: float = 0.1
    """For each visit."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """What happens `at` so many seconds after the start; `person` is a number."""

    at: float
    person: int
    kind: Kind


def schedule(model: Model, people: int, chance: random.Random) -> list[Event]:
    """Return what happens, in order.

    Visits begin at random moments (a Poisson process); the number of pages is geometric, and
    the time on each exponential.
    """
    visits_a_second = model.rate / model.pages_per_visit
    begun = -WARM_VISITS * model.pages_per_visit * model.seconds_per_page
    events: list[Event] = []
    while begun < model.seconds:
        begun += chance.expovariate(visits_a_second)
        events += _visit(model, begun, chance.randrange(people), chance)
    return sorted(
        (it for it in events if 0 <= it.at < model.seconds), key=lambda event: event.at
    )


def _visit(model: Model, at: float, person: int, chance: random.Random) -> Iterator[Event]:
    if chance.random() < model.sign_ins:
        yield Event(at, person, Kind.SIGN_IN)
    while True:
        yield Event(at, person, Kind.PAGE)
        stay = chance.expovariate(1 / model.seconds_per_page)
        if chance.random() < model.refreshes:
            yield Event(at + stay / 2, person, Kind.REFRESH)
        if chance.random() < 1 / model.pages_per_visit:
            return
        at += stay
