"""The figures of a period as rows: for the page's table, the terminal and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable

from ..timestamps import timestamp
from .figures import ANONYMOUS, Figures, Series
from .tables import Event

COLUMNS = (
    "granted",
    "refused",
    "activated",
    "anonymous",
    "failed",
    "error",
    "median_ms_to_activated",
    "median_token_life_s",
)
LABELLED = (Event.REFUSED, Event.FAILED, Event.ERROR)
# What spreadsheets take for the beginning of a formula, or skip before one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Cell = int | float | str | None


def cells(figures: Figures) -> list[Cell]:
    """Return what `COLUMNS` name."""
    life, took = figures.median(Event.TOKEN_LIFE), figures.median(Event.ACTIVATED_MS)
    return [
        figures.total(Event.GRANTED),
        figures.total(Event.REFUSED),
        figures.activated,
        figures.of(Event.ACTIVATED)[ANONYMOUS],
        figures.total(Event.FAILED),
        figures.total(Event.ERROR),
        None if took is None else round(took),
        None if life is None else round(life),
    ]


def by_number(labels: Counter[str]) -> list[tuple[str, int]]:
    """Return labels with their numbers, the largest first."""
    return sorted(labels.items(), key=lambda it: (-it[1], it[0]))


def as_csv(series: Series) -> str:
    """Return a line for each step, with a column for each code and reason (RFC 4180).

    No cell is a formula for a spreadsheet, whatever pages have reported.
    """
    labels = [
        (event, label) for event in LABELLED for label, _ in by_number(series.whole.of(event))
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    names = [f"{event.value}: {label}" for event, label in labels]
    writer.writerow(_plain(["start", *COLUMNS, *names]))
    for start, figures in series:
        counts = [figures.of(event)[label] for event, label in labels]
        writer.writerow(_plain([timestamp(start), *cells(figures), *counts]))
    return text.getvalue()


def as_object(series: Series) -> dict[str, object]:
    """Return the figures for programs."""
    whole = series.whole
    counted = {event.value: dict(by_number(whole.of(event))) for event in LABELLED}
    return {
        "since": timestamp(series.starts[0]),
        "step_seconds": series.step,
        **dict(zip(COLUMNS, cells(whole), strict=True)),
        "never_activated": whole.never_activated,
        "unreported": whole.unreported,
        "by_label": counted,
        "steps": [
            {"start": timestamp(start), **dict(zip(COLUMNS, cells(figures), strict=True))}
            for start, figures in series
        ],
    }


def _plain(row: Iterable[Cell]) -> list[Cell]:
    return [f"'{it}" if isinstance(it, str) and it.startswith(_FORMULA) else it for it in row]
