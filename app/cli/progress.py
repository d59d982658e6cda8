"""How far a long command has come: a bar on a terminal, plain percentages elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click

STEP_PERCENT = 10


class Progress:
    """Shows on stderr how much of `total` bytes is done; nothing when `total` is unknown."""

    def __init__(self, label: str, total: int | None) -> None:
        self._total = total
        self._label = label
        self._done = 0
        self._told = 0
        self._bar = None
        if total and sys.stderr.isatty():
            self._bar = click.progressbar(length=total, label=label, file=sys.stderr)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, traceback)

    def update(self, done: int) -> None:
        """Show that `done` bytes of the total are done."""
        if self._bar is not None:
            self._bar.update(done - self._done)
        elif self._total:
            percent = 100 * done // self._total // STEP_PERCENT * STEP_PERCENT
            if percent > self._told:
                self._told = percent
                click.echo(f"{self._label} {percent} %", err=True)
        self._done = done
