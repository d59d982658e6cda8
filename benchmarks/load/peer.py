"""Tokens a second through nginx against those of the Node.js peer behind the same nginx.

Both on the same SQLite file, with as many processes each, in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

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
    """Give the ratio of the medians, and both."""
    speeds: dict[str, list[float]] = {"Usher": [], "the Node.js peer": []}
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
                serve = _usher if name == "Usher" else _peers
                with ExitStack() as stack:
                    upstreams = stack.enter_context(serve(folder, installation))
                    stack.enter_context(nginx(folder, installation.port, *upstreams))
                    prove(installation)
                    base = installation.settings.public_url
                    load(base, str(cookies), WARM_SECONDS, CONNECTIONS)
                    result = load(base, str(cookies), arguments.turn, CONNECTIONS)
                seen.append(result["requests"] / result["seconds"])
    own, others = (statistics.median(it) for it in speeds.values())
    # Measurements have a most; this one has a least.
    yield Measurement("Node.js peer ÷ Usher, tokens a second", others / own, "×", 1 / LEAST)
    yield Measurement("Usher ÷ Node.js peer, tokens a second", own / others, "×")
    yield Measurement("Usher through nginx", own, "/s")
    yield Measurement("the Node.js peer through nginx", others, "/s")


@contextmanager
def _usher(folder: Path, installation: Installation) -> Iterator[list[str]]:
    socket = folder / "socket"
    granian = Path(sys.executable).with_name("granian")
    command = [str(granian), "--interface=wsgi", "--factory", "--no-ws", "--log-level=error"]
    command += [f"--workers={PROCESSES}", "--blocking-threads=16", "--backpressure=1024"]
    command += [f"--uds={socket}", "--uds-permissions=0o666", "flask_usher:create_app"]
    environment = {"USHER_SETTINGS": str(installation.settings_file)}
    with server(command, socket, environment):
        # The socket is there before all workers are.
        time.sleep(2)
        yield [f"unix:{socket}"]


@contextmanager
def _peers(folder: Path, installation: Installation) -> Iterator[list[str]]:
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
