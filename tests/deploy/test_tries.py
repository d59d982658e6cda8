"""How often nginx asks a service that fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support.site import Site, make_site, nginx

pytestmark = [pytest.mark.nginx, pytest.mark.slow]


@contextmanager
def failing(site: Site, *, silent: bool) -> Iterator[list[bytes]]:
    """Listen in the place of the service, and close without an answer; give what was asked.

    A `silent` one closes when nginx does.
    """
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                begun = connection.recv(65536)
                if not begun:
                    return
                asked.append(begun.partition(b" HTTP/")[0])
                while silent and connection.recv(65536):
                    pass

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
        pytest.param(b"POST", b"/usher/token", 6, id="row174-token"),
        pytest.param(b"POST", b"/usher/sign-in", 1, id="row174-form"),
        pytest.param(b"POST", b"/usher/sign-out", 1, id="row174-sign-out"),
        pytest.param(b"GET", b"/usher/session", 6, id="row174-session"),
    ],
)
def test_what_fails_at_once_is_asked_for_again(
    site: Site, method: bytes, path: bytes, tries: int
) -> None:
    with failing(site, silent=False) as asked:
        assert site.status(site.request(path, method=method)) == 502
    assert asked == [method + b" " + path] * tries


def test_row_174_what_has_hung_is_not_asked_for_again(site: Site) -> None:
    hangs = {"proxy_read_timeout 30s": "proxy_read_timeout 3s"}
    with TemporaryDirectory(prefix="usher-site-") as folder:
        own = make_site(site.service, site.cookie, Path(folder))
        with nginx(own, **hangs), failing(own, silent=True) as asked:
            assert own.status(own.request()) == 504
    assert asked == [b"POST /usher/token"]
