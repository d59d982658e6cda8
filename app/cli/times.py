"""Times on the command line: how they are given, and how they are shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..timestamps import timestamp

Command = TypeVar("Command", bound=Callable[..., Any])
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Ago(click.ParamType[str]):
    """An option such as `10m`: a time so long ago."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return that time as audit lines write it."""
        found = re.fullmatch(r"(\d{1,5})([smhd])", value)
        if found is None:
            self.fail(f"{value!r}: write 30s, 10m, 2h or 1d.", param, ctx)
        return timestamp(time.time() - int(found[1]) * UNITS[found[2]], "milliseconds")


def moment(when: str | float) -> str:
    """Return a time for people: one of an audit line, or seconds since the epoch."""
    text = when if isinstance(when, str) else timestamp(when)
    return text.replace("T", " ")[:19] + "Z"


def since_option(default: str) -> Callable[[Command], Command]:
    """Return the option `--since`."""
    return click.option(
        "--since", default=default, type=Ago(), help="How far to look back.", show_default=True
    )
