"""`make load`: a whole deployment behind nginx under the page views of many people.

Parts: `pages`, a model of page views at a stated rate; `half`, the p99 at half load; `peer`,
tokens a second against a Node.js server; `memory`, what very many tokens leave behind;
`stores`, the read of a sign-in from PostgreSQL and from Redis.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from ..report import Measurement, as_json, as_table
from . import half, memory, pages, peer, stores

PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Measurement]]] = {
    "pages": pages.measure,
    "half": half.measure,
    "peer": peer.measure,
    "memory": memory.measure,
    "stores": stores.measure,
}


def main() -> int:
    """Measure, print, and return 1 if a budget is exceeded."""
    arguments = _arguments()
    measurements = list(PARTS[arguments.part](arguments))
    print(as_json(measurements) if arguments.json else as_table(measurements))
    return int(any(it.verdict == "OVER" for it in measurements))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("part", nargs="?", choices=PARTS, default="pages", help="what to measure")
    add("--json", action="store_true", help="print JSON")
    add("--seconds", type=float, default=120, help="how long pages and half last")
    add("--seed", type=int, default=1, help="pages: which visitors come when")
    add("--rate", type=float, default=50, help="pages: page views a second")
    add("--accounts", type=int, default=1_000_000, help="pages: how many accounts there are")
    add("--live-sign-ins", type=int, default=100_000, help="pages: how many are signed in")
    add("--pages-per-visit", type=float, default=5, help="pages: mean")
    add("--seconds-per-page", type=float, default=20, help="pages: mean")
    add("--refreshes", type=float, default=0.02, help="pages: for each page view")
    add("--sign-ins", type=float, default=0.1, help="pages: for each visit")
    add("--rounds", type=int, default=3, help="peer: turns for each server")
    add("--turn", type=int, default=20, help="peer: seconds of a turn")
    add("--tokens", type=int, default=1_000_000, help="memory: how many are minted")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
