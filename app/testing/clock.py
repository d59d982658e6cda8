"""A clock that stands still until it is told otherwise."""

from __future__ import annotations


class Clock:
    """Stands wherever a `Callable[[], float]` is asked for; `now` is in seconds since 1970."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the time that it is by this clock."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let this much time pass; less than nothing sets the clock back."""
        self.now += seconds
