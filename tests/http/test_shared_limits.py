"""Limits with a common Redis: two hosts count as one; without it each has limits of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.certificates import certificate
from support.redis_server import MakeRedis, RedisServer
from support.refusals import assert_page_refused, assert_refused
from support.server import free_port
from support.service import PASSWORD, LogText, MakeService, Service
from support.threads import together

from flask_usher.limits.shared_counters import RETRY_SECONDS

pytestmark = pytest.mark.redis

WRONG = "not-the-password"
NEW_PASSWORD = "another-password-of-the-server"
DEGRADED = "each process counts for itself"
HEALED = "Redis counts again"


@dataclass
class Hosts:
    """Two hosts of one installation: one database and secret, and each with its processes."""

    first: Service
    second: Service

    def __iter__(self) -> Iterator[Service]:
        return iter((self.first, self.second))

    def pass_retry(self) -> None:
        """Let the time pass after which Redis is tried again."""
        for host in self:
            host.clock.advance(RETRY_SECONDS)

    def restart(self, make_service: MakeService) -> Service:
        """Return a new process of the first host."""
        return make_service(**_shared(self.first), limits=dict(self.first.config["limits"]))


def _shared(host: Service) -> dict[str, Any]:
    return {name: host.config[name] for name in ("secret_key", "database", "redis")}


@pytest.fixture
def hosts(make_service: MakeService, redis_server: RedisServer) -> Hosts:
    limits = {"workers": 2, "sign_in_failures_per_account": "10 per 600 seconds"}
    first = make_service(redis={"url": redis_server.url}, limits=limits)
    first.add_account("jane")
    first.add_account("sam")
    return Hosts(first, make_service(**_shared(first), limits=limits))


def try_at(service: Service, address: str, name: str = "jane", password: str = WRONG) -> int:
    """Try to sign in at a host, from an address; return the status."""
    browser = service.browser()
    form_token = browser.form_token()
    service.secrets.add(password)
    answer = browser.post(
        f"{service.prefix}/sign-in",
        data={"form_token": form_token, "username": name, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
    )
    if answer.status_code == 429:
        assert_page_refused(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["Retry-After"]) <= 600
    return answer.status_code


def statuses(service: Service, tries: int, network: str) -> list[int]:
    """Fail to sign in so often, each time from another address."""
    return [try_at(service, f"{network}.{number}") for number in range(tries)]


def test_row_22_two_hosts_count_together(hosts: Hosts) -> None:
    assert statuses(hosts.first, 5, "192.0.2") == [401] * 5
    assert statuses(hosts.second, 6, "198.51.100") == [401] * 5 + [429]
    for host in hosts:
        assert try_at(host, "203.0.113.1", password=PASSWORD) == 429
        assert try_at(host, "203.0.113.1", name="sam", password=PASSWORD) == 303


def test_row_22_one_address_at_two_hosts(hosts: Hosts) -> None:
    found = [
        try_at(host, "192.0.2.1", name=f"{number}-{id(host)}")
        for number in range(6)
        for host in hosts
    ]
    assert found == [401] * 10 + [429] * 2


def test_row_24_the_lock_of_all_hosts_has_an_end(
    hosts: Hosts, redis_server: RedisServer
) -> None:
    statuses(hosts.first, 11, "192.0.2")
    ends = [int(redis_server.command("PTTL", key)) for key in redis_server.command("KEYS", "*")]
    assert len(ends) == 12
    assert all(0 < milliseconds <= 600_000 for milliseconds in ends)


def test_row_13_tokens_of_one_person_at_two_hosts(hosts: Hosts) -> None:
    browsers = [host.signed_in("jane") for host in hosts]
    assert {browser.ask().status_code for _ in range(50) for browser in browsers} == {200}
    for browser in browsers:
        assert_refused(browser.ask(), 429, "too-many-requests")
    for host in hosts:
        assert host.signed_in("sam").ask().status_code == 200


def test_row_13_many_at_the_same_time(hosts: Hosts) -> None:
    def ask(number: int) -> int:
        browser = (
            hosts.first.signed_in("jane") if number % 2 else hosts.second.signed_in("jane")
        )
        return sum(browser.ask().status_code == 200 for _ in range(20))

    hosts.first.signed_in("jane")
    assert sum(together(8, ask)) == 100


def test_a_token_costs_redis_one_round_trip(hosts: Hosts, redis_server: RedisServer) -> None:
    jane = hosts.first.signed_in("jane")
    jane.ask()
    before = redis_server.calls("evalsha")
    for _ in range(20):
        assert jane.ask().status_code == 200
    assert redis_server.calls("evalsha") == before + 20


def test_a_new_process_knows_what_was_counted_before(
    hosts: Hosts, make_service: MakeService
) -> None:
    statuses(hosts.first, 10, "192.0.2")
    assert try_at(hosts.restart(make_service), "203.0.113.1", password=PASSWORD) == 429


def test_redis_learns_no_names_and_no_addresses(
    hosts: Hosts, redis_server: RedisServer
) -> None:
    assert try_at(hosts.first, "192.0.2.44") == 401
    assert hosts.first.signed_in("jane").ask().status_code == 200
    keys = [key.decode() for key in redis_server.command("KEYS", "*")]
    stored = " ".join(keys + [redis_server.command("GET", key).decode() for key in keys])
    account = hosts.first.provider.accounts.by_name("jane")
    assert account is not None
    assert keys
    assert all(key.startswith("usher:limits:") for key in keys)
    assert not any(it in stored for it in ("jane", "192.0.2.44", account.id, "local"))


def test_installations_with_other_secrets_count_apart(
    hosts: Hosts, make_service: MakeService
) -> None:
    statuses(hosts.first, 10, "192.0.2")
    other = make_service(redis=hosts.first.config["redis"])
    other.add_account("jane")
    assert try_at(other, "192.0.2.1", password=PASSWORD) == 303


def _kill(server: RedisServer) -> None:
    server.kill()


def _freeze(server: RedisServer) -> None:
    server.freeze()


def _fill(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "maxmemory", "1")


def _demote(server: RedisServer) -> None:
    # A primary that is not there: writing is refused.
    server.command("REPLICAOF", "127.0.0.1", "9")


def _lock_out(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "requirepass", NEW_PASSWORD)
    server.drop_clients(NEW_PASSWORD)


def _forbid(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "default", "-@write")


MENDED: dict[Callable[[RedisServer], None], Callable[[RedisServer], None]] = {
    _kill: lambda server: server.start(),
    _freeze: lambda server: server.thaw(),
    _fill: lambda server: server.command("CONFIG", "SET", "maxmemory", "0"),
    _demote: lambda server: server.command("REPLICAOF", "NO", "ONE"),
    _lock_out: lambda server: server.command(
        "CONFIG", "SET", "requirepass", "", password=NEW_PASSWORD
    ),
    _forbid: lambda server: server.command("ACL", "SETUSER", "default", "+@all"),
}
FAULTS = [pytest.param(fault, id=f"row166-{fault.__name__[1:]}") for fault in MENDED]


@pytest.mark.parametrize("fault", FAULTS)
def test_without_redis_each_process_grants_its_part(
    hosts: Hosts, redis_server: RedisServer, fault: Callable[[RedisServer], None]
) -> None:
    fault(redis_server)
    for host, network in zip(hosts, ("192.0.2", "198.51.100"), strict=True):
        assert statuses(host, 7, network) == [401] * 5 + [429] * 2
        assert try_at(host, "203.0.113.1", password=PASSWORD) == 429
        assert try_at(host, "203.0.113.1", name="sam", password=PASSWORD) == 303


@pytest.mark.parametrize("fault", FAULTS)
def test_without_redis_tokens_are_issued_within_the_limit(
    hosts: Hosts, redis_server: RedisServer, fault: Callable[[RedisServer], None]
) -> None:
    jane = hosts.first.signed_in("jane")
    fault(redis_server)
    found = [jane.ask().status_code for _ in range(102)]
    assert found == [200] * 100 + [429] * 2
    assert jane.cookie()


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_mended_counts_for_all_again(
    hosts: Hosts, redis_server: RedisServer, log: LogText, fault: Callable[[RedisServer], None]
) -> None:
    assert statuses(hosts.first, 3, "192.0.2") == [401] * 3
    fault(redis_server)
    for host in hosts:
        assert try_at(host, "203.0.113.1", name="sam") == 401
        assert try_at(host, "203.0.113.2", name="sam") == 401
    assert log.text.count(DEGRADED) == 2
    MENDED[fault](redis_server)
    hosts.pass_retry()
    already = 0 if fault is _kill else 3
    assert statuses(hosts.second, 8, "198.51.100")[: 10 - already] == [401] * min(
        8, 10 - already
    )
    found = statuses(hosts.first, 4, "203.0.113")
    assert found.count(401) == max(0, 10 - already - 8)
    assert log.text.count(HEALED) == 2
    assert log.text.count(DEGRADED) == 2


@pytest.mark.parametrize("fault", FAULTS)
def test_the_log_says_it_once_and_tells_nothing_of_the_server(
    hosts: Hosts, redis_server: RedisServer, log: LogText, fault: Callable[[RedisServer], None]
) -> None:
    jane = hosts.first.signed_in("jane")
    fault(redis_server)
    for _ in range(3):
        for _ in range(5):
            assert jane.ask().status_code == 200
        hosts.first.clock.advance(RETRY_SECONDS)
    assert log.text.count(DEGRADED) == 1
    for secret in (redis_server.url, str(redis_server.folder), NEW_PASSWORD, "evalsha"):
        assert secret not in log.text


def test_row_166_only_one_request_waits_for_a_redis_that_hangs(
    hosts: Hosts, redis_server: RedisServer
) -> None:
    jane = hosts.first.signed_in("jane")
    jane.ask()
    redis_server.freeze()
    for _ in range(30):
        assert jane.ask().status_code == 200
    hosts.first.clock.advance(RETRY_SECONDS)
    for _ in range(30):
        assert jane.ask().status_code == 200
    redis_server.thaw()
    assert redis_server.calls("evalsha") <= 1 + 2


def test_row_166_a_clock_that_is_set_back_does_not_put_off_the_next_try(
    hosts: Hosts, redis_server: RedisServer, log: LogText
) -> None:
    redis_server.kill()
    assert hosts.first.signed_in("jane").ask().status_code == 200
    redis_server.start()
    hosts.first.clock.advance(-3600)
    assert hosts.first.signed_in("jane").ask().status_code == 200
    assert HEALED in log.text


def test_row_166_a_start_without_redis(
    make_service: MakeService, redis_server: RedisServer, log: LogText
) -> None:
    redis_server.kill()
    service = make_service(redis={"url": redis_server.url})
    jane = service.signed_in("jane")
    assert jane.ask().status_code == 200
    redis_server.start()
    service.clock.advance(RETRY_SECONDS)
    assert jane.ask().status_code == 200
    assert log.text.count(HEALED) == 1
    assert redis_server.command("DBSIZE") == 2


def test_row_166_a_restart_between_two_requests_is_not_noticed(
    hosts: Hosts, redis_server: RedisServer, log: LogText
) -> None:
    jane = hosts.first.signed_in("jane")
    assert jane.ask().status_code == 200
    redis_server.kill()
    redis_server.start()
    assert jane.ask().status_code == 200
    assert DEGRADED not in log.text


def test_row_166_wrong_password_from_the_start(
    make_service: MakeService, redis_server: RedisServer, log: LogText
) -> None:
    redis_server.command("CONFIG", "SET", "requirepass", NEW_PASSWORD)
    url = redis_server.url.replace("unix://", "unix://:hidden-password@")
    service = make_service(redis={"url": url})
    service.secrets |= {"hidden-password", NEW_PASSWORD}
    assert service.signed_in("jane").ask().status_code == 200
    assert log.text.count(DEGRADED) == 1
    assert "hidden-password" not in repr(service.state.settings)


@pytest.mark.parametrize("fault", FAULTS)
def test_readiness_says_degraded_and_then_that_it_is_over(
    hosts: Hosts, redis_server: RedisServer, fault: Callable[[RedisServer], None]
) -> None:
    browser = hosts.first.browser()

    def readiness() -> tuple[int, str, str]:
        answer = browser.get("/usher/health/ready")
        members = answer.members
        assert redis_server.url not in answer.text
        return answer.status_code, members["status"], members["checks"]["limits"]

    assert readiness() == (200, "ready", "ok")
    fault(redis_server)
    for _ in range(3):
        assert readiness() == (200, "degraded", "degraded")
        hosts.pass_retry()
    MENDED[fault](redis_server)
    hosts.pass_retry()
    assert readiness() == (200, "ready", "ok")


# As the page on limits says, and `SELECT` for a database other than the first.
NEEDED = "+evalsha +script|load +get +incr +decr +pttl +pexpire +select"


def test_over_tcp_as_a_user_who_may_do_no_more_than_needed(
    make_service: MakeService, make_redis: MakeRedis
) -> None:
    port = free_port()
    make_redis(f"port {port}", f"user usher on >{NEW_PASSWORD} ~usher:* -@all {NEEDED}")
    service = make_service(redis={"url": f"redis://usher:{NEW_PASSWORD}@127.0.0.1:{port}/3"})
    service.secrets.add(NEW_PASSWORD)
    assert service.signed_in("jane").ask().status_code == 200
    assert try_at(service, "192.0.2.1") == 401
    assert try_at(service, "192.0.2.1", password=PASSWORD) == 303
    assert not service.state.limits.are_degraded()


@pytest.mark.parametrize(
    ("host", "trusted", "is_good"),
    [
        pytest.param("localhost", True, True, id="good"),
        pytest.param("localhost", False, False, id="unknown-authority"),
        pytest.param("redis.example", True, False, id="another-host"),
    ],
)
def test_over_tls_certificates_are_checked(
    make_service: MakeService,
    make_redis: MakeRedis,
    tmp_path: Path,
    host: str,
    trusted: bool,
    is_good: bool,
) -> None:
    port, file = free_port(), certificate(tmp_path, host)
    files = (f"tls-{it} {file}" for it in ("cert-file", "key-file", "ca-cert-file"))
    make_redis(f"tls-port {port}", "tls-auth-clients no", *files)
    table = {"url": f"rediss://localhost:{port}"} | ({"ca_file": str(file)} if trusted else {})
    service = make_service(redis=table)
    assert service.signed_in("jane").ask().status_code == 200
    assert service.state.limits.are_degraded() != is_good
