"""nginx in front of a server, for as long as a block lasts."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

START_SECONDS = 10
TRIES = 6
# What matters here of `deploy/nginx`; without TLS, whose work is the same for every server.
CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream usher {{
{tries}
        keepalive 4;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://usher;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_next_upstream error timeout non_idempotent;
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, port: int, *upstreams: str) -> Iterator[None]:
    """Run nginx on a port of this machine, in front of what `server` of nginx takes."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if program is None:
        raise RuntimeError("nginx is missing (Debian package nginx-light)")
    configuration = folder / "nginx.conf"
    tries = "\n".join(f"        server {it} max_fails=0;" for it in upstreams * TRIES)
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, tries=tries))
    # On the command line too, since the file is only read after the log was opened.
    command = [program, "-e", str(folder / "error.log"), "-c", str(configuration)]
    process = subprocess.Popen(command)
    try:
        _wait(port)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            HTTPConnection("127.0.0.1", port, timeout=1).connect()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
