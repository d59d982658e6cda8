"""HAProxy with a backend of a page's, and what it says of the servers in it."""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from parts import haproxy_program
from support.server import free_port
from support.site import everything, wait

# What the page leaves to the operator, with checks ten times as often.
CONFIGURATION = """
global
    stats socket {folder}/stats mode 600 level admin
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 10s
    default-server inter 200ms
frontend visitors
    bind 127.0.0.1:{port}
    default_backend usher
{backend}
"""


@dataclass(frozen=True)
class Haproxy:
    """A running HAProxy; `folder` has a short name, for the socket's sake."""

    folder: Path
    port: int

    def servers(self) -> dict[str, dict[str, str]]:
        """Return the row of the statistics for each server of the backend, by its name."""
        rows = csv.DictReader(self._told("show stat").removeprefix("# ").splitlines())
        return {it["svname"]: it for it in rows if it["type"] == "2"}

    def states(self) -> dict[str, tuple[str, str]]:
        """Return whether each server is up, and what came of its last check.

        Before the first one, all of them are said to be up.
        """
        # An asterisk says that another check is under way.
        return {
            name: (row["status"], row["check_status"].removeprefix("* "))
            for name, row in self.servers().items()
        }

    def connections(self) -> dict[str, int]:
        """Return how many visitors each server was given."""
        return {name: int(row["stot"]) for name, row in self.servers().items()}

    def check_no_more(self) -> None:
        """Let no check say any more that a server is down."""
        for name in self.servers():
            assert self._told(f"disable health usher/{name}").strip() == ""

    def _told(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.folder / "stats"))
            connection.sendall(f"{command}\n".encode())
            return everything(connection).decode()


@contextmanager
def haproxy(folder: Path, backend: str) -> Iterator[Haproxy]:
    """Run HAProxy with this backend, which is called `usher`."""
    program = haproxy_program()
    assert program is not None
    running = Haproxy(folder, free_port())
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(folder=folder, port=running.port, backend=backend))
    with (folder / "haproxy.log").open("ab") as log:
        process = subprocess.Popen([program, "-db", "-f", file], stdout=log, stderr=log)
    try:
        wait(lambda: process.poll() is not None or _answers(running))
        assert process.poll() is None, (folder / "haproxy.log").read_text()
        yield running
    finally:
        process.terminate()
        process.wait()


def _answers(running: Haproxy) -> bool:
    try:
        return bool(running.servers())
    except OSError:
        return False
