"""How often nginx asks the service, when the service closes each connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.site import Site

pytestmark = [pytest.mark.nginx, pytest.mark.slow]


@contextmanager
def hanging_up(site: Site) -> Iterator[list[bytes]]:
    """Listen in the place of the service, and close without an answer; give what was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                begun = connection.recv(65536)
            if not begun:
                return
            asked.append(begun.partition(b" HTTP/")[0])

    site.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.socket))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            site.connect_to_service().close()
            thread.join()
            site.socket.unlink()


@pytest.mark.parametrize(
    ("method", "path", "tries"),
    [
        pytest.param(b"POST", b"/usher/token", 2, id="row174-token"),
        pytest.param(b"POST", b"/usher/sign-in", 1, id="row174-form"),
        pytest.param(b"POST", b"/usher/sign-out", 1, id="row174-sign-out"),
        pytest.param(b"GET", b"/usher/session", 2, id="row174-session"),
    ],
)
def test_what_is_asked_once_more(site: Site, method: bytes, path: bytes, tries: int) -> None:
    with hanging_up(site) as asked:
        assert site.status(site.request(path, method=method)) == 502
    assert asked == [method + b" " + path] * tries
