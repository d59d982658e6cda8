"""Resident memory of the workers while very many tokens are minted."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

from faults.deployment import deployed

from ..http_path import tell
from ..report import Measurement
from . import meters
from .flood import PEOPLE, Flood

BUDGET_PERCENT = 5.0
BROWSERS = 16
WARM_SHARE = 0.02
"""Of all the tokens: until then, what is loaded at first use is loaded."""
PROGRESS_SECONDS = 10


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give how much the largest worker has grown since the first tokens."""
    wanted = arguments.tokens
    with deployed(PEOPLE, PEOPLE, 1, direct=True) as deployment:
        flood, started = Flood(deployment, BROWSERS), time.monotonic()
        tell(f"{wanted:,} tokens, as fast as they come")
        flood.start()
        first: list[float] = []
        while flood.tokens < wanted and flood.is_alive():
            time.sleep(PROGRESS_SECONDS if first else 0.2)
            now = meters.resident_mib(deployment)
            if not first and flood.tokens >= WARM_SHARE * wanted:
                first = now
            if first:
                shown = ", ".join(f"{it:.1f}" for it in now)
                seconds = time.monotonic() - started
                tell(f"  {seconds:5.0f} s: {flood.tokens:,} tokens, workers {shown} MiB")
        last = meters.resident_mib(deployment)
        flood.end()
    pairs = zip(first, last, strict=True)
    growth = max((after / before - 1) * 100 for before, after in pairs)
    yield Measurement(f"growth after {flood.tokens:,} tokens", growth, "%", BUDGET_PERCENT)
    yield Measurement("memory of the largest worker at first", max(first), "MiB")
    yield Measurement("memory of the largest worker at last", max(last), "MiB")
    yield Measurement("requests without a token", flood.failed, "", 0)
