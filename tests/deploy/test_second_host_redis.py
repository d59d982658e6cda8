"""Redis on a host of its own, with the lines of the page on deployment."""

from __future__ import annotations

import socket
import ssl
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.certificates import certificate
from support.examinations import examined
from support.pages import block, redis_permissions, replaced
from support.redis_server import MakeRedis, RedisServer
from support.server import free_port
from support.service import LogText, MakeService, Service

pytestmark = pytest.mark.redis
NAME = "redis.internal"
"""Its name on the page."""
OTHER_NAME = "other.internal"
ADDRESS = "127.0.0.20"
"""What stands for the address on the page."""
PASSWORD = "PASSWORD-of-the-limits"
DEGRADED = "each process counts for itself"


@dataclass(frozen=True)
class RedisHost:
    """The server with the page's lines; `plain_port` is where it would be without them."""

    server: RedisServer
    port: int
    plain_port: int
    pem: Path

    def settings(
        self, changes: Mapping[str, str] | None = None, trusted: Path | None = None
    ) -> dict[str, Any]:
        """Return `[redis]` as the page has it, but for these texts in its URL."""
        text = block(
            "deployment.md",
            "[database]",
            {
                f"{NAME}:6379": f"{NAME}:{self.port}",
                ":PASSWORD@": f":{PASSWORD}@",
                'ca_file = "/etc/usher/ca.pem"': f'ca_file = "{trusted or self.pem}"',
            },
        )
        table: dict[str, Any] = tomllib.loads(text)["redis"]
        return table | {"url": replaced(table["url"], changes or {})}

    def say(self, message: bytes) -> bytes:
        """Send a message over TLS, as nobody in particular; return the answer."""
        context = ssl.create_default_context(cafile=str(self.pem))
        plain = socket.create_connection((ADDRESS, self.port), 30)
        with context.wrap_socket(plain, server_hostname=NAME) as connection:
            connection.sendall(message)
            return connection.recv(1000)


MakeRedisHost = Callable[..., RedisHost]


@pytest.fixture
def make_redis_host(
    make_redis: MakeRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeRedisHost:
    """Start a server whose certificate is for a name, by default that of the page."""
    look_up = socket.getaddrinfo

    def with_hosts_file(host: str | bytes | None, *args: Any, **options: Any) -> Any:
        return look_up(ADDRESS if host in (NAME, OTHER_NAME) else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", with_hosts_file)

    def make(name: str = NAME) -> RedisHost:
        port, plain_port, pem = free_port(), free_port(), certificate(tmp_path, name)
        changes = {
            "10.0.0.20": ADDRESS,
            "tls-port 6379": f"tls-port {port}",
            "/etc/redis/redis.internal.pem": str(pem),
            "/etc/redis/redis.internal.key": str(pem),
            "/etc/redis/ca.pem": str(pem),
            ">PASSWORD": f">{PASSWORD}",
        }
        server = make_redis(
            f"port {plain_port}",
            block("deployment.md", "# redis.conf", changes),
            "user tester on nopass ~* &* +@all",
            user="tester",
        )
        return RedisHost(server, port, plain_port, pem)

    return make


@pytest.fixture
def redis_host(make_redis_host: MakeRedisHost) -> RedisHost:
    """The server as the page has it."""
    return make_redis_host()


MakeHost = Callable[..., Service]


@pytest.fixture
def make_host(make_service: MakeService) -> MakeHost:
    """Make a host of Usher's with these settings of Redis, that shares all else with `like`."""

    def make(redis: dict[str, Any], like: Service | None = None) -> Service:
        config = like.config if like else {}
        shared = {name: config[name] for name in ("secret_key", "database") if name in config}
        service = make_service(redis=redis, public_url="https://localhost:9", **shared)
        service.secrets.add(PASSWORD)
        return service

    return make


def test_both_pages_give_the_user_the_same_permissions() -> None:
    lines = block("deployment.md", "# redis.conf", {}).splitlines()
    assert f"user usher on >PASSWORD {redis_permissions()}" in lines


def test_two_hosts_count_together(redis_host: RedisHost, make_host: MakeHost) -> None:
    first = make_host(redis_host.settings())
    second = make_host(redis_host.settings(), like=first)
    left = [it.signed_in("jane").ask().headers["RateLimit"] for it in (first, second)]
    assert [it.partition(";t=")[0] for it in left] == ['"tokens";r=99', '"tokens";r=98']
    assert redis_host.server.command("DBSIZE") > 0
    for host in (first, second):
        assert not host.state.limits.are_degraded()


def test_the_doctor_finds_nothing_wrong(redis_host: RedisHost, make_host: MakeHost) -> None:
    found = examined(make_host(redis_host.settings()).environment).families["Redis"]
    assert {name: it.verdict for name, it in found.items()} == dict.fromkeys(
        ("latency", "version", "memory"), "ok"
    )
    assert "was not measured" not in found["latency"].found


def test_nobody_listens_without_tls(redis_host: RedisHost, make_host: MakeHost) -> None:
    for address in ("127.0.0.1", ADDRESS):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, redis_host.plain_port), 30).close()
    settings = redis_host.settings({"rediss://": "redis://"})
    del settings["ca_file"]
    assert make_host(settings).state.limits.are_degraded()


def test_nobody_is_let_in_without_a_password(redis_host: RedisHost) -> None:
    """Redis lets nobody in from another machine while the default user needs no password."""
    assert redis_host.say(b"PING\r\n").startswith(b"-NOAUTH")
    told = redis_host.server.command("ACL", "GETUSER", "default")
    assert b"nopass" not in told[told.index(b"flags") + 1]


def test_with_another_password_each_process_counts_for_itself(
    redis_host: RedisHost, make_host: MakeHost, log: LogText
) -> None:
    host = make_host(redis_host.settings({PASSWORD: "not-the-password"}))
    host.secrets.add("not-the-password")
    assert host.signed_in("jane").ask().status_code == 200
    assert log.text.count(DEGRADED) == 1
    ready = host.browser().get("/usher/health/ready")
    assert (ready.status_code, ready.members["status"]) == (200, "degraded")
    found = examined(host.environment).families["Redis"]["connection"]
    assert found.found == "refuses the user or the password of redis.url"
    assert redis_host.server.command("DBSIZE") == 0


def test_a_server_of_another_authority_is_not_believed(
    redis_host: RedisHost, make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = certificate(tmp_path_factory.mktemp("another-authority"), NAME)
    assert not make_host(redis_host.settings()).state.limits.are_degraded()
    assert make_host(redis_host.settings(trusted=other)).state.limits.are_degraded()


def test_a_server_of_another_name_is_not_believed(
    make_redis_host: MakeRedisHost, make_host: MakeHost
) -> None:
    redis_host = make_redis_host(OTHER_NAME)
    assert not make_host(redis_host.settings({NAME: OTHER_NAME})).state.limits.are_degraded()
    assert make_host(redis_host.settings()).state.limits.are_degraded()
