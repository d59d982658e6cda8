"""p99 of tokens at half of what the machine can do ÷ one bare RSA signature."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Iterator

from faults.deployment import Deployment, deployed
from faults.report import percentile

from ..http_path import tell
from ..mint import bare_sign_cpu_microseconds
from ..report import Measurement
from .browsers import Browsers
from .flood import PEOPLE, Flood
from .schedule import Event, Kind

BUDGET = 8.0
BROWSERS = 16
WARM_SECONDS = 3.0
SIGNATURES = 1500


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give the ratio, and what it is made of."""
    with deployed(PEOPLE, PEOPLE, 1, direct=True) as deployment:
        tell(f"As many tokens as possible for {arguments.seconds / 3:g} s")
        most = _most(deployment, arguments.seconds / 3)
        signatures = [bare_sign_cpu_microseconds(SIGNATURES)]
        tell(f"{most / 2:.0f} tokens a second for {arguments.seconds:g} s")
        browsers = Browsers(deployment, _tokens(most / 2, arguments.seconds, arguments.seed))
        browsers.start()
        browsers.join()
        signatures.append(bare_sign_cpu_microseconds(SIGNATURES))
    settled = [it for it in browsers.seen if it.due >= WARM_SECONDS]
    p50, p99 = (percentile([it.seconds for it in settled], it) for it in (50, 99))
    late = percentile([it.late for it in settled], 99)
    sign = statistics.mean(signatures) / 1e6
    yield Measurement("p99 at half load ÷ bare RSA sign", p99 / sign, "×", BUDGET)
    yield Measurement("tokens a second at full load", most, "/s")
    yield Measurement("p50 at half load", p50 * 1000, "ms")
    yield Measurement("p99 at half load", p99 * 1000, "ms")
    yield Measurement("this client's own delay, p99", late * 1000, "ms")
    yield Measurement("bare RSA sign", sign * 1e6, "µs")
    failed = sum(not it.is_good for it in browsers.seen)
    yield Measurement("requests without a token", failed, "", 0)


def _most(deployment: Deployment, seconds: float) -> float:
    flood = Flood(deployment, BROWSERS)
    flood.start()
    time.sleep(WARM_SECONDS)
    before, started = flood.tokens, time.monotonic()
    time.sleep(seconds)
    speed = (flood.tokens - before) / (time.monotonic() - started)
    flood.end()
    return speed


def _tokens(rate: float, seconds: float, seed: int) -> list[Event]:
    chance, at = random.Random(seed), 0.0
    events = []
    while at < seconds:
        at += chance.expovariate(rate)
        events.append(Event(at, chance.randrange(PEOPLE), Kind.REFRESH))
    return events
