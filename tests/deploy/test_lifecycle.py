"""Reloads, ends and deaths of `usher serve`, while tokens are asked for."""

from __future__ import annotations

import os
import signal
import time

import pytest
from support.site import Serving, Site, everything, serving, status, wait

pytestmark = [pytest.mark.nginx, pytest.mark.slow]


def assert_all_issued(site: Site, statuses: list[int], before: int) -> None:
    assert set(statuses) == {200}, (site.folder / "usher-error.log").read_text()
    # A token that was minted for a request that nginx then repeated counts twice, none is lost.
    assert len(site.service.issued()) - before >= len(statuses)


def kill_a_worker(server: Serving) -> None:
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait(lambda: victim not in server.workers() and len(server.workers()) == 2)


def test_row_174_reloads_lose_no_request(site: Site, server: Serving) -> None:
    before = len(site.service.issued())
    with site.asked(senders=5, per_second=50) as statuses:
        for _ in range(5):
            server.reload()
    assert len(statuses) > 100
    assert_all_issued(site, statuses, before)
    assert server.process.poll() is None


def test_row_174_a_worker_that_is_killed_loses_no_token(site: Site, server: Serving) -> None:
    before = len(site.service.issued())
    with site.asked(senders=8, per_second=100) as statuses:
        for _ in range(2):
            time.sleep(1)
            kill_a_worker(server)
            # granian ends when workers die more often than that.
            time.sleep(6)
    assert_all_issued(site, statuses, before)
    assert server.process.poll() is None


def test_row_173_a_stop_lets_two_hundred_requests_end(site: Site, server: Serving) -> None:
    forwarded = [b"X-Forwarded-For: 192.0.2.1", b"X-Forwarded-Proto: https"]
    request = site.request(b"/usher/token", *forwarded)
    connections = [site.connect_to_service() for _ in range(200)]
    for connection in connections:
        connection.sendall(request)
    # The first answer has begun, so the others are on their way.
    first = connections[0].recv(12)
    server.process.terminate()
    answers = [first + everything(connections[0]), *map(everything, connections[1:])]
    for connection in connections:
        connection.close()
    assert [status(it) for it in answers] == [200] * 200
    assert all(b'"token"' in it for it in answers)
    assert server.process.wait(60) == 0


def test_row_178_the_group_reaches_the_socket_whatever_the_umask(site: Site) -> None:
    before = os.umask(0o077)
    try:
        with serving(site):
            assert site.socket.stat().st_mode & 0o777 == 0o660
    finally:
        os.umask(before)


def test_a_hangup_brings_new_settings_and_policy(site: Site, server: Serving) -> None:
    settings = site.service.folder / "usher.toml"
    try:
        settings.write_text("[token]\nlifetime_seconds = 30\n")
        server.reload()
        assert b'"expires_in": 30' in site.send(site.request())
        settings.write_text('[[policy.rules]]\ncode = "closed"\nrefuse_when = "true"\n')
        server.reload()
        answer = site.send(site.request())
        assert (status(answer), b'"code": "closed"' in answer) == (403, True)
    finally:
        settings.write_text("")
    server.reload()
    assert b'"expires_in": 60' in site.send(site.request())
