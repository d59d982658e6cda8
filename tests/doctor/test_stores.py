"""What `usher doctor` says of the database, Redis and the workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from support.examinations import Examination, examined
from support.pages import redis_permissions
from support.postgresql import PostgresqlServer
from support.redis_server import MakeRedis, RedisServer
from support.service import MakeService, Service

from flask_usher import schema
from flask_usher.database import Database
from flask_usher.findings import Finding
from flask_usher.presence import Presence
from flask_usher.workers import Standing, seen, table


def look(service: Service) -> Examination:
    return examined(service.environment)


@pytest.fixture
def postgresql(make_service: MakeService, postgresql_url: str) -> Service:
    return make_service(database={"url": postgresql_url}, public_url="https://localhost:9")


@pytest.mark.postgresql
def test_a_good_postgresql(postgresql: Service) -> None:
    found = look(postgresql).families["Database"]
    assert {it.verdict for it in found.values()} == {"ok"}
    assert list(found) == ["tables", "latency", "version", "clock", "connections"]
    assert found["version"].found.startswith("PostgreSQL 1")
    assert found["connections"].found == "197 allowed; 1 workers of 16 threads may want 20"


@pytest.mark.postgresql
def test_too_few_connections(make_service: MakeService, postgresql_url: str) -> None:
    service = make_service(database={"url": postgresql_url}, limits={"workers": 10})
    assert look(service).families["Database"]["connections"] == Finding(
        "connections",
        "warning",
        "197 allowed; 10 workers of 16 threads may want 200",
        "Set max_connections to 203 or more, or have fewer workers.",
        "In a rush, requests are refused for want of a connection.",
    )


@pytest.mark.postgresql
def test_a_standby(make_service: MakeService, postgresql_server: PostgresqlServer) -> None:
    name = postgresql_server.create_database()
    url = postgresql_server.url(name)
    database = Database(url)
    schema.upgrade(database)
    database.close()
    postgresql_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    service = make_service(database={"url": url}, public_url="https://localhost:9")
    found = look(service).families["Database"]["writing"]
    assert (found.verdict, found.remedy) == (
        "fault",
        "Let database.url lead to the primary server.",
    )


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0, "ok"), (10, "warning"), (-10, "warning"), (60, "fault")]
)
def test_clocks_that_differ(
    postgresql: Service, monkeypatch: pytest.MonkeyPatch, ahead: float, verdict: str
) -> None:
    monkeypatch.setattr(
        "flask_usher.doctor.database.time.time", lambda now=time.time: now() - ahead
    )
    clock = look(postgresql).families["Database"]["clock"]
    assert clock.verdict == verdict
    if ahead:
        assert ("ahead of" in clock.found) == (ahead > 0)
        assert clock.remedy == "Set both clocks by NTP: timedatectl set-ntp true"


@pytest.mark.parametrize("statement", ["UPDATE {} SET version_num = '0004'", "DROP TABLE {}"])
def test_migrations_that_are_missing(make_service: MakeService, statement: str) -> None:
    service = make_service(public_url="https://localhost:9")
    with service.state.database.writing() as connection:
        connection.exec_driver_sql(statement.format(schema.VERSION_TABLE))
    found = look(service).families["Database"]
    assert found["tables"].verdict == "fault"
    assert "Run: usher db upgrade" in found["tables"].remedy


def test_a_database_that_is_away(make_service: MakeService) -> None:
    service = make_service(database={"url": "postgresql+psycopg://usher@127.0.0.1:9/usher"})
    found = look(service).families
    assert found["Database"]["connection"].verdict == "fault"
    assert "refused" in found["Database"]["connection"].found
    assert found["Workers"]["workers"].found == "not known"


def test_a_database_that_is_slow(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = make_service(public_url="https://localhost:9")
    monkeypatch.setattr("flask_usher.doctor.database.milliseconds", lambda _: 30.0)
    found = look(service).families["Database"]["latency"]
    assert (found.verdict, found.found) == ("warning", "30.0 ms for the shortest question")


def with_redis(make_service: MakeService, server: RedisServer, **changes: Any) -> Service:
    redis = {"url": server.url} | changes
    return make_service(redis=redis, public_url="https://localhost:9")


@pytest.mark.redis
def test_a_good_redis(make_service: MakeService, redis_server: RedisServer) -> None:
    found = look(with_redis(make_service, redis_server)).families["Redis"]
    assert {name: it.verdict for name, it in found.items()} == dict.fromkeys(
        ("latency", "version", "memory"), "ok"
    )


def killed(server: RedisServer) -> None:
    server.kill()


def frozen(server: RedisServer) -> None:
    server.freeze()


def replica(server: RedisServer) -> None:
    server.command("REPLICAOF", "127.0.0.1", "9")


def forgetful(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "maxmemory", "100mb")
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")


def locked(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "requirepass", "hidden-password")


def silent(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "default", "-info")


def mute(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "default", "-ping")


def user_of_the_page(server: RedisServer) -> None:
    """Give it the permissions that the page on limits names, and no others."""
    server.command("ACL", "SETUSER", "usher", "on", ">PASSWORD", *redis_permissions().split())


@pytest.mark.redis
@pytest.mark.parametrize("database", [0, 1])
def test_a_redis_user_with_no_more_than_it_needs(
    make_service: MakeService, redis_server: RedisServer, database: int
) -> None:
    user_of_the_page(redis_server)
    url = f"unix://usher:PASSWORD@{redis_server.socket}?db={database}"
    service = make_service(redis={"url": url}, public_url="https://localhost:9")
    assert service.state.limits.are_degraded() is False
    found = look(service).families["Redis"]
    assert {it.verdict for it in found.values()} == {"ok"}


@pytest.mark.redis
def test_a_redis_user_who_may_not_choose_the_database(
    make_service: MakeService, redis_server: RedisServer
) -> None:
    user_of_the_page(redis_server)
    redis_server.command("ACL", "SETUSER", "usher", "-select")
    url = f"unix://usher:PASSWORD@{redis_server.socket}?db=1"
    service = make_service(redis={"url": url}, public_url="https://localhost:9")
    found = look(service).families["Redis"]["connection"]
    assert found.verdict == "fault"
    assert found.found == "its user may not give a command that is needed"


@pytest.mark.redis
@pytest.mark.parametrize(
    ("act", "check", "verdict", "told"),
    [
        (killed, "connection", "fault", "no connection"),
        (frozen, "connection", "fault", "no answer in 250 ms"),
        (locked, "connection", "fault", "refuses the user or the password of redis.url"),
        (replica, "writing", "fault", "a replica, which takes no writes"),
        (forgetful, "memory", "warning", "100.00M at most, then allkeys-lru"),
        (mute, "latency", "ok", "its user may not give a PING, so it was not measured"),
        (silent, "server", "ok", "its user may not ask for INFO, so no more was looked at"),
    ],
)
def test_a_redis_that_is_not(
    make_service: MakeService,
    redis_server: RedisServer,
    act: Callable[[RedisServer], None],
    check: str,
    verdict: str,
    told: str,
) -> None:
    service = with_redis(make_service, redis_server)
    act(redis_server)
    found = look(service).families["Redis"][check]
    redis_server.thaw() if act is frozen else None
    assert (found.verdict, found.found) == (verdict, told)


@pytest.mark.redis
def test_an_old_redis_far_away(
    make_service: MakeService, make_redis: MakeRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = with_redis(make_service, make_redis())
    monkeypatch.setattr("flask_usher.doctor.redis.milliseconds", lambda _: 60.0)
    monkeypatch.setattr("flask_usher.doctor.redis.OLDEST", (99, 0))
    found = look(service).families["Redis"]
    assert {it.check for it in found.values() if it.verdict == "warning"} == {
        "latency",
        "version",
    }


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("redis://:hidden-password@cache.invalid:6379/0", True),
        ("rediss://:hidden-password@cache.invalid:6379/0", False),
        ("redis://127.0.0.1:9/0", False),
    ],
)
def test_a_redis_over_the_network(make_service: MakeService, url: str, is_told: bool) -> None:
    service = make_service(redis={"url": url}, public_url="https://localhost:9")
    examination = look(service)
    found = examination.families["Redis"]
    assert ("encryption" in found) == is_told
    assert found["connection"].found == "no connection"
    assert "hidden-password" not in examination.printed


@pytest.fixture
def serving(make_service: MakeService) -> Service:
    """A service with a worker: this process."""
    service = make_service(public_url="https://localhost:9")
    service.state.presence.announce()
    return service


def other(service: Service, **standing: Any) -> Presence:
    """Let another worker announce itself, long ago and still."""
    (own,) = _standings(service)
    presence = Presence(service.state.database, lambda: replace(own, **standing))
    presence.announce()
    return presence


def _standings(service: Service) -> set[Standing]:
    return {it.standing for it in seen(service.state.database)}


def change(service: Service, **values: Any) -> None:
    with service.state.database.writing() as connection:
        connection.execute(sa.update(table).values(values))


def test_workers_that_agree(serving: Service) -> None:
    found = look(serving).families["Workers"]
    assert {it.verdict for it in found.values()} == {"ok"}
    other(serving)
    found = look(serving).families["Workers"]
    assert {it.verdict for it in found.values()} == {"ok"}
    assert found["same keys"].found == "on all 2"
    assert found["workers"].found.startswith("2 on ")


@pytest.mark.parametrize(
    ("standing", "check", "told"),
    [
        pytest.param({"policy": "p-2"}, "same policy", "policy p-2 on", id="row176-policy"),
        pytest.param(
            {"signing_key": "SHA256:b"}, "same keys", "key SHA256:b, beside", id="row176-key"
        ),
        pytest.param(
            {"keys": frozenset()}, "same keys", ", beside no other on", id="row176-keys"
        ),
    ],
)
def test_workers_that_differ(
    serving: Service, standing: dict[str, Any], check: str, told: str
) -> None:
    other(serving, **standing)
    found = look(serving).families["Workers"]
    assert {name for name, it in found.items() if it.verdict == "warning"} == {check}
    assert "may be on its way" in found[check].why
    change(serving, changed_at=table.c.changed_at - 31)
    found = look(serving).families["Workers"]
    assert {name for name, it in found.items() if it.verdict != "ok"} == {check}
    assert found[check].verdict == "fault"
    assert found[check].remedy.startswith("Put the same settings, policy and keys on all hosts")
    assert all(
        name in found[check].found for name in map(str, standing.values()) if name[0] != "f"
    )


def test_releases_that_differ(serving: Service) -> None:
    change(serving, release="0.0.9")
    other(serving)
    found = look(serving).families["Workers"]["same release"]
    assert found.verdict == "warning"
    assert found.found.startswith("0.0.9 on ")
    assert "systemctl reload usher" in found.remedy


def test_settings_that_are_not_those_in_force(serving: Service) -> None:
    change(serving, policy="of-yesterday", signing_key="SHA256:old")
    found = look(serving).families["Workers"]
    bad = {name: it.found for name, it in found.items() if it.verdict == "warning"}
    own = serving.state.settings.token.signing_key[0].fingerprint
    policy = serving.state.admission.policies.current().version
    assert bad == {
        "policy in force": f"of-yesterday; these settings have {policy}",
        "signing key in force": f"SHA256:old; these settings have {own}",
    }


def test_a_pause_is_told(serving: Service) -> None:
    serving.state.admission.pauses.pause("wrong conversations")
    found = look(serving).families["Workers"]["pause"]
    assert found.verdict == "warning"
    assert "wrong conversations" in found.found
    assert found.remedy == "When the reason is gone: usher resume"
