"""p99 of tokens at half of what the machine can do ÷ one bare RSA signature."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Iterator
from functools import partial

from faults.deployment import deployed
from support.nginx_files import HOST

from ..http_path import load, tell
from ..mint import bare_sign_cpu_microseconds
from ..report import Measurement
from .flood import PEOPLE

BUDGET = 8.0
BROWSERS = 16
BROWSERS_AT_HALF_LOAD = 200
WARM_SECONDS = 3
SIGNATURES = 1500


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give the ratio, and what it is made of."""
    seconds = int(arguments.seconds)
    at_full_load = max(1, seconds // 3)
    with deployed(PEOPLE, PEOPLE, 1, direct=True, from_one_address=True) as deployment:
        cookies = deployment.folder / "cookies.txt"
        cookies.write_text("".join(f"__Host-usher={it.cookie}\n" for it in deployment.people))
        ask = partial(
            load,
            f"https://localhost:{deployment.port}",
            str(cookies),
            origin=f"https://{HOST}",
            processors=os.sched_getaffinity(0),
        )
        signatures = [bare_sign_cpu_microseconds(SIGNATURES)]
        tell(f"As many tokens as possible for {at_full_load} s")
        ask(WARM_SECONDS, BROWSERS)
        full = ask(at_full_load, BROWSERS)
        most = full["requests"] / full["seconds"]
        tell(f"One at a time for {WARM_SECONDS} s")
        alone = ask(WARM_SECONDS, 1)
        tell(f"{most / 2:.0f} tokens a second for {seconds} s")
        half = ask(seconds, BROWSERS_AT_HALF_LOAD, rate=most / 2)
        signatures.append(bare_sign_cpu_microseconds(SIGNATURES))
    sign = statistics.mean(signatures) / 1000
    yield Measurement("p99 at half load ÷ bare RSA sign", half["p99_ms"] / sign, "×", BUDGET)
    yield Measurement("p50 at half load ÷ bare RSA sign", half["p50_ms"] / sign, "×")
    yield Measurement("p50 of one at a time ÷ bare RSA sign", alone["p50_ms"] / sign, "×")
    yield Measurement("tokens a second at full load", most, "/s")
    yield Measurement("tokens a second at half load", half["requests"] / half["seconds"], "/s")
    yield Measurement("p50 at half load", half["p50_ms"], "ms")
    yield Measurement("p99 at half load", half["p99_ms"], "ms")
    yield Measurement("bare RSA sign", sign * 1000, "µs")
