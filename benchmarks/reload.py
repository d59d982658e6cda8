"""Which server loses no request while it is reloaded, and what a token costs with it?

Each candidate serves the same installation with two workers behind nginx, while tokens are
asked for at a steady rate: in peace, which gives the processor time, then under reloads. They
take turns, and the least and the most of all rounds are shown beside the median: what lies
within that range is the machine's doing.

    pip install gunicorn && python -m benchmarks.reload --help
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from .http_path import free_port, tell
from .installation import Installation, install
from .nginx import nginx
from .processes import cpu_seconds

WORKERS, THREADS, SENDERS = 2, 16, 10
READY_SECONDS = 60
SETTLE_SECONDS = 3
CANDIDATES = {
    "granian, TCP": "granian --host 127.0.0.1 --port {port}",
    "granian, Unix socket": "granian --uds {socket} --uds-permissions 0o666",
    "gunicorn, TCP": "gunicorn --bind 127.0.0.1:{port}",
    "gunicorn, Unix socket": "gunicorn --bind unix:{socket} --umask 0",
}
OPTIONS = {
    "granian": f"--interface wsgi --factory --no-ws --log-level error --workers {WORKERS} "
    f"--blocking-threads {THREADS} --respawn-interval 2 --workers-kill-timeout 30 "
    "flask_usher:create_app",
    "gunicorn": f"--worker-class gthread --log-level error --workers {WORKERS} "
    f"--threads {THREADS} --no-control-socket --graceful-timeout 30 "
    "--keep-alive 75 flask_usher:create_app()",
}


@dataclass(slots=True)
class Result:
    """What one server showed in all its rounds."""

    answers: Counter[str] = field(default_factory=Counter)
    cpu_microseconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> dict[str, int]:
        """How many requests got what else than a token."""
        return {what: count for what, count in self.answers.items() if what != "200"}


def main() -> None:
    """Measure each candidate and print a Markdown table."""
    arguments = _arguments()
    chosen = [name for name in CANDIDATES if arguments.only in name]
    results = {name: Result() for name in chosen}
    for number in range(arguments.rounds):
        for name in chosen:
            tell(f"Round {number + 1} of {arguments.rounds}: {name}")
            _measure(name, results[name], arguments)
    print("| server | requests | reloads | failed | CPU for one token | least to most |")
    print("|---|---|---|---|---|---|")
    for name, result in results.items():
        cpu = result.cpu_microseconds
        print(
            f"| {name} | {result.answers.total()} | {arguments.reloads * arguments.rounds} "
            f"| {result.failed or 0} | {statistics.median(cpu):.0f} µs "
            f"| {min(cpu):.0f} to {max(cpu):.0f} µs |"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns for each server")
    parser.add_argument("--rate", type=int, default=100, help="requests in a second")
    parser.add_argument("--reloads", type=int, default=2, help="how many in each round")
    parser.add_argument("--between", type=float, default=8, help="seconds for each reload")
    parser.add_argument("--calm", type=float, default=8, help="seconds without any reload")
    parser.add_argument("--only", default="", help="part of a candidate's name")
    return parser.parse_args()


def _measure(name: str, result: Result, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder, front, port = Path(text), free_port(), free_port()
        # nginx gives its own workers to another user, who must reach the socket.
        folder.chmod(0o755)
        installation = install(folder / "usher", front, account_count=1)
        socket = folder / "socket"
        words = CANDIDATES[name].format(port=port, socket=socket).split()
        words[0] = str(Path(sys.executable).with_name(words[0]))
        words += OPTIONS[Path(words[0]).name].split()
        upstream = f"unix:{socket}" if "unix" in name.lower() else f"127.0.0.1:{port}"
        with nginx(folder, front, upstream), _served(words, installation) as server:
            with _asking(installation, arguments.rate) as calm:
                before = cpu_seconds(server.pid)
                time.sleep(arguments.calm)
                spent = cpu_seconds(server.pid) - before
            with _asking(installation, arguments.rate) as reloaded:
                for _ in range(arguments.reloads):
                    server.send_signal(signal.SIGHUP)
                    time.sleep(arguments.between)
                time.sleep(SETTLE_SECONDS)
    result.answers.update(calm + reloaded)
    result.cpu_microseconds.append(spent / calm["200"] * 1e6)


@contextmanager
def _served(
    command: list[str], installation: Installation
) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"USHER_SETTINGS": str(installation.settings_file)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while _ask(HTTPConnection("127.0.0.1", installation.port), installation) != "200":
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.2)
        time.sleep(SETTLE_SECONDS)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _asking(installation: Installation, rate: int) -> Iterator[Counter[str]]:
    """Ask for tokens at a steady rate until the block ends; count what came of it."""
    answers: Counter[str] = Counter()
    lock, ended = threading.Lock(), threading.Event()

    def send() -> None:
        connection = HTTPConnection("127.0.0.1", installation.port, timeout=30)
        due = time.monotonic()
        while not ended.is_set():
            answer = _ask(connection, installation)
            with lock:
                answers[answer] += 1
            due += SENDERS / rate
            ended.wait(max(0, due - time.monotonic()))

    senders = [threading.Thread(target=send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
        time.sleep(1 / rate)
    try:
        yield answers
    finally:
        ended.set()
        for sender in senders:
            sender.join()


def _ask(connection: HTTPConnection, installation: Installation) -> str:
    headers = {
        "Content-Type": "application/json",
        "Cookie": f"usher={installation.cookies[0]}",
        "Origin": installation.settings.public_url,
        "X-Usher-Client": "benchmark/1",
    }
    try:
        connection.request("POST", "/usher/token", b"{}", headers)
        answer = connection.getresponse()
        body = json.loads(answer.read() or b"{}") if answer.status == 200 else answer.read()
    except (OSError, HTTPException) as error:
        connection.close()
        return type(error).__name__
    return str(answer.status) if answer.status != 200 or "token" in body else "no token"


if __name__ == "__main__":
    main()
