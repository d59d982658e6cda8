"""A network between the service and a server, that can be slow, silent or cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK_BYTES = 65536


class TcpProxy:
    """Passes on what comes to a port of 127.0.0.1 to a Unix socket, and back.

    `delay` holds up each piece by so many seconds. `accepted` counts connections.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay = 0.0
        self.accepted = 0
        self._swallows = False
        self._open: list[socket.socket] = []
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Swallow everything from now on, as if the other side had vanished."""
        self._swallows = True

    def speak(self) -> None:
        """Pass on what comes on new connections; those from before have lost their peer."""
        self._swallows = False

    def close(self) -> None:
        """End all connections."""
        self._closed.set()
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(client)
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        self._open.append(server)
        try:
            server.connect(str(self._target))
        except OSError:
            client.close()
            return
        back = threading.Thread(target=self._pump, args=[server, client], daemon=True)
        back.start()
        self._pump(client, server)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        lost = False
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._closed.wait(self.delay)
                lost = lost or self._swallows
                if not lost:
                    target.sendall(data)
        if not (lost or self._swallows):
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_proxy(target: Path) -> Iterator[TcpProxy]:
    """Give a proxy to a Unix socket."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
