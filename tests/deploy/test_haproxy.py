"""Two hosts behind HAProxy, with the backend of the page on deployment."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support.haproxy import Haproxy, haproxy
from support.pages import block
from support.server import free_port
from support.site import Site, everything, nginx_behind_balancer, serving, status, wait

pytestmark = [pytest.mark.haproxy, pytest.mark.nginx, pytest.mark.slow]
VISITOR = "127.0.0.3"
UP = ("UP", "L7OK")
DOWN = {"service": ("DOWN", "L7STS"), "nginx": ("DOWN", "L4CON")}
"""What HAProxy says of a host, by what is away there."""
REQUESTS = 10


@contextmanager
def place(site: Site) -> Iterator[Site]:
    """Give a host for what the site is made of: sockets and ports of its own."""
    folder = Path(tempfile.mkdtemp(prefix="usher-site-"))
    try:
        yield replace(site, folder=folder, port=free_port(), plain_port=free_port())
    finally:
        shutil.rmtree(folder)


def start(part: str, host: Site) -> AbstractContextManager[object]:
    """Return what runs a part of a host."""
    return serving(host, workers=1) if part == "service" else nginx_behind_balancer(host)


@pytest.fixture(scope="module")
def first(site: Site) -> Iterator[Site]:
    """A host that is always there."""
    with place(site) as host, start("service", host), start("nginx", host):
        yield host


@pytest.fixture
def second(site: Site) -> Iterator[Site]:
    """A host of which nothing runs yet."""
    with place(site) as host:
        yield host


@pytest.fixture
def parts(second: Site) -> Iterator[dict[str, ExitStack]]:
    """The running parts of the second host, each of which ends when it is closed."""
    with ExitStack() as service, ExitStack() as nginx:
        running = {"service": service, "nginx": nginx}
        for part, stack in running.items():
            stack.enter_context(start(part, second))
        yield running


@pytest.fixture
def balancer(first: Site, second: Site, parts: dict[str, ExitStack]) -> Iterator[Haproxy]:
    """HAProxy, which has seen that both hosts are up."""
    backend = block(
        "deployment.md",
        "backend usher",
        {
            "10.0.0.11:443": f"127.0.0.1:{first.port}",
            "10.0.0.12:443": f"127.0.0.1:{second.port}",
        },
    )
    folder = Path(tempfile.mkdtemp(prefix="usher-haproxy-"))
    try:
        with haproxy(folder, backend) as running:
            wait(lambda: running.states() == {"web-1": UP, "web-2": UP})
            yield running
    finally:
        shutil.rmtree(folder)


def ask(balancer: Haproxy, site: Site) -> int:
    """Ask for a token through HAProxy; return the status."""
    plain = socket.create_connection(
        ("127.0.0.1", balancer.port), 30, source_address=(VISITOR, 0)
    )
    with site.secured(plain) as connection:
        connection.sendall(site.request(b"/usher/token", b"X-Forwarded-For: 6.6.6.6"))
        return status(everything(connection))


def test_both_hosts_learn_the_address_of_the_visitor(balancer: Haproxy, first: Site) -> None:
    before = first.service.audit_size()
    assert {ask(balancer, first) for _ in range(REQUESTS)} == {200}
    lines = first.service.audit_lines(slice(before, None))
    assert [(it["code"], it["address"]) for it in lines] == [("issued", VISITOR)] * REQUESTS
    assert balancer.connections() == {"web-1": REQUESTS // 2, "web-2": REQUESTS // 2}


@pytest.mark.parametrize("away", DOWN)
def test_a_host_gets_no_visitors_while_something_is_away(
    balancer: Haproxy, first: Site, second: Site, parts: dict[str, ExitStack], away: str
) -> None:
    parts[away].close()
    wait(lambda: balancer.states()["web-2"] == DOWN[away])
    before = balancer.connections()
    assert {ask(balancer, first) for _ in range(REQUESTS)} == {200}
    assert balancer.states()["web-1"] == UP
    assert balancer.connections() == before | {"web-1": before["web-1"] + REQUESTS}
    parts[away].enter_context(start(away, second))
    wait(lambda: balancer.states() == {"web-1": UP, "web-2": UP})
    assert {ask(balancer, first) for _ in range(REQUESTS)} == {200}
    assert balancer.connections()["web-2"] > before["web-2"]


def test_what_a_host_refuses_goes_to_another_before_a_check_has_noticed(
    balancer: Haproxy, first: Site, parts: dict[str, ExitStack]
) -> None:
    balancer.check_no_more()
    parts["nginx"].close()
    before = first.service.audit_size()
    assert {ask(balancer, first) for _ in range(REQUESTS)} == {200}
    issued = [it["code"] for it in first.service.audit_lines(slice(before, None))]
    assert issued == ["issued"] * REQUESTS
    refused = balancer.servers()["web-2"]
    assert refused["status"] == "no check"
    assert int(refused["wredis"]) >= REQUESTS // 2
    # HAProxy waits a second before it asks the same server again.
    assert int(refused["wretr"]) == 0
