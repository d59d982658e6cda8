"""A host app whose Flask-Login says who is signed in, with users of every make."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, login_user
from support.refusals import assert_refused
from support.service import Browser, MakeService, Service

from flask_usher import Facts, Refuse, SettingsError
from flask_usher.errors import Code

HOST = {"host": {"type": "host"}}


class Customer(UserMixin):  # type: ignore[misc]
    """As most apps have it."""

    def __init__(self) -> None:
        self.id: Any = 7


class Disabled(Customer):
    """Not active, whatever else."""

    is_active = False


class SignedInAllTheSame(Disabled):
    """Not active, by a class that does not count that."""

    is_authenticated = True


class NamedBySession(Customer):
    """With what Flask-Login calls an alternative id, so that sessions can be ended."""

    def get_id(self) -> str:
        return "a-session-of-today"


class Nameless(UserMixin):  # type: ignore[misc]
    """Without an id; perhaps this one is the session's."""

    def get_id(self) -> str:
        return "7"


def signed_in(
    make_service: MakeService, user: object, **changes: Any
) -> tuple[Service, Browser]:
    app = Flask("host")
    app.secret_key = "the host's own secret"
    LoginManager(app).user_loader(lambda _id: user)

    @app.get("/in")
    def sign_in() -> str:
        login_user(user, force=True)
        return ""

    service = make_service(app=app, providers=HOST, **changes)
    browser = service.browser()
    assert_refused(browser.ask(), 401, "no-session")
    browser.get("/in")
    return service, browser


def test_the_id_is_the_person(make_service: MakeService) -> None:
    _, browser = signed_in(make_service, Customer())
    assert browser.user_id() == "host:7"


@pytest.mark.parametrize("user", [Disabled(), SignedInAllTheSame()], ids=["plain", "own"])
def test_row_42_who_is_not_active_gets_nothing(make_service: MakeService, user: object) -> None:
    _, browser = signed_in(make_service, user)
    assert_refused(browser.ask(), 401, "no-session")


@pytest.mark.parametrize("user", [NamedBySession(), Nameless()], ids=["session", "nameless"])
def test_row_122_a_name_that_may_be_the_sessions_is_refused_and_the_log_says_why(
    make_service: MakeService, user: object, caplog: pytest.LogCaptureFixture
) -> None:
    _, browser = signed_in(make_service, user)
    assert_refused(browser.ask(), 500, "internal-error")
    assert "pass Usher(app, identify=" in caplog.text
    assert "a-session-of-today" not in caplog.text


def test_nobody_knows_when_so_no_rule_takes_it_for_now(make_service: MakeService) -> None:
    def only_fresh(facts: Facts) -> Refuse | None:
        assert facts.identity is not None
        fresh = service.clock() - facts.identity.signed_in_at < 300
        return None if fresh else Refuse(Code.NOT_ALLOWED)

    service, browser = signed_in(make_service, Customer(), rules=(only_fresh,))
    assert_refused(browser.ask(), 403, "not-allowed")


def test_without_flask_login_and_without_a_function_there_is_no_start(
    make_service: MakeService,
) -> None:
    with pytest.raises(SettingsError, match="identify="):
        make_service(app=Flask("host"), providers=HOST)
