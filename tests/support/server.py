"""The service in a process of its own, behind a real server, and raw bytes sent to it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.service import Service

READY_WITHIN_SECONDS = 60
TIMEOUT_SECONDS = 30
STOP_SECONDS = 10
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@dataclass(frozen=True)
class Server:
    """A server that answers on the loopback network."""

    port: int
    process: subprocess.Popen[bytes]

    def send(self, *parts: bytes, finish: bool = False) -> bytes:
        """Send bytes on a new connection and return all that comes back until it is closed.

        With `finish`, no more will be sent: the server is told so.
        """
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS) as connection:
            try:
                for part in parts:
                    connection.sendall(part)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
                while received := connection.recv(65536):
                    answer += received
            except (ConnectionResetError, BrokenPipeError):
                pass
        return answer

    def statuses(self, *parts: bytes, finish: bool = False) -> list[int]:
        """Send bytes and return the status of each answer."""
        return [int(status) for status in STATUS.findall(self.send(*parts, finish=finish))]

    def is_alive(self) -> bool:
        """Tell whether it still answers."""
        request = b"GET /usher/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        return self.statuses(request) == [200]

    def resident_mib(self) -> float:
        """Return the memory of the largest of its processes."""
        pages = max(int(_proc(pid, "statm").split()[1]) for pid in self._processes())
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def _processes(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, _proc(pid, f"task/{task.name}/children").split())
        return found


@contextmanager
def serving(service: Service, port: int, log: Path, workers: int = 1) -> Iterator[Server]:
    """Serve what a service's settings say, in another process."""
    command = [
        *(sys.executable, "-m", "granian", "--interface=wsgi", "--factory"),
        *(f"--port={port}", "--host=127.0.0.1", f"--workers={workers}"),
        *("--blocking-threads=4", f"--workers-kill-timeout={STOP_SECONDS}"),
        *("--no-ws", "--log-level=warning", "flask_usher:create_app"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | service.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(port, process)
    try:
        _wait(server, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            # Its workers with it, or they would be left.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(server: Server, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        assert server.process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if server.is_alive():
                return
        except ConnectionRefusedError:
            time.sleep(0.05)


def _proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()
