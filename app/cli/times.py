"""Times on the command line: how they are given, and how they are shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


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
        then = datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
        return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(time: str | float) -> str:
    """Return a time for people: one of an audit line, or seconds since the epoch."""
    if isinstance(time, str):
        return time.replace("T", " ")[:19] + "Z"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def since_option(default: str) -> Callable[[Command], Command]:
    """Return the option `--since`."""
    return click.option(
        "--since", default=default, type=Ago(), help="How far to look back.", show_default=True
    )
