"""The whole of `POST /usher/token`: processor time for one token, and tokens in a second.

Usher and a Node.js peer that does the same on the same database take turns under `wrk`, and
the bare RSA signature is measured in between, so that all see the same machine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flask_usher.inspection import inspect_token

from .installation import Installation, install
from .mint import bare_sign_cpu_microseconds
from .processes import cpu_seconds, largest_resident_mib, server
from .report import Measurement

HERE = Path(__file__).parent
SIGN_BUDGET = 1.5
PEER_BUDGET = 0.9
START_BUDGET_SECONDS = 1.5
MEMORY_BUDGET_MIB = 80
CONNECTIONS = 8
SIGNATURES = 1500
SERVER_CPU, LOAD_CPU = 0, (os.cpu_count() or 1) - 1


@dataclass(slots=True)
class Rounds:
    """What one server showed in all its rounds."""

    cpu_microseconds: list[float] = field(default_factory=list)
    tokens_per_second: list[float] = field(default_factory=list)
    p99_milliseconds: list[float] = field(default_factory=list)
    start_seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


def measure(account_counts: Sequence[int], rounds: int, seconds: int) -> Iterator[Measurement]:
    """Give the ratios for each number of accounts, then start-up and memory."""
    with tempfile.TemporaryDirectory() as folder:
        for count in account_counts:
            tell(f"Making an installation with {count:,} accounts")
            installation = install(Path(folder, str(count)), free_port(), count)
            usher, peer, sign = _run(installation, rounds, seconds)
            yield from _results(f"{count:,} accounts", usher, peer, sign)
            shutil.rmtree(installation.folder)
    yield Measurement(
        "start-up to ready", statistics.median(usher.start_seconds), "s", START_BUDGET_SECONDS
    )
    yield Measurement(
        "memory of a worker under load", max(usher.resident_mib), "MiB", MEMORY_BUDGET_MIB
    )


def _run(installation: Installation, rounds: int, seconds: int) -> tuple[Rounds, Rounds, float]:
    usher, peer = Rounds(), Rounds()
    signatures = []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as cookies:
        cookies.write(cookie_lines(installation))
        cookies.flush()
        for number in range(rounds):
            for name, command, seen in (
                ("Usher", usher_command(installation), usher),
                ("the Node.js peer", _peer_command(installation), peer),
            ):
                tell(f"Round {number + 1} of {rounds}: {name}")
                signatures.append(_on_server_cpu(SIGNATURES))
                _round(installation, command, cookies.name, seconds, seen)
    return usher, peer, statistics.median(signatures)


def _round(
    installation: Installation, command: list[str], cookies: str, seconds: int, seen: Rounds
) -> None:
    base = installation.settings.public_url
    environment = {"USHER_SETTINGS": str(installation.settings_file)}
    ready = f"{base}/usher/health/ready"
    with server(command, ready, environment, {SERVER_CPU}) as (pid, start_seconds):
        prove(installation)
        load(base, cookies, 1)
        before = cpu_seconds(pid)
        result = load(base, cookies, seconds)
        spent = cpu_seconds(pid) - before
        seen.resident_mib.append(largest_resident_mib(pid))
    seen.start_seconds.append(start_seconds)
    seen.cpu_microseconds.append(spent / result["requests"] * 1e6)
    seen.tokens_per_second.append(result["requests"] / result["seconds"])
    seen.p99_milliseconds.append(result["p99_ms"])


def cookie_lines(installation: Installation) -> str:
    """Return what `load.lua` reads."""
    return "".join(f"usher={it}\n" for it in installation.cookies)


def prove(installation: Installation) -> None:
    """Make sure that the server really issues tokens before it is measured."""
    base = installation.settings.public_url
    headers = {
        "Content-Type": "application/json",
        "Cookie": f"usher={installation.cookies[0]}",
        "Origin": base,
        "X-Usher-Client": "benchmark/1",
    }
    request = urllib.request.Request(f"{base}/usher/token", b"{}", headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        body = json.load(answer)
    inspection = inspect_token(
        body["token"],
        recipient_key=installation.recipient_key.private_key,
        signing_key=installation.settings.token.signing_key[0].public_key,
        issuer=installation.settings.issuer,
        now=body["expires_at"] - body["expires_in"],
    )
    if not inspection.accepted:
        raise RuntimeError(f"not a good token: {inspection.failed}")


def load(
    base: str,
    cookies: str,
    seconds: int,
    connections: int = CONNECTIONS,
    *,
    origin: str | None = None,
    rate: float | None = None,
    processors: Collection[int] = (LOAD_CPU,),
) -> dict[str, float]:
    """Let wrk ask for tokens with the cookies in a file; return what `load.lua` tells.

    Each connection asks again when it is answered, or, with `rate`, after a pause of random
    length, so that together they ask so often in a second. wrk runs on these `processors`.
    `origin` is the site's own address where `base` is another way to it.
    """
    pause = 0.0 if rate is None else connections / rate * 1000
    command = ["taskset", "-c", ",".join(map(str, processors)), "wrk", "-t1"]
    command += [f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "load.lua"), base]
    command += ["--", cookies, origin or base, f"{pause:.3f}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(printed.stdout.splitlines()[-1])
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} of {result['requests']} requests failed")
    return result


def _results(label: str, usher: Rounds, peer: Rounds, sign: float) -> Iterator[Measurement]:
    own, others = (statistics.median(it.cpu_microseconds) for it in (usher, peer))
    yield Measurement(f"{label}: CPU ÷ bare RSA sign", own / sign, "×", SIGN_BUDGET)
    yield Measurement(f"{label}: CPU ÷ Node.js peer", own / others, "×", PEER_BUDGET)
    yield Measurement(f"{label}: CPU for one token", own, "µs")
    speed = statistics.median(usher.tokens_per_second)
    yield Measurement(f"{label}: tokens on one processor", speed, "/s")
    yield Measurement(
        f"{label}: p99 of the answer", statistics.median(usher.p99_milliseconds), "ms"
    )


def usher_command(installation: Installation, threads: int = 1) -> list[str]:
    """Return the command that serves an installation with one worker."""
    granian = str(Path(sys.executable).with_name("granian"))
    options = "--interface wsgi --workers 1 --no-ws --log-level error"
    where = f"--host 127.0.0.1 --port {installation.port} --blocking-threads {threads}"
    return [granian, *options.split(), *where.split(), "--factory", "flask_usher:create_app"]


def _peer_command(installation: Installation) -> list[str]:
    return ["node", str(HERE / "node/server.mjs"), str(installation.peer_file)]


def _on_server_cpu(samples: int) -> float:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CPU})
    try:
        return bare_sign_cpu_microseconds(samples)
    finally:
        os.sched_setaffinity(0, allowed)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def tell(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"{text} …", file=sys.stderr, flush=True)
