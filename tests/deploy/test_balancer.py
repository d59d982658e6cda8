"""nginx behind a balancer that tells the visitor's address with the PROXY protocol."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.server import free_port
from support.site import Site, everything, nginx_behind_balancer, status

pytestmark = [pytest.mark.nginx, pytest.mark.slow]


@pytest.fixture(scope="module")
def balanced(live: Site) -> Iterator[Site]:
    """The site, behind a balancer at 127.0.0.1."""
    folder = Path(tempfile.mkdtemp(prefix="usher-site-"))
    site = replace(live, folder=folder, port=free_port(), plain_port=free_port())
    site.socket.symlink_to(live.socket)
    try:
        with nginx_behind_balancer(site):
            yield site
    finally:
        shutil.rmtree(folder)


def ask(site: Site, header: bytes, source: str = "127.0.0.1") -> bytes:
    address = ("127.0.0.1", site.port)
    plain = socket.create_connection(address, 30, source_address=(source, 0))
    plain.sendall(header)
    with site.secured(plain) as connection:
        connection.sendall(site.request(b"/usher/token", b"X-Forwarded-For: 6.6.6.6"))
        return everything(connection)


@pytest.mark.parametrize(
    ("header", "source", "address"),
    [
        pytest.param(
            b"PROXY TCP4 192.0.2.7 10.0.0.4 4711 443\r\n",
            "127.0.0.1",
            "192.0.2.7",
            id="row161-balancer",
        ),
        pytest.param(
            b"PROXY TCP6 2001:db8::7 2001:db8::4 4711 443\r\n",
            "127.0.0.1",
            "2001:db8::7",
            id="row161-balancer-ipv6",
        ),
        pytest.param(
            b"PROXY TCP4 192.0.2.7 10.0.0.4 4711 443\r\n",
            "127.0.0.2",
            "127.0.0.2",
            id="row161-past-the-balancer",
        ),
    ],
)
def test_the_balancer_is_believed_and_nobody_else(
    balanced: Site, header: bytes, source: str, address: str
) -> None:
    assert status(ask(balanced, header, source)) == 200
    assert balanced.service.audit_lines()[-1]["address"] == address


def test_row_161_who_tells_no_address_is_not_heard(balanced: Site) -> None:
    before = balanced.service.audit_size()
    with pytest.raises(OSError, match=r"(?i)eof|reset"):
        ask(balanced, b"")
    assert balanced.service.audit_size() == before
