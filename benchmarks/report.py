"""Measurements and the two forms in which they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number. `budget` is the most that it may be; `None` where it is only told."""

    name: str
    value: float
    unit: str
    budget: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the number keeps to its budget."""
        if self.budget is None:
            return ""
        return "within" if self.value <= self.budget else "OVER"


def as_table(measurements: Iterable[Measurement]) -> str:
    """Return a Markdown table."""
    rows = [("", "measured", "budget", "verdict")]
    rows += [
        (it.name, _number(it.value, it.unit), _number(it.budget, it.unit), it.verdict)
        for it in measurements
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def as_json(measurements: Iterable[Measurement]) -> str:
    """Return a JSON array with one object for each measurement."""
    return json.dumps([asdict(it) | {"verdict": it.verdict} for it in measurements], indent=2)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *others = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return "| " + " | ".join((name, *others)) + " |"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if isinstance(value, int) or value >= 100 else 2 if value < 10 else 1
    return f"{value:,.{digits}f} {unit}".strip()
