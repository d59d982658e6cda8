"""A whole site as `deploy/` describes it: nginx with TLS, and `usher serve` behind it."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts import nginx_program
from support.certificates import certificate
from support.nginx_files import HOST, NginxFiles
from support.pages import block
from support.server import free_port
from support.service import Service

START_SECONDS = 60
TIMEOUT_SECONDS = 30
STATUS = re.compile(rb"\AHTTP/1\.[01] (\d{3}) ")
FORWARDED_HTTPS = b"X-Forwarded-Proto: https"
SHORT = "2s"
"""What becomes of nginx's patience of ten seconds, which a test would have to wait out."""


@dataclass(frozen=True)
class Site:
    """Where its parts are; `folder` has a short name, for the socket's sake."""

    service: Service
    cookie: str
    folder: Path
    certificate: Path
    port: int
    plain_port: int

    @property
    def socket(self) -> Path:
        """Where the service listens."""
        return self.folder / "socket"

    def request(
        self,
        path: bytes = b"/usher/token",
        *more: bytes,
        method: bytes = b"POST",
        version: bytes = b"HTTP/1.1",
        host: bytes | None = b"",
        body: bytes = b"{}",
        length: bytes | None = b"",
        cookie: str | None = None,
        close: bool = True,
    ) -> bytes:
        """Return the bytes of a request for a token, with these differences.

        A `length` of `None` sends no Content-Length; an empty one sends the right one. An empty
        `host` is that of the service.
        """
        own = self.service.state.settings.public_host.encode()
        lines = [
            method + b" " + path + b" " + version,
            *([] if host is None else [b"Host: " + (host or own)]),
            f"Cookie: {self.service.cookie_name}={cookie or self.cookie}".encode(),
            b"X-Usher-Client: raw/1",
            b"Content-Type: application/json",
            *([] if length is None else [b"Content-Length: " + (length or b"%d" % len(body))]),
            *([b"Connection: close"] if close else []),
            *more,
        ]
        return b"\r\n".join([*lines, b"", body])

    def connect(
        self, *, tls: bool = True, name: str = HOST, address: str = "127.0.0.1"
    ) -> socket.socket:
        """Open a connection to nginx, by default with TLS."""
        port = self.port if tls else self.plain_port
        connection = socket.create_connection((address, port), TIMEOUT_SECONDS)
        return self.secured(connection, name) if tls else connection

    def secured(self, connection: socket.socket, name: str = HOST) -> socket.socket:
        """Begin TLS on a connection, for HTTP/1.1."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.set_alpn_protocols(["http/1.1"])
        try:
            return context.wrap_socket(connection, server_hostname=name)
        except OSError:
            connection.close()
            raise

    def send(self, request: bytes, *, tls: bool = True) -> bytes:
        """Send bytes to nginx and return all that comes back until it closes."""
        with self.connect(tls=tls) as connection:
            connection.sendall(request)
            return everything(connection)

    def status(self, request: bytes, *, tls: bool = True) -> int:
        """Send bytes to nginx and return the status of the answer."""
        return status(self.send(request, tls=tls))

    def ask_service(self, path: bytes = b"/usher/token", **changes: Any) -> bytes:
        """Send a request past nginx, as nginx would, and return the answer."""
        with self.connect_to_service() as connection:
            connection.sendall(self.request(path, FORWARDED_HTTPS, **changes))
            return everything(connection)

    def connect_to_service(self) -> socket.socket:
        """Open a connection past nginx, as nginx itself does."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(str(self.socket))
        return connection

    @contextmanager
    def asked(self, senders: int, per_second: int) -> Iterator[list[int]]:
        """Ask for tokens at a steady rate for the block; give the list of the statuses."""
        statuses: list[int] = []
        ended = threading.Event()

        def ask() -> None:
            due = time.monotonic()
            while not ended.is_set():
                statuses.append(self.status(self.request()))
                due += senders / per_second
                ended.wait(max(0.0, due - time.monotonic()))

        threads = [threading.Thread(target=ask) for _ in range(senders)]
        for thread in threads:
            thread.start()
        try:
            yield statuses
        finally:
            ended.set()
            for thread in threads:
                thread.join()


