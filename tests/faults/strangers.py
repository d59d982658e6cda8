"""Scenarios in which strangers knock, and the visitors must not notice."""

from __future__ import annotations

import random
import socket
import ssl
import time
from contextlib import suppress

from faults.sockets import idle_connections, slow_requests
from faults.trial import Trial, tell
from support.nginx_files import HOST

P99_LIMIT = 2.0
GARBAGE_A_SECOND = 50
GARBAGE = (
    b"GET /usher/token\r\n\r\n",
    b"POST /usher/token HTTP/1.0\r\n\r\n",
    b"CONNECT www.shop.example:443 HTTP/1.1\r\nHost: www.shop.example\r\n\r\n",
    b"POST /usher/token HTTP/1.1\r\nHost: www.shop.example\r\nContent-Length: -1\r\n\r\n",
    b"POST /usher/token HTTP/1.1\r\nHost: www.shop.example\r\nContent-Length: 9\r\n\r\n{",
    b"POST /usher/token HTTP/1.1\r\nHost: www.shop.example\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 2\r\n\r\nffffffffffffffff\r\n",
    b"POST /usher/token HTTP/9.9\r\nHost: www.shop.example\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(200),
    b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(300),
)


def slowloris(trial: Trial) -> None:
    """Hold connections with requests that never end."""
    trial.p99_limit = P99_LIMIT
    deployment, count = trial.deployment, trial.size.slow_sockets
    with trial.fault(), slow_requests(deployment.port, deployment.certificate, count):
        tell(f"  {count:,} slow connections are open")
        _restart_of_the_fault(trial)
        trial.last()


def idle(trial: Trial) -> None:
    """Hold connections that have had an answer, and ask nothing more."""
    trial.p99_limit = P99_LIMIT
    deployment, wanted = trial.deployment, trial.size.idle_sockets
    with (
        trial.fault(),
        idle_connections(deployment.port, deployment.certificate, wanted) as count,
    ):
        tell(f"  {count:,} idle connections are open")
        _restart_of_the_fault(trial)
        trial.last()


def garbage(trial: Trial) -> None:
    """Send what is no request, with TLS and without."""
    deployment = trial.deployment
    tls = ssl.create_default_context(cafile=str(deployment.certificate))
    ended = time.monotonic() + trial.size.seconds
    while time.monotonic() < ended:
        text = random.choice((*GARBAGE, random.randbytes(500)))
        with suppress(OSError), socket.create_connection(("127.0.0.1", deployment.port)) as it:
            if random.random() < 0.5:
                with tls.wrap_socket(it, server_hostname=HOST) as connection:
                    connection.sendall(text)
            else:
                it.sendall(text)
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", deployment.plain_port)) as it,
        ):
            it.sendall(text)
        time.sleep(1 / GARBAGE_A_SECOND)


def _restart_of_the_fault(trial: Trial) -> None:
    # Opening the connections costs this machine more than it costs nginx.
    trial.faults[-1].began = time.monotonic()
