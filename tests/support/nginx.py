"""Debian's nginx on the loopback network, with a configuration of the test's own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import parts

READY_WITHIN_SECONDS = 20
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    default_type text/html;
    {temporary}
{servers}
}}
"""


def server(port: int, directives: str, certificate: Path | None = None) -> str:
    """Return the server block for a port of 127.0.0.1, with TLS if there is a certificate."""
    tls = f"ssl_certificate {certificate};\nssl_certificate_key {certificate};\n"
    listen = f"listen 127.0.0.1:{port}{' ssl' if certificate else ''};\n"
    return f"server {{\n{listen}{tls if certificate else ''}{directives}\n}}\n"


def configuration(folder: Path, *servers: str) -> Path:
    """Write the configuration with these server blocks and return its file."""
    temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in PATHS)
    file = folder / "nginx.conf"
    file.write_text(
        CONFIGURATION.format(folder=folder, temporary=temporary, servers="\n".join(servers))
    )
    return file


def verdict(folder: Path, *servers: str) -> str:
    """Return what `nginx -t` says of these server blocks; empty when all is well."""
    command = _command(folder, configuration(folder, *servers))
    result = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, timeout=30)
    return "" if result.returncode == 0 else result.stderr or "refused"


@contextmanager
def running(folder: Path, port: int, *servers: str) -> Iterator[None]:
    """Run nginx with these server blocks, of which one listens on `port`."""
    command = _command(folder, configuration(folder, *servers))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, port)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=15)


def _command(folder: Path, file: Path) -> list[str]:
    program = parts.nginx_program()
    assert program is not None
    return [str(program), "-p", str(folder), "-c", str(file), "-e", str(folder / "start.log")]


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
