"""What a page reports about an activation: read from strangers, who may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_usher.providers.strict_json import NotStrictJson, strict_object

from ..errors import Code, Rejected
from .classes import MILLISECONDS, SECONDS, class_of
from .labels import code_label, reason_label
from .tables import Event

VERSION = 1
LONGEST_REASON = 200
MODES = ("secured", "anonymous")
EVENTS = {
    "activated": Event.ACTIVATED,
    "failed": Event.FAILED,
    "refused": Event.REFUSAL_SEEN,
    "error": Event.ERROR,
}
"""The statuses that a page may report."""
LONGEST_MILLISECONDS = 3600 * 1000
LONGEST_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `measured` holds labels of `Event.TOKEN_MS` and the like."""

    support_id: str
    event: Event
    mode: str
    label: str
    measured: tuple[tuple[Event, str], ...]


def read(body: bytes) -> Report:
    """Return what the body says; members that nobody asked for are dropped.

    Raises `Rejected` when it is no JSON of the documented form.
    """
    try:
        return _report(strict_object(body))
    except (NotStrictJson, KeyError, TypeError) as error:
        raise Rejected(Code.MALFORMED_REQUEST) from error


def _report(given: Mapping[str, Any]) -> Report:
    if given["v"] != VERSION or given["mode"] not in MODES:
        raise KeyError("another version, or an unknown mode")
    event = EVENTS[given["status"]]
    reason, code = _text(given, "reason"), _text(given, "code")
    if event is Event.ACTIVATED:
        label = given["mode"]
    elif event is Event.FAILED:
        label = reason_label(None if reason is None else reason[:LONGEST_REASON])
    else:
        label = code_label(code)
    support_id = given["support_id"]
    if not isinstance(support_id, str):
        raise TypeError("support_id")
    return Report(support_id, event, given["mode"], label, tuple(_measured(given, event)))


def _measured(given: Mapping[str, Any], event: Event) -> list[tuple[Event, str]]:
    timings = given.get("timings") or {}
    if not isinstance(timings, Mapping):
        raise TypeError("timings")
    waited, took = _number(timings, "token_ms"), _number(timings, "activated_ms")
    left = _number(given, "token_remaining_s")
    found = []
    if waited is not None and 0 <= waited <= LONGEST_MILLISECONDS:
        found.append((Event.TOKEN_MS, class_of(waited, MILLISECONDS)))
    activated = event is Event.ACTIVATED
    if activated and took is not None and 0 <= took <= LONGEST_MILLISECONDS:
        found.append((Event.ACTIVATED_MS, class_of(took, MILLISECONDS)))
    if left is not None and abs(left) <= LONGEST_SECONDS:
        found.append((Event.TOKEN_LIFE, class_of(left, SECONDS)))
    return found


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(name)
    return value


def _number(given: Mapping[str, Any], name: str) -> float | None:
    value = given.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(name)
    return value
