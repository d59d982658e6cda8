"""A small HTTP server on the loopback interface, for the fakes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .http_exchange import Answer, Drip, HangUp, Reply, Request

Handle = Callable[[Request], Answer]


class LoopbackServer:
    """Listens on a free port of 127.0.0.1; answers once `serve` has been called.

    `close` ends the answers that are going on, however slow they are.
    """

    def __init__(self) -> None:
        self._server = _Server()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self.origin = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, handle: Handle) -> None:
        """Answer requests with what `handle` returns. Call this once."""
        self._server.handle_exchange = handle
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Raises what went wrong in the fake itself."""
        self._server.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        if self._server.failures:
            raise self._server.failures[0]

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.closing = threading.Event()
        self.failures: list[BaseException] = []
        self.handle_exchange: Handle = lambda request: HangUp()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Remember what went wrong, unless it is that the client hung up."""
        error = sys.exception()
        if error is not None and not isinstance(error, OSError):
            self.failures.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        # Otherwise a client that keeps a silent connection would hold up `close`.
        self.connection.settimeout(5)

    def do_GET(self) -> None:
        self.close_connection = True
        answer = self.server.handle_exchange(self._request())
        if isinstance(answer, Reply):
            self._reply(answer)
        elif isinstance(answer, Drip):
            self._drip(answer)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the output of the tests clean."""

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        return Request(
            self.command,
            parts.path,
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )

    def _reply(self, reply: Reply) -> None:
        if self.server.closing.wait(reply.delay_seconds):
            return
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in (*reply.headers, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def _drip(self, drip: Drip) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        while not self.server.closing.wait(drip.pause_seconds):
            self.wfile.write(drip.chunk)
