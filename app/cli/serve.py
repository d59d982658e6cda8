"""`usher serve`: the service in production."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from .. import configuration, server
from ..errors import Fault, SettingsError
from ..extension import STDERR, build
from ..production import (
    THREADS,
    audit_faults,
    environment_faults,
    outage,
    settings_faults,
    store_faults,
)
from .context import settings_failure

MEMORY_MIB = 512
# Hashing passwords takes much for a moment: only who keeps it for so many looks has a leak.
MEMORY_LOOKS = 2
MEMORY_LOOK_SECONDS = 5
BACKLOG = 2048
CONNECTIONS_OF_A_WORKER = 1024
STOP_SECONDS = 30
HEADER_MILLISECONDS = 10_000
# Larger pieces go back to the system at once. Else each thread keeps the memory of the largest
# password that it has ever hashed.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1024 * 1024)}
# On a reload, how long old and new workers overlap: a worker needs about one to start.
OVERLAP_SECONDS = 2
SOCKET = re.compile(r"unix:(/[!-~]{1,100})")
ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):([1-9][0-9]{0,4})")


class Bind(click.ParamType[str]):
    """Where the server listens: a Unix socket, or a port that only this machine reaches."""

    name = "address"

    def convert(
        self, value: str, param: click.Parameter | None, context: click.Context | None
    ) -> str:
        """Return the value as it is if nobody from outside can reach what it names."""
        if not SOCKET.fullmatch(value) and not _is_loopback_port(value):
            self.fail(
                "the proxy alone may reach the service: unix:/run/usher/usher.sock, or a "
                "loopback address and port such as 127.0.0.1:8000",
                param,
                context,
            )
        return value


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=len(os.sched_getaffinity(0)),
    show_default="one for each processor",
    help="How many processes serve.",
)
@click.option(
    "--threads",
    type=click.IntRange(2, 256),
    default=THREADS,
    show_default=True,
    help="How many requests each of them answers at once.",
)
@click.option(
    "--memory",
    type=click.IntRange(128, 65536),
    default=MEMORY_MIB,
    show_default=True,
    help="How many MiB a worker may take before another takes its place.",
)
@click.option(
    "--bind",
    type=Bind(),
    default="127.0.0.1:8000",
    show_default=True,
    help="unix:/PATH, or a loopback address and port.",
)
@click.option("--check", is_flag=True, help="Only tell whether it would start.")
@click.pass_context
def serve(
    context: click.Context, workers: int, threads: int, memory: int, bind: str, check: bool
) -> None:
    """Run the service in production, behind a reverse proxy.

    Starts granian in the place of this process, but only when everything is as it must be in
    production. Else it lists every fault, each with what was found and what is expected, and
    exits with 1 before it listens anywhere: with 78 when the PIN of a security module is
    refused, as the same start again would lock the token.

    SIGHUP reads settings and code anew and loses no request: first run the same command with
    --check, since workers that can't start end the service. SIGTERM lets requests end, for 30
    seconds at most. A worker in which a request hangs for 20 seconds, or that takes too much
    memory, is replaced. Without `audit.file` the audit log goes to the standard output.

    With one worker for each processor, or the same number on each, every worker keeps to one.

    A PostgreSQL that does not answer is no fault: the service starts, and waits for it.

    \b
    Examples:
      usher serve
      usher --settings /etc/usher/usher.toml serve --workers 4 --bind unix:/run/usher/usher.sock
    """
    path: Path | None = context.find_root().params.get("settings")
    faults = tuple(_faults(path, workers, threads))
    if faults:
        raise settings_failure(SettingsError(faults))
    if check:
        click.echo("Usher would start.")
        return
    if path is not None:
        os.environ[configuration.FILE_VARIABLE] = str(path.absolute())
    environment = MALLOC | os.environ
    command = _command(workers, threads, memory, bind)
    _remove_dead_socket(bind)
    os.execve(sys.executable, command, environment)  # noqa: S606


def _faults(path: Path | None, workers: int, threads: int) -> Iterator[Fault]:
    if importlib.util.find_spec("granian") is None:
        expected = "the server: pip install 'flask-usher[serve]'"
        yield Fault("granian", "no such package", expected)
    yield from environment_faults(os.environ)
    try:
        state = build(configuration.load(path), console=STDERR)
    except SettingsError as error:
        yield from error.faults
        return
    try:
        yield from settings_faults(state.settings, workers, threads)
        # A host that boots while the database server is away must come up by itself.
        away = outage(state.database)
        if away is None:
            yield from store_faults(state)
        else:
            click.echo(f"The database does not answer, so no token yet: {away}", err=True)
            yield from audit_faults(state)
    finally:
        state.database.close()


def _remove_dead_socket(bind: str) -> None:
    # What a server that was killed has left keeps the next one from listening.
    path = Path(bind.removeprefix("unix:"))
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _command(workers: int, threads: int, memory: int, bind: str) -> list[str]:
    if bind.startswith("unix:"):
        place = [f"--uds={bind.removeprefix('unix:')}", "--uds-permissions=0o660"]
    else:
        host, _, port = bind.rpartition(":")
        place = [f"--host={host.strip('[]')}", f"--port={port}"]
    return [
        *server.command(),
        "--interface=wsgi",
        "--factory",
        *place,
        f"--workers={workers}",
        f"--blocking-threads={threads}",
        f"--backlog={BACKLOG}",
        f"--backpressure={CONNECTIONS_OF_A_WORKER}",
        "--http=1",
        "--no-ws",
        f"--http1-header-read-timeout={HEADER_MILLISECONDS}",
        "--respawn-failed-workers",
        f"--respawn-interval={OVERLAP_SECONDS}",
        f"--workers-kill-timeout={STOP_SECONDS}",
        f"--workers-max-rss={memory}",
        f"--rss-sample-interval={MEMORY_LOOK_SECONDS}",
        f"--rss-samples={MEMORY_LOOKS}",
        "--log-level=warning",
        f"flask_usher.serving:{_factory(workers)}",
    ]


def _factory(workers: int) -> str:
    # With fewer workers than processors, or with more on some of them than on others, the
    # kernel spreads them better.
    if workers % len(os.sched_getaffinity(0)):
        return "create_worker"
    return "create_worker_on_one_processor"


def _is_loopback_port(value: str) -> bool:
    found = ADDRESS.fullmatch(value)
    if found is None or int(found[3]) > 65535:
        return False
    try:
        return ipaddress.ip_address(found[1] or found[2]).is_loopback
    except ValueError:
        return False