@dataclass(frozen=True)
class Serving:
    """A running `usher serve`."""

    process: subprocess.Popen[bytes]
    log: Path

    def workers(self) -> list[int]:
        """Return the ids of the worker processes that have started."""
        found = set()
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            # A thread may have ended meanwhile.
            with suppress(FileNotFoundError):
                found |= {int(it) for it in (task / "children").read_text().split()}
        return sorted(it for it in found if _serves(it))

    def reload(self) -> None:
        """Have it read settings and code anew, and wait until new workers do all the work."""
        before = set(self.workers())
        self.process.send_signal(signal.SIGHUP)
        wait(lambda: len(self.workers()) == len(before) and not before & set(self.workers()))

    def stop(self) -> int:
        """Let it end its requests; return its exit code."""
        self.process.terminate()
        return self.process.wait(60)


@contextmanager
def serving(
    site: Site, workers: int = 2, *options: str, threads: int = 8, **environment: str
) -> Iterator[Serving]:
    """Run `usher serve` on the site's socket, with further options and variables."""
    log = site.folder / "serve.log"
    command = [sys.executable, "-c", "from flask_usher.cli import main; main()", "serve"]
    command += [f"--workers={workers}", f"--threads={threads}", *options]
    command += [f"--bind=unix:{site.socket}"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | site.service.environment | environment,
            stdout=output,
            stderr=output,
        )
    server = Serving(process, log)
    try:
        wait(
            lambda: (
                process.poll() is not None
                or (_listens_at(site.socket) and len(server.workers()) == workers)
            )
        )
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def nginx(site: Site, **changes: str) -> Iterator[None]:
    """Run nginx with the files of `deploy/nginx`, on ports of this machine.

    `changes` are further texts to replace in `usher.conf`.
    """
    program = nginx_program()
    assert program is not None
    arguments = nginx_arguments(site, **changes)
    process = subprocess.Popen([program, *arguments, "-g", "daemon off;"])
    try:
        wait(lambda: _listens(site.port))
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def nginx_behind_balancer(site: Site) -> Iterator[None]:
    """Run nginx as the page has it behind a balancer with the PROXY protocol, at 127.0.0.1."""
    told = block("deployment.md", "set_real_ip_from ", {"10.0.0.4": "127.0.0.1"})
    (site.folder / "conf.d").mkdir(exist_ok=True)
    (site.folder / "conf.d/balancer.conf").write_text(told)
    with nginx(site, **{" ssl http2": " ssl http2 proxy_protocol"}):
        yield


def nginx_arguments(site: Site, **changes: str) -> list[str]:
    """Write the files of `deploy/nginx` for this machine; return what makes nginx read them."""
    files = NginxFiles(
        site.folder,
        site.port,
        site.plain_port,
        site.certificate,
        [site.socket],
        changes={
            "timeout 10s": f"timeout {SHORT}",
            "usher-error.log crit": "usher-error.log error",
            **changes,
        },
    )
    return files.write()


def make_site(service: Service, cookie: str, folder: Path) -> Site:
    """Return a site that is not running yet."""
    pem = certificate(folder, HOST)
    return Site(service, cookie, folder, pem, free_port(), free_port())


def everything(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes, however it does."""
    answer = b""
    try:
        while received := connection.recv(65536):
            answer += received
    except (ConnectionResetError, ssl.SSLEOFError):
        pass
    return answer


def status(answer: bytes) -> int:
    """Return the status of an answer, 0 when there is none."""
    found = STATUS.match(answer)
    return int(found[1]) if found else 0


def wait(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _serves(process: int) -> bool:
    """Tell whether a process is a worker that has started, which is when it has threads."""
    try:
        return len(list(Path(f"/proc/{process}/task").iterdir())) > 1
    except FileNotFoundError:
        return False


def _listens_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
