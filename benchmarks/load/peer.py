"""Tokens a second through nginx, and p99 at half of that, against a Node.js peer.

All behind the same nginx and on the same SQLite file, with as many processes each, in turn.
A third server, written by hand with Flask for this one purpose, shows what Flask and CPython
take by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flask_usher.production import THREADS

from ..hand_written import DESCRIPTION
from ..http_path import HERE, cookie_lines, free_port, load, prove, tell
from ..installation import Installation, install
from ..mint import bare_sign_cpu_microseconds
from ..nginx import nginx
from ..processes import server
from ..report import Measurement
from .half import BUDGET as HALF_LOAD_BUDGET

LEAST = 1.1
PROCESSES = 2
CONNECTIONS = 32
CONNECTIONS_AT_HALF_LOAD = 100
WARM_SECONDS = 2
SIGNATURES = 1500
SERVING = "flask_usher.serving:create_worker_on_one_processor"
Server = Callable[[Path, Installation], AbstractContextManager[list[str]]]


@dataclass(slots=True)
class Rounds:
    """What one server showed in all its turns."""

    tokens_per_second: list[float] = field(default_factory=list)
    p99_milliseconds: list[float] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return statistics.median(self.tokens_per_second)

    @property
    def p99(self) -> float:
        """At half load, in milliseconds."""
        return statistics.median(self.p99_milliseconds)


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give the ratios of the medians, and all of them."""
    servers: dict[str, Server] = {
        "Usher": _usher,
        "Flask by hand": _hand_written,
        "Node.js peer": _node,
    }
    seen = {name: Rounds() for name in servers}
    signatures = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        # nginx gives its own workers to another user, who must reach the socket.
        folder.chmod(0o755)
        installation = install(folder / "usher", free_port(), account_count=1)
        cookies = folder / "cookies.txt"
        cookies.write_text(cookie_lines(installation))
        for number in range(arguments.rounds):
            for name, rounds in seen.items():
                tell(f"Round {number + 1} of {arguments.rounds}: {name}")
                with ExitStack() as stack:
                    upstreams = stack.enter_context(servers[name](folder, installation))
                    stack.enter_context(nginx(folder, installation.port, *upstreams))
                    prove(installation)
                    base = installation.settings.public_url
                    _turn(base, str(cookies), arguments.turn, rounds)
                signatures.append(bare_sign_cpu_microseconds(SIGNATURES))
    node, sign = seen["Node.js peer"], statistics.median(signatures)
    # Measurements have a most; the first one has a least.
    inverse = node.speed / seen["Usher"].speed
    yield Measurement("Node.js peer ÷ Usher, tokens a second", inverse, "×", 1 / LEAST)
    for name, rounds in seen.items():
        yield Measurement(f"{name}: tokens a second", rounds.speed, "/s")
        yield Measurement(f"{name}: ÷ Node.js peer", rounds.speed / node.speed, "×")
        yield Measurement(f"{name}: p99 at half load", rounds.p99, "ms")
        ratio = rounds.p99 * 1000 / sign
        budget = HALF_LOAD_BUDGET if name == "Usher" else None
        yield Measurement(f"{name}: ÷ bare RSA sign", ratio, "×", budget)


def _turn(base: str, cookies: str, seconds: int, rounds: Rounds) -> None:
    ask = partial(load, base, cookies, processors=os.sched_getaffinity(0))
    ask(WARM_SECONDS, CONNECTIONS)
    full = ask(seconds, CONNECTIONS)
    speed = full["requests"] / full["seconds"]
    half = ask(seconds, CONNECTIONS_AT_HALF_LOAD, rate=speed / 2)
    rounds.tokens_per_second.append(speed)
    rounds.p99_milliseconds.append(half["p99_ms"])


@contextmanager
def _usher(folder: Path, installation: Installation) -> Iterator[list[str]]:
    environment = {"USHER_SETTINGS": str(installation.settings_file)}
    with _granian(folder, SERVING, environment) as upstreams:
        yield upstreams


@contextmanager
def _hand_written(folder: Path, installation: Installation) -> Iterator[list[str]]:
    environment = {
        DESCRIPTION: str(installation.peer_file),
        "PYTHONPATH": str(HERE.parent),
    }
    with _granian(folder, "benchmarks.hand_written:create_app", environment) as upstreams:
        yield upstreams


@contextmanager
def _granian(folder: Path, app: str, environment: Mapping[str, str]) -> Iterator[list[str]]:
    socket = folder / "socket"
    granian = Path(sys.executable).with_name("granian")
    command = [str(granian), "--interface=wsgi", "--factory", "--no-ws", "--log-level=error"]
    command += [f"--workers={PROCESSES}", f"--blocking-threads={THREADS}", f"--uds={socket}"]
    command += ["--uds-permissions=0o666", "--backpressure=1024", app]
    with server(command, socket, environment):
        # The socket is there before all workers are.
        time.sleep(2)
        yield [f"unix:{socket}"]


@contextmanager
def _node(folder: Path, installation: Installation) -> Iterator[list[str]]:
    description = json.loads(installation.peer_file.read_text())
    with ExitStack() as stack:
        upstreams = []
        for number in range(PROCESSES):
            port = free_port()
            file = folder / f"peer-{number}.json"
            file.write_text(json.dumps(description | {"port": port}))
            command = ["node", str(HERE / "node/server.mjs"), str(file)]
            ready = f"http://127.0.0.1:{port}/usher/health/ready"
            stack.enter_context(server(command, ready, {}))
            upstreams.append(f"127.0.0.1:{port}")
        yield upstreams
