"""`make faults`: break things while people ask for tokens, and look at every token.

Two hosts with two workers each share PostgreSQL and Redis behind nginx, all on this machine.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace

from faults.deployment import deployed
from faults.report import Result, as_table
from faults.scenarios import SCENARIOS
from faults.trial import SHORT, Size, run, tell


def main() -> int:
    """Play the scenarios, print the table, and return 1 if something is as it must not be."""
    arguments = _arguments()
    # As for an interrupt: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    size = _size(arguments)
    chosen = [it for it in SCENARIOS if not arguments.only or it.name in arguments.only]
    results: list[Result] = []
    started = time.monotonic()
    tell("Starting PostgreSQL, Redis, nginx and two hosts …")
    with deployed() as deployment:
        for number, scenario in enumerate(chosen, 1):
            tell(f"{number} of {len(chosen)}: {scenario.name} …")
            results.append(run(deployment, scenario, size))
            for fault in results[-1].broken(timed=not arguments.short):
                tell(f"  {fault}")
    print(as_table(results))
    print(
        f"\n{size.rate:g} requests a second, {(time.monotonic() - started) / 60:.0f} minutes."
    )
    broken = [(it.name, fault) for it in results for fault in it.broken(timed=True)]
    for name, fault in broken:
        print(f"BROKEN {name}: {fault}")
    return int(bool(broken))


def _size(arguments: argparse.Namespace) -> Size:
    size = SHORT if arguments.short else Size()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    return replace(size, **{name: given[name] for name in vars(size) if name in given})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [it.name for it in SCENARIOS]
    parser.add_argument(
        "--only",
        choices=names,
        action="append",
        metavar="NAME",
        help="just this; may be given again: " + ", ".join(names),
    )
    parser.add_argument("--short", action="store_true", help="a little of everything")
    parser.add_argument("--rate", type=float, help="requests a second")
    parser.add_argument("--seconds", type=float, help="how long a fault lasts")
    parser.add_argument("--calm-seconds", type=float, help="how long there is peace before it")
    parser.add_argument("--kills", type=int, help="how many workers are killed")
    parser.add_argument("--reloads", type=int, help="how many reloads, policies, rotations")
    parser.add_argument("--slow-sockets", type=int, help="connections with slow requests")
    parser.add_argument("--idle-sockets", type=int, help="connections that do nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
