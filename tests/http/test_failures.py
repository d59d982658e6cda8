"""Something fails on the way: no token, no sign-in, and not a word outside of the cause."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa
from flask import Flask, request
from support.refusals import assert_page_refused, assert_refused
from support.service import Browser, MakeService, Service

from flask_usher import Facts, Issue, Refuse, minter
from flask_usher.errors import Code
from flask_usher.keys import PrivateKey
from flask_usher.providers.base import Identity, ProviderUnavailable
from flask_usher.providers.passwords import Passwords


def fail(*_args: object, **_kwargs: object) -> NoReturn:
    raise RuntimeError


@pytest.fixture
def jane(service: Service) -> Browser:
    """A browser of jane, who has signed in."""
    return service.signed_in("jane")


@pytest.mark.parametrize("error", [OSError, NotImplementedError, MemoryError, ValueError])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        pytest.param(os, "urandom", id="row134-urandom"),
        pytest.param(PrivateKey, "sign", id="row134-sign"),
        pytest.param(minter, "AESGCM", id="row134-encrypt"),
    ],
)
def test_the_mint_fails(
    jane: Browser,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    error: type[Exception],
) -> None:
    def fail(*_args: object, **_kwargs: object) -> NoReturn:
        raise error("no")

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        answer = jane.ask()
    assert_refused(answer, 500, "internal-error")
    assert jane.ask().status_code == 200


def test_row_134_no_randomness_at_all(jane: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> NoReturn:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "urandom", fail)
        patch.setattr(random, "_urandom", fail)
        # There is not even a support id to answer with: the server answers for us, with 500.
        with pytest.raises(OSError, match="no"):
            jane.ask()
    assert jane.service.audit_lines() == []
    assert jane.ask().status_code == 200


def test_row_134_no_randomness_to_sign_in_with(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.add_account("jane")
    browser = service.browser()
    token = browser.form_token()
    with monkeypatch.context() as patch:
        patch.setattr("secrets.token_urlsafe", fail)
        answer = browser.send_form(token, username="jane", password="violet-otter-41-harbour")
    assert_page_refused(answer, 500, "internal-error")
    assert browser.cookie() is None


def test_row_134_the_log_has_the_support_id(
    jane: Browser, monkeypatch: pytest.MonkeyPatch, log: Any
) -> None:
    monkeypatch.setattr(PrivateKey, "sign", fail)
    answer = jane.ask()
    assert answer.members["support_id"] in log.text
    assert "RuntimeError" in log.text


def rule_that_raises(_facts: Facts) -> Refuse | None:
    raise ValueError("no")


def rule_that_refuses(_facts: Facts) -> Refuse | None:
    return Refuse(Code.NOT_ALLOWED, "closed on Sundays")


@pytest.mark.parametrize("rule", [rule_that_raises, rule_that_refuses])
def test_a_rule_of_the_operators_own(make_service: MakeService, rule: Any) -> None:
    service = make_service(rules=(rule,))
    answer = service.signed_in().ask()
    assert_refused(answer, 403, "not-allowed")
    assert "Sundays" not in answer.text
    assert answer.audit_lines[0]["reason"]


@pytest.mark.parametrize("given", [1, "yes", True, object(), [], Issue, Refuse])
def test_a_rule_that_gives_no_decision(make_service: MakeService, given: object) -> None:
    service = make_service(rules=(lambda _facts: given,))
    assert_refused(service.signed_in().ask(), 403, "not-allowed")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProviderUnavailable("away"), 503, "provider-unavailable"),
        (RuntimeError("no"), 500, "internal-error"),
        (RecursionError(), 500, "internal-error"),
    ],
)
def test_the_provider_fails(
    jane: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def fail(*_args: object) -> NoReturn:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("flask_usher.providers.local.LocalProvider.current", fail)
        assert_refused(jane.ask(), status, code)
        answer = jane.get("/usher/session")
        assert (answer.status_code, answer.members["code"]) == (status, code)
        page = jane.get("/usher/sign-in")
        assert (page.status_code, page.mimetype) == (status, "text/html")
    jane.service.clock.advance(5)
    assert jane.ask().status_code == 200


def test_a_provider_that_does_not_answer_is_asked_once_for_four_tries(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def fail(*arguments: object) -> NoReturn:
        asked.append(arguments)
        raise ProviderUnavailable("away")

    jane, sam = service.signed_in("jane"), service.signed_in("sam")
    with monkeypatch.context() as patch:
        patch.setattr("flask_usher.providers.local.LocalProvider.current", fail)
        for _ in range(4):
            assert_refused(jane.ask(), 503, "provider-unavailable")
        assert len(asked) == 1
        # Somebody else's failure is no answer to others.
        assert_refused(sam.ask(), 503, "provider-unavailable")
        assert len(asked) == 2
        service.clock.advance(5)
        assert_refused(jane.ask(), 503, "provider-unavailable")
        assert len(asked) == 3
        service.clock.advance(-60)
        assert_refused(jane.ask(), 503, "provider-unavailable")
        assert len(asked) == 4
    assert_refused(jane.ask(), 503, "provider-unavailable")
    service.clock.advance(5)
    assert jane.ask().status_code == 200


def test_one_of_the_host_apps_people_speaks_for_nobody_else(make_service: MakeService) -> None:
    def identify() -> Identity:
        subject = request.headers["X-Session"]
        if subject == "jane":
            raise ProviderUnavailable("her record is locked")
        return Identity(provider="host", subject=subject, signed_in_at=0.0)

    service = make_service(
        app=Flask("host"), providers={"host": {"type": "host"}}, identify=identify
    )
    browser = service.browser()
    refused = browser.ask(headers={"X-Session": "jane"})
    assert_refused(refused, 503, "provider-unavailable")
    assert browser.ask(headers={"X-Session": "sam"}).status_code == 200


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProviderUnavailable("busy"), 503, "provider-unavailable"),
        (RuntimeError("no"), 500, "internal-error"),
    ],
)
def test_the_provider_fails_at_sign_in(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    def fail(*_args: object) -> NoReturn:
        raise error

    service.add_account("jane")
    browser = service.browser()
    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "verify", fail)
        answer = browser.sign_in("jane")
    assert_page_refused(answer, status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert browser.cookie() is None
    assert browser.sign_in("jane").status_code == 303


@pytest.fixture
def broken(make_service: MakeService) -> Callable[[], Browser]:
    """Signs somebody in, and then takes the tables away."""
    service = make_service()

    def break_it() -> Browser:
        browser = service.signed_in("jane")
        with service.state.database.writing() as connection:
            connection.exec_driver_sql("ALTER TABLE usher_sign_ins RENAME TO gone")
        return browser

    return break_it


def test_row_163_the_database_fails(broken: Callable[[], Browser]) -> None:
    browser = broken()
    assert_refused(browser.ask(), 503, "store-unavailable")
    assert browser.cookie() is not None
    for path, kind in [("/session", "application/problem+json"), ("/sign-in", "text/html")]:
        answer = browser.get(f"/usher{path}")
        assert (answer.status_code, answer.mimetype) == (503, kind)
        assert answer.headers["Retry-After"] == "5"
        assert answer.cookies == []
    refused = browser.sign_out()
    assert_refused(refused, 503, "store-unavailable", event="sign-out")
    assert browser.cookie() is not None
    with browser.service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO usher_sign_ins")
    assert browser.ask().status_code == 200


def test_row_163_the_database_fails_at_sign_in(broken: Callable[[], Browser]) -> None:
    broken_service = broken().service
    browser = broken_service.browser()
    answer = browser.sign_in("jane")
    assert_page_refused(answer, 503, "store-unavailable")
    assert browser.cookie() is None


def test_row_163_a_database_that_is_read_only_still_serves(
    make_service: MakeService,
) -> None:
    service = make_service()
    browser = service.signed_in("jane")
    service.clock.advance(120)

    def refuse_to_write(*_args: object) -> NoReturn:
        raise sa.exc.OperationalError("BEGIN", {}, Exception("readonly"))

    sa.event.listen(service.state.database.engine, "begin", refuse_to_write)
    assert browser.ask().status_code == 200
    answer = service.browser().sign_in("jane")
    assert_page_refused(answer, 503, "store-unavailable")


def test_the_page_of_a_problem_in_a_host_app_in_debug_mode(make_service: MakeService) -> None:
    app = Flask("host", root_path=str(Path(__file__).parent))
    app.debug = True
    app.testing = True
    service = make_service(app=app, audit={"file": "/dev/full"})
    browser = service.signed_in("jane")
    for answer in (browser.ask(), browser.ask("/nowhere"), browser.get("/usher/nowhere")):
        assert answer.status_code == 503
        assert answer.members["code"] == "audit-unavailable"
