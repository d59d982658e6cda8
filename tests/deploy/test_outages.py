"""`usher serve`, while what it depends on is away, hangs, leaks or is scarce."""

from __future__ import annotations

import json
import resource
import select
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from parts import postgresql_programs, redis_program
from support import faulty_provider
from support.openid_service import OpenIdService, OpenIdWorkshop
from support.postgresql import PostgresqlServer
from support.redis_server import RedisServer
from support.service import KeyFiles, Service, Workshop
from support.site import (
    FORWARDED_HTTPS,
    Site,
    everything,
    make_site,
    serving,
    status,
    wait,
)

from flask_usher import schema
from flask_usher.database import Database
from flask_usher.providers.base import Completion, Identity
from flask_usher.providers.bulkhead import CONCURRENCY
from flask_usher.testing import Clock

pytestmark = pytest.mark.slow
BEHIND_NGINX: dict[str, Any] = {
    "proxy": {"trusted_addresses": ["127.0.0.1"]},
    "limits": {"workers": 2, "tokens_per_person": "100000 per 60 seconds"}
    | {"tokens_per_address": "100000 per 60 seconds"},
}


@pytest.fixture
def workshop(
    tmp_path: Path, key_files: KeyFiles, password_hash: str, sqlite_template: Path
) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path, key_files, password_hash, sqlite_template)
    yield workshop
    for service in workshop.services:
        service.state.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, for the socket's sake."""
    folder = Path(tempfile.mkdtemp(prefix="usher-site-"))
    yield folder
    shutil.rmtree(folder)


def site_of(service: Service, folder: Path) -> Site:
    """Return a site at which jane has signed in."""
    cookie = service.signed_in("jane").cookie()
    assert cookie is not None
    return make_site(service, cookie, folder)


def cookie_of(service: Service, subject: str) -> str:
    """Return the cookie of somebody who has signed in with the faulty provider."""
    identity = Identity(provider="faulty", subject=subject, signed_in_at=service.clock())
    return service.state.sign_ins.create(Completion(identity))


def readiness(site: Site) -> tuple[int, str]:
    """Return the status, and what the service says of the database."""
    answer = site.ask_service(b"/usher/health/ready", method=b"GET")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    return status(answer), body["checks"]["database"]


@pytest.mark.postgresql
@pytest.mark.redis
def test_row_177_a_host_that_boots_while_everything_is_away(
    workshop: Workshop, folder: Path
) -> None:
    postgresql, redis = postgresql_programs(), redis_program()
    assert postgresql is not None
    assert redis is not None
    with ExitStack() as stack:
        server = PostgresqlServer(postgresql, "synchronous_commit = on")
        stack.callback(server.remove)
        counters = RedisServer(redis)
        stack.callback(counters.remove)
        server.start()
        url = server.url(server.create_database())
        database = Database(url)
        schema.upgrade(database)
        database.close()
        service = workshop.make(
            clock=Clock(time.time()),
            database={"url": url},
            redis={"url": counters.url},
            **BEHIND_NGINX,
        )
        site = site_of(service, folder)
        server.stop()
        with serving(site) as running:
            assert status(site.ask_service(b"/usher/health/live", method=b"GET")) == 200
            assert readiness(site) == (503, "unavailable")
            assert status(site.ask_service()) == 503
            begun = running.workers()
            server.start()
            counters.start()
            wait(lambda: readiness(site) == (200, "ok"))
            wait(lambda: status(site.ask_service()) == 200)
            assert running.workers() == begun, "nothing was restarted"
            assert "The database does not answer" in running.log.read_text()


