"""Tokens a second through nginx against those of a Node.js peer behind the same nginx.

All on the same SQLite file, with as many processes each, in turn. A third server, written by
hand with Flask for this one purpose, shows what Flask and CPython take by themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..hand_written import DESCRIPTION
from ..http_path import HERE, free_port, load, prove, tell
from ..installation import Installation, install
from ..nginx import nginx
from ..processes import server
from ..report import Measurement

LEAST = 1.1
PROCESSES = 2
CONNECTIONS = 32
WARM_SECONDS = 2


def measure(arguments: argparse.Namespace) -> Iterator[Measurement]:
    """Give the ratios of the medians, and all of them."""
    servers = {"Usher": _usher, "Node.js": _node, "Flask by hand": _hand_written}
    speeds: dict[str, list[float]] = {name: [] for name in servers}
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        # nginx gives its own workers to another user, who must reach the socket.
        folder.chmod(0o755)
        installation = install(folder / "usher", free_port(), account_count=1)
        cookies = folder / "cookies.txt"
        cookies.write_text("\n".join(installation.cookies))
        for number in range(arguments.rounds):
            for name, seen in speeds.items():
                tell(f"Round {number + 1} of {arguments.rounds}: {name}")
                with ExitStack() as stack:
                    upstreams = stack.enter_context(servers[name](folder, installation))
                    stack.enter_context(nginx(folder, installation.port, *upstreams))
                    prove(installation)
                    base = installation.settings.public_url
                    load(base, str(cookies), WARM_SECONDS, CONNECTIONS)
                    result = load(base, str(cookies), arguments.turn, CONNECTIONS)
                seen.append(result["requests"] / result["seconds"])
    own, node, by_hand = (statistics.median(it) for it in speeds.values())
    # Measurements have a most; this one has a least.
    yield Measurement("Node.js peer ÷ Usher, tokens a second", node / own, "×", 1 / LEAST)
    yield Measurement("Usher ÷ Node.js peer, tokens a second", own / node, "×")
    yield Measurement("Flask by hand ÷ Node.js peer, tokens a second", by_hand / node, "×")
    yield Measurement("Usher through nginx", own, "/s")
    yield Measurement("the Node.js peer through nginx", node, "/s")
    yield Measurement("Flask by hand through nginx", by_hand, "/s")


@contextmanager
def _usher(folder: Path, installation: Installation) -> Iterator[list[str]]:
    environment = {"USHER_SETTINGS": str(installation.settings_file)}
    with _granian(folder, "flask_usher:create_app", environment) as upstreams:
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
    command += [f"--workers={PROCESSES}", "--blocking-threads=16", "--backpressure=1024"]
    command += [f"--uds={socket}", "--uds-permissions=0o666", app]
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
