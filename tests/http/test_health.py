"""The addresses for load balancers: whether it lives and is ready, and nothing more."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.refusals import assert_refused
from support.service import MakeService, Service

from flask_usher.keys import write_private_file
from flask_usher.presence import Presence
from flask_usher.rules.settings import PolicySettings
from flask_usher.workers import Standing
from flask_usher.workers import table as workers

CHECKS = {"database": "ok", "audit": "ok", "keys": "ok", "policy": "ok", "limits": "ok"}
CHECKS |= {"same policy": "ok", "same keys": "ok"}
POLICY = PolicySettings().version
READY = {"status": "ready", "checks": CHECKS, "policy": POLICY, "providers": {}}


def test_alive(service: Service) -> None:
    answer = service.browser().get("/usher/health/live")
    assert (answer.status_code, answer.members) == (200, {"status": "live"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.audit_lines == []


def test_ready(service: Service) -> None:
    answer = service.browser().get("/usher/health/ready")
    assert (answer.status_code, answer.members) == (200, READY)
    assert answer.audit_lines == []


@pytest.mark.parametrize("origin", ["http://10.0.0.1:8000", "http://localhost", "http://x"])
@pytest.mark.parametrize("path", ["live", "ready"])
def test_a_load_balancer_asks_by_address_and_without_https(
    service: Service, origin: str, path: str
) -> None:
    answer = service.browser().get(f"/usher/health/{path}", base_url=origin)
    assert answer.status_code == 200


def test_row_186_without_tables(make_service: MakeService) -> None:
    service = make_service()
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE usher_alembic_version")
    answer = service.browser().get("/usher/health/ready")
    assert answer.status_code == 503
    checks = CHECKS | {"database": "schema not current"}
    assert answer.members == READY | {"status": "not ready", "checks": checks}
    assert service.browser().get("/usher/health/live").status_code == 200


def test_row_186_without_a_database(make_service: MakeService) -> None:
    url = "postgresql+psycopg://usher:hidden-password@127.0.0.1:9/usher"
    service = make_service(database={"url": url})
    service.secrets.add("hidden-password")
    answer = service.browser().get("/usher/health/ready")
    assert answer.status_code == 503
    checks = CHECKS | {"database": "unavailable", "keys": "unavailable"}
    assert answer.members == READY | {"status": "not ready", "checks": checks}
    assert service.browser().get("/usher/health/live").status_code == 200


def test_row_186_without_an_audit_log(make_service: MakeService) -> None:
    service = make_service(audit={"file": "/proc/no/such/folder"})
    answer = service.browser().get("/usher/health/ready")
    assert answer.status_code == 503
    checks = CHECKS | {"audit": "unavailable"}
    assert answer.members == READY | {"status": "not ready", "checks": checks}


@pytest.mark.parametrize("path", ["live", "ready"])
@pytest.mark.parametrize("query", ["", "?verbose=1", "?debug=1&format=full"])
def test_row_186_the_words_are_fixed(service: Service, path: str, query: str) -> None:
    browser = service.signed_in("jane")
    body = browser.get(f"/usher/health/{path}{query}").text
    assert body == service.browser().get(f"/usher/health/{path}").text
    settings = service.state.settings
    for secret in (
        settings.database.url,
        "sqlite",
        settings.token.signing_key[0].fingerprint,
        str(service.folder),
        "version",
        "Python",
        "jane",
    ):
        assert secret not in body


@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/", "/healthz", "/debug"])
def test_row_186_there_is_no_more_to_ask(service: Service, path: str) -> None:
    answer = service.browser().get(f"/usher{path}")
    assert_refused(answer, 404, "not-found", event="request")


@pytest.mark.parametrize("path", ["live", "ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_row_186_no_way_round_the_guard(service: Service, path: str, method: str) -> None:
    """Neither the host nor the scheme is looked at here, so nothing else may come of it."""
    answer = service.signed_in().ask(
        f"/health/{path}",
        method=method,
        base_url="http://evil.test",
        headers={"X-HTTP-Method-Override": "GET", "X-Original-URL": "/usher/token"},
    )
    assert_refused(answer, 405, "method-not-allowed", event="request")


@pytest.mark.parametrize(
    "path",
    ["/usher/health/live/../../token", "/usher/health/..%2ftoken", "/usher/health/token"],
)
def test_row_186_no_way_from_here_to_a_token(service: Service, path: str) -> None:
    answer = service.signed_in().ask(
        "", environ_overrides={"PATH_INFO": path}, base_url="http://evil.test"
    )
    assert_refused(answer, 404, "not-found", event="request")


def test_row_186_nothing_tells_what_the_service_is_made_of(service: Service) -> None:
    browser = service.signed_in()
    for path in ("/token", "/sign-in", "/nowhere", "/health/ready", "/static/usher.js"):
        answer = browser.get(f"/usher{path}")
        names = {name.lower() for name, _ in answer.headers}
        assert not names & {"server", "x-powered-by", "x-aspnet-version", "via"}


def replica(service: Service, **standing: Any) -> Presence:
    """Return another process of the installation, that has something else in force."""
    token = service.state.settings.token
    own = Standing(POLICY, token.signing_key[0].fingerprint, frozenset())
    return Presence(service.state.database, lambda: replace(own, **standing))


def of_a_while_ago(service: Service, seconds: float) -> None:
    with service.state.database.writing() as connection:
        changed = workers.c.changed_at - seconds
        connection.execute(workers.update().values(changed_at=changed))


@pytest.mark.parametrize(
    ("standing", "differ"),
    [
        pytest.param({"policy": "another"}, {"same policy", "same keys"}, id="row176-both"),
        pytest.param({}, {"same keys"}, id="row176-keys"),
    ],
)
def test_replicas_that_differ(
    service: Service, standing: dict[str, Any], differ: set[str]
) -> None:
    browser = service.browser()
    own, other = service.state.presence, replica(service, **standing)
    own.announce()
    other.announce()
    own.announce()
    assert browser.get("/usher/health/ready").members == READY, "a change is on its way"
    of_a_while_ago(service, 31)
    own.announce()
    answer = browser.get("/usher/health/ready")
    checks = CHECKS | dict.fromkeys(differ, "degraded")
    assert answer.status_code == 200
    assert answer.members == READY | {"status": "degraded", "checks": checks}
    other.leave()
    own.announce()
    assert browser.get("/usher/health/ready").members == READY


def test_row_186_who_asks_makes_nobody_look_at_the_workers(service: Service) -> None:
    service.state.presence.announce()
    other = replica(service)
    other.announce()
    of_a_while_ago(service, 31)
    statements: list[str] = []
    engines = (service.state.database.engine, service.state.database._read_engine)

    def seen(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            statements.append(statement)

    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", seen)
    try:
        assert service.browser().get("/usher/health/ready").status_code == 200
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", seen)
    assert statements
    assert not [it for it in statements if "usher_workers" in it]


def test_a_provider_that_is_away_is_named_and_keeps_nobody_else_out(
    make_service: MakeService, tmp_path: Path
) -> None:
    secret = tmp_path / "client-secret"
    write_private_file(secret, b"client-secret-of-the-test")
    away = {
        "type": "oidc",
        "issuer": "http://127.0.0.1:9",
        "client_id": "shop",
        "client_secret": str(secret),
        "insecure_loopback": True,
    }
    service = make_service(providers={"brand": away, "local": {"type": "local"}})
    service.browser().get("/usher/oidc/brand/start")
    answer = service.browser().get("/usher/health/ready")
    assert answer.status_code == 200
    assert answer.members["providers"] == {"brand": "unavailable"}
    assert service.browser().get("/usher/sign-in").status_code == 200