def test_row_61_two_hundred_sign_ins_at_a_provider_that_hangs(
    workshop: Workshop, folder: Path
) -> None:
    with ExitStack() as stack:
        openid = OpenIdWorkshop(workshop, stack, Clock(time.time()))
        # A provider on this machine is for trying things out only.
        trial = {**BEHIND_NGINX, "public_url": "http://127.0.0.1:8000"}
        fake = openid.fake(origin=trial["public_url"])
        shop = openid.make(fake, providers={"local": {"type": "local"}}, **trial)
        site = site_of(shop.service, folder)
        backs = [way_back(site, shop) for _ in range(200)]
        shop.fake.hold()
        with serving(site, threads=16):
            connections = [stack.enter_context(site.connect_to_service()) for _ in backs]
            for connection, back in zip(connections, backs, strict=True):
                connection.sendall(back)
            assert shop.fake.arrived.acquire(timeout=30)
            assert [status(site.ask_service()) for _ in range(50)] == [200] * 50
            wait(lambda: len(answered(connections)) >= len(backs) - 2 * CONCURRENCY)
            refused = answered(connections)
            assert {status(everything(it)) for it in refused} == {503}
            shop.fake.let_go()
            others = [it for it in connections if it not in refused]
            assert {status(everything(it)) for it in others} <= {303, 503}


def answered(connections: list[socket.socket]) -> list[socket.socket]:
    """Return the connections on which something has arrived."""
    return select.select(connections, [], [], 0)[0]


def way_back(site: Site, shop: OpenIdService) -> bytes:
    """Return the request of somebody who has been to the provider, and comes back."""
    browser = shop.browser()
    query = urlencode(browser.consent(browser.begin()), doseq=True)
    cookies = "; ".join(["x", *(f"{name}={it}" for name, it in browser.attempts().items())])
    path = f"/usher/oidc/id/callback?{query}".encode()
    return site.request(
        path, FORWARDED_HTTPS, method=b"GET", body=b"", length=None, cookie=cookies
    )


@pytest.fixture
def faulty(workshop: Workshop, folder: Path) -> Site:
    return site_of(workshop.make(clock=Clock(time.time()), **BEHIND_NGINX), folder)


def test_row_172_a_worker_in_which_a_provider_hangs_is_replaced(
    faulty: Site, tmp_path: Path
) -> None:
    cookie = cookie_of(faulty.service, "hangs")
    variables = faulty_provider.install(tmp_path / "plugins")
    with serving(faulty, threads=16, **variables) as running:
        before = running.workers()
        hanging = faulty.connect_to_service()
        hanging.sendall(faulty.request(b"/usher/token", FORWARDED_HTTPS, cookie=cookie))
        assert [status(faulty.ask_service()) for _ in range(20)] == [200] * 20
        wait(lambda: len(set(running.workers()) - set(before)) == 1)
        wait(lambda: len(running.workers()) == 2)
        assert everything(hanging) == b""
        hanging.close()
        assert [status(faulty.ask_service()) for _ in range(20)] == [200] * 20
        assert "in current" in running.log.read_text(), "where it hung"


def test_row_172_a_worker_that_takes_too_much_memory_is_replaced(
    faulty: Site, tmp_path: Path
) -> None:
    cookie = cookie_of(faulty.service, "leaks")
    variables = faulty_provider.install(tmp_path / "plugins")
    with serving(faulty, 1, "--memory=256", **variables) as running:
        before = running.workers()
        assert [status(faulty.ask_service(cookie=cookie)) for _ in range(60)] == [200] * 60
        statuses = []

        def is_replaced() -> bool:
            statuses.append(status(faulty.ask_service()))
            return not set(before) & set(running.workers())

        wait(is_replaced)
        assert set(statuses) == {200}


def test_what_a_killed_server_has_left_is_in_nobodys_way(faulty: Site) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(faulty.socket))
    with serving(faulty, 1):
        assert status(faulty.ask_service()) == 200


def test_row_172_few_file_descriptors(faulty: Site) -> None:
    with ExitStack() as stack:
        running = stack.enter_context(serving(faulty, 1))
        begun = running.workers()
        for process in (running.process.pid, *begun):
            resource.prlimit(process, resource.RLIMIT_NOFILE, (64, 64))
        connections = [stack.enter_context(faulty.connect_to_service()) for _ in range(100)]
        for connection in connections:
            connection.sendall(faulty.request(b"/usher/token", FORWARDED_HTTPS))
        statuses = [status(everything(it)) for it in connections]
        assert len(statuses) == 100
        assert set(statuses) <= {200, 503}
        wait(lambda: status(faulty.ask_service()) == 200)
        assert running.workers() == begun
