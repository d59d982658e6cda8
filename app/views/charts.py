"""Charts as geometry, for a template that draws them as SVG: no script and no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

WIDTH, HEIGHT = 480, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 472, 10, 172
DAY, HALF_HOUR = 86400, 1800
MOST_TIMES = 5
MOST_KINDS = 5
OTHERS = "all others"
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, with the words for who points at it."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What one colour stands for: a line (`path`) or bars, and its sum or middle in words."""

    name: str
    said: str
    path: str = ""
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole chart. `levels` and `times` are places with their labels."""

    title: str
    kinds: tuple[Kind, ...]
    levels: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]

    @property
    def summary(self) -> str:
        """What it shows, for who does not see it."""
        return "; ".join(f"{kind.name}: {kind.said}" for kind in self.kinds) or "nothing yet"


def lines(
    title: str, starts: Sequence[int], step: int, kinds: Mapping[str, tuple[Values, str]]
) -> Chart:
    """Return a chart with a line for each kind: its values, and what is said of them.

    A line has a gap where a value is `None`.
    """
    top = _round_up(max((it for values, _ in kinds.values() for it in values if it), default=0))
    drawn = tuple(
        Kind(name, said, path=_path(values, top))
        for name, (values, said) in kinds.items()
        if any(it is not None for it in values)
    )
    return Chart(title, drawn, _levels(top), _times(starts, step))


def bars(
    title: str, starts: Sequence[int], step: int, kinds: Mapping[str, Sequence[int]]
) -> Chart:
    """Return a chart of stacked bars; the smallest kinds are shown as one."""
    few = _few(kinds)
    top = _round_up(max(map(sum, zip(*few.values(), strict=True)), default=0))
    reached = [0] * len(starts)
    drawn = []
    for name, values in few.items():
        drawn.append(
            Kind(name, f"{sum(values):,}", bars=_bars(name, values, reached, top, starts, step))
        )
        reached = [below + value for below, value in zip(reached, values, strict=True)]
    return Chart(title, tuple(drawn), _levels(top), _times(starts, step))


def time_label(start: int, step: int) -> str:
    """Return a time as short as the step allows, in UTC."""
    form = "%H:%M" if step <= HALF_HOUR else "%d %b" if step >= DAY else "%d %b %H:%M"
    return datetime.fromtimestamp(start, UTC).strftime(form)


def _few(kinds: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    largest = sorted(kinds, key=lambda name: -sum(kinds[name]))
    if len(largest) <= MOST_KINDS:
        return {name: kinds[name] for name in largest}
    rest = [kinds[name] for name in largest[MOST_KINDS - 1 :]]
    few = {name: kinds[name] for name in largest[: MOST_KINDS - 1]}
    return few | {OTHERS: [sum(values) for values in zip(*rest, strict=True)]}


def _bars(
    name: str,
    values: Sequence[int],
    reached: Sequence[int],
    top: float,
    starts: Sequence[int],
    step: int,
) -> tuple[Bar, ...]:
    width = (RIGHT - LEFT) / max(1, len(values))
    gap = min(1.5, width / 5)
    return tuple(
        Bar(
            round(LEFT + index * width + gap / 2, 1),
            round(_y(reached[index] + value, top), 1),
            round(width - gap, 1),
            round(_y(reached[index], top) - _y(reached[index] + value, top), 1),
            f"{name}, {time_label(starts[index], step)}: {value:,}",
        )
        for index, value in enumerate(values)
        if value
    )


def _path(values: Values, top: float) -> str:
    step = (RIGHT - LEFT) / max(1, len(values))
    path, is_drawing = [], False
    for index, value in enumerate(values):
        if value is not None:
            x, y = LEFT + (index + 0.5) * step, _y(value, top)
            # A point alone is a short stroke, or nobody would see it.
            is_alone = not is_drawing and (
                index + 1 == len(values) or values[index + 1] is None
            )
            path.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y:.1f}" + "h2" * is_alone)
        is_drawing = value is not None
    return "".join(path)


def _y(value: float, top: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * value / top


def _round_up(value: float) -> float:
    """Return the next of 2, 4, 10, 20, 40, 100, … so that halves are whole numbers."""
    if value <= 2:
        return 2
    power = 10 ** math.floor(math.log10(value))
    return next(float(it * power) for it in (1, 2, 4, 10) if it * power >= value)


def _levels(top: float) -> tuple[tuple[float, str], ...]:
    return tuple((_y(it, top), f"{it:,.0f}") for it in (0, top / 2, top))


def _times(starts: Sequence[int], step: int) -> tuple[tuple[float, str], ...]:
    every = max(1, math.ceil(len(starts) / MOST_TIMES))
    width = (RIGHT - LEFT) / max(1, len(starts))
    form = DAY if step > HALF_HOUR else step
    return tuple(
        (round(LEFT + index * width, 1), time_label(starts[index], form))
        for index in range(0, len(starts), every)
    )
