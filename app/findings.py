"""What a look at an installation finds."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Unless all is well, `remedy` says what to change; `why` says why it matters, where that does
    not go without saying. No text holds a secret.
    """

    check: str
    verdict: Verdict
    found: str
    remedy: str = ""
    why: str = ""


def ok(check: str, found: str) -> Finding:
    """Return the finding that all is well."""
    return Finding(check, "ok", found)


def drift(date: str, before: float, after: float) -> float | None:
    """Return by how many seconds the clock that wrote a Date header is ahead of ours.

    The answer came between two moments, in seconds since the epoch. What their distance and the
    header's lack of fractions explain is no drift. `None` when there is no such header.
    """
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return theirs - after if theirs > after else min(theirs + 1 - before, 0)


def warning(check: str, found: str, why: str, remedy: str) -> Finding:
    """Return the finding that something may go wrong."""
    return Finding(check, "warning", found, remedy, why)


def fault(check: str, found: str, why: str, remedy: str) -> Finding:
    """Return the finding that something is wrong."""
    return Finding(check, "fault", found, remedy, why)
