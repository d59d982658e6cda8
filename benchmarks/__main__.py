"""`make bench`, or `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from pathlib import Path

import flask_usher

from . import http_path, mint, page_activation, policy, provider_outage, token_verification
from .report import Measurement, as_json, as_table

CLIENT_BUDGET_KILOBYTES = 4.0
PARTS = ("mint", "tokens", "policy", "http", "page", "outage", "client")


def main() -> int:
    """Measure, print, and return 1 if a budget is exceeded."""
    arguments = _arguments()
    measurements = list(_measure(arguments))
    print(as_json(measurements) if arguments.json else as_table(measurements))
    return int(any(it.verdict == "OVER" for it in measurements))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", choices=PARTS, help="measure just this")
    parser.add_argument("--samples", type=int, default=3000, help="tokens to mint or verify")
    parser.add_argument("--rounds", type=int, default=3, help="turns for each server")
    parser.add_argument("--seconds", type=int, default=5, help="length of a turn")
    parser.add_argument("--pages", type=int, default=30, help="pages of each kind to open")
    parser.add_argument(
        "--accounts", default="1,10000,1000000", help="sizes of the accounts table"
    )
    return parser.parse_args()


def _measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    if arguments.only in (None, "mint"):
        yield from mint.measure(arguments.samples)
    if arguments.only in (None, "tokens"):
        yield from token_verification.measure(arguments.samples)
    if arguments.only in (None, "policy"):
        yield from policy.measure(arguments.samples)
    if arguments.only in (None, "http"):
        counts = [int(count) for count in arguments.accounts.split(",")]
        yield from http_path.measure(counts, arguments.rounds, arguments.seconds)
    if arguments.only in (None, "outage"):
        yield from provider_outage.measure(arguments.rounds * arguments.seconds)
    if arguments.only in (None, "page"):
        yield from page_activation.measure(arguments.pages)
    if arguments.only in (None, "client"):
        yield _client_size()


def _client_size() -> Measurement:
    source = Path(flask_usher.__file__).with_name("static") / "usher.js"
    kilobytes = len(gzip.compress(source.read_bytes(), 9)) / 1024
    return Measurement("usher.js, gzipped", kilobytes, "KiB", CLIENT_BUDGET_KILOBYTES)


if __name__ == "__main__":
    sys.exit(main())
