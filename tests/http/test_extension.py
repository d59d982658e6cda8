"""Usher inside a Flask app that has its own package `app`, session, templates and errors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, flash, get_flashed_messages, render_template, request
from flask import session as host_session
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from support.refusals import assert_refused
from support.service import Browser, MakeService, Service
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_usher import SettingsError, Usher, current_state

SHOP = '''
"""The host's own package, which is called like the folder that Usher's sources lie in."""

from flask import Flask

def make():
    return Flask(__name__, template_folder="../templates")
'''
BASE = "<title>The shop's own base</title>{% block main %}{% endblock %}"
PAGE = """{% extends "base.html" %}{% block main %}
Hello {{ current_user.identity.claims.email if current_user.is_authenticated else "stranger" }}
{% endblock %}"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A host app with a package `app` of its own."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text(SHOP)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "base.html").write_text(BASE)
    (tmp_path / "templates" / "page.html").write_text(PAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    shop: Flask = importlib.import_module("app").make()
    shop.secret_key = "the shop's own secret"
    _add_views(shop)
    yield shop
    del sys.modules["app"]


def _add_views(shop: Flask) -> None:
    @shop.get("/")
    def home() -> str:
        return "home"

    @shop.get("/page")
    def page() -> str:
        return render_template("page.html")

    @shop.get("/cart")
    def cart() -> dict[str, Any]:
        host_session["items"] = host_session.get("items", 0) + 1
        return dict(host_session)

    @shop.get("/who")
    def who() -> dict[str, Any]:
        provider = current_user.identity.provider if current_user.is_authenticated else None
        return {"provider": provider, "session": dict(host_session)}

    @shop.get("/account")
    @shop.get("/caf\u00e9/<path:rest>")
    @login_required  # type: ignore[untyped-decorator]
    def account(rest: str = "") -> dict[str, Any]:
        return {"email": current_user.identity.claims["email"], "rest": rest}

    @shop.post("/upload")
    def upload() -> dict[str, int]:
        return {"bytes": len(request.get_data())}

    @shop.get("/boom")
    def boom() -> str:
        raise ZeroDivisionError

    @shop.get("/gone")
    def gone() -> str:
        abort(410)

    @shop.errorhandler(HTTPException)
    def on_http_error(error: HTTPException) -> tuple[str, int]:
        return f"the shop's own page for {error.code}", error.code or 500

    @shop.errorhandler(ZeroDivisionError)
    def on_division(_error: ZeroDivisionError) -> tuple[str, int]:
        return "the shop divides", 500


@pytest.fixture
def host(make_service: MakeService, shop: Flask) -> Service:
    """The service inside the host app."""
    return make_service(app=shop)


def shop_cookies(answer: Any) -> list[str]:
    return [name for name, _ in answer.cookies]


def test_the_hosts_package_is_its_own(host: Service) -> None:
    assert host.app.import_name == "app"
    assert "flask_usher" in sys.modules[Usher.__module__].__name__
    assert not hasattr(sys.modules["app"], "Usher")


def test_a_token_in_a_host_app(host: Service) -> None:
    browser = host.signed_in("jane")
    assert browser.user_id() == host.user_id_of("jane")
    assert_refused(host.browser().ask(), 401, "no-session")


@pytest.mark.parametrize("secret_key", ["the shop's own secret", None])
def test_the_whole_way_with_or_without_a_session_of_the_host(
    host: Service, secret_key: str | None
) -> None:
    host.app.secret_key = secret_key
    host.add_account("jane")
    browser = host.browser()
    refused = browser.get("/account?tab=1&x=a b")
    assert refused.status_code == 302
    assert refused.headers["Location"] == ("/usher/sign-in?next=/account?tab%3D1%26x%3Da%2520b")
    assert refused.cookies == []
    page = browser.get(refused.headers["Location"])
    assert 'name="next" value="/account?tab=1&amp;x=a%20b"' in page.text
    signed_in = browser.sign_in("jane", next="/account?tab=1&x=a%20b")
    assert signed_in.headers["Location"] == "/account?tab=1&x=a%20b"
    assert browser.get("/account").members["email"] == "jane@mail.example"
    assert browser.get("/who").members == {"provider": "local", "session": {}}
    browser.sign_out()
    assert browser.get("/account").status_code == 302


@pytest.mark.parametrize("rest", ["a", "\u65e5\u672c", "a b"])
def test_a_page_whose_name_is_not_ascii(host: Service, rest: str) -> None:
    host.add_account("jane")
    browser = host.browser()
    refused = browser.get(f"/caf\u00e9/{rest}")
    page = browser.get(refused.headers["Location"])
    target = page.text.partition('name="next" value="')[2].partition('"')[0]
    assert target.startswith("/caf%C3%A9/")
    browser.sign_in("jane", next=target)
    assert browser.get(target).members["rest"] == rest


def test_a_hostile_path_of_the_host_is_no_way_out(host: Service) -> None:
    refused = host.browser().get("/account", query_string="//evil.test/\r\nX-Evil: 1")
    assert refused.headers["Location"].startswith("/usher/sign-in?next=/account")
    assert "X-Evil" not in refused.headers
    assert "evil" not in refused.headers["Location"].partition("?")[0]


def test_templates_of_the_host_know_the_visitor(host: Service) -> None:
    assert "Hello stranger" in host.browser().get("/page").text
    page = host.signed_in("jane").get("/page").text
    assert "Hello jane@mail.example" in page
    assert "The shop's own base" in page


def test_templates_of_the_host_stay_out_of_our_pages(host: Service) -> None:
    page = host.browser().get("/usher/sign-in").text
    assert "The shop's own base" not in page
    assert 'href="/usher/static/usher.css"' in page


def test_the_hosts_session_is_untouched(host: Service) -> None:
    browser = host.signed_in("jane")
    browser.get("/cart")
    for path in ("/who", "/account", "/page", "/usher/session", "/usher/sign-in"):
        answer = browser.get(path)
        assert "session" not in shop_cookies(answer), path
    browser.ask()
    browser.sign_out()
    assert browser.get("/account").status_code == 302
    assert browser.get("/cart").members == {"items": 2}


@pytest.mark.parametrize("mode", ["basic", "strong"])
def test_nor_by_the_protection_that_flask_login_has_for_it(host: Service, mode: str) -> None:
    host.app.config["SESSION_PROTECTION"] = mode
    browser = host.signed_in("jane")
    browser.get("/cart")
    assert browser.get("/who", headers={"User-Agent": "another"}).members == {
        "provider": "local",
        "session": {"items": 1},
    }


@pytest.mark.parametrize("value", ["x", "1|abc", "", "\u00e9"])
@pytest.mark.parametrize("secret_key", ["the shop's own secret", None])
def test_a_cookie_that_flask_login_would_read_says_nothing(
    host: Service, value: str, secret_key: str | None
) -> None:
    host.app.secret_key = secret_key
    browser = host.signed_in("jane")
    browser.show(value, "remember_token")
    assert browser.get("/who").members["provider"] == "local"
    stranger = host.browser()
    stranger.show(value, "remember_token")
    assert stranger.get("/who").members["provider"] is None


def test_row_38_settings_of_the_hosts_cookie_are_not_those_of_ours(host: Service) -> None:
    host.app.config.update(
        SESSION_COOKIE_NAME="__Host-usher",
        SESSION_COOKIE_SECURE=False,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SAMESITE=None,
        SESSION_COOKIE_PATH="/shop",
        SESSION_COOKIE_DOMAIN="example",
        REMEMBER_COOKIE_SECURE=False,
    )
    host.add_account("jane")
    answer = host.browser().sign_in("jane")
    assert answer.headers.getlist("Set-Cookie")[0] == (
        f"__Host-usher={answer.cookies[0][1]}; Secure; HttpOnly; Path=/; SameSite=Lax"
    )


@pytest.mark.parametrize(
    "flags",
    [
        {"TESTING": True},
        {"DEBUG": True},
        {"PROPAGATE_EXCEPTIONS": True},
        {"TRAP_HTTP_EXCEPTIONS": True},
        {"TRAP_BAD_REQUEST_ERRORS": True},
    ],
    ids=str,
)
def test_our_errors_are_ours_however_the_host_treats_its_own(
    host: Service, monkeypatch: pytest.MonkeyPatch, flags: dict[str, bool]
) -> None:
    host.app.config.update(flags)
    browser = host.signed_in("jane")
    missing = browser.get("/usher/static/nothing.js")
    assert (missing.status_code, missing.members["code"]) == (404, "not-found")
    assert_refused(browser.ask("/nowhere"), 404, "not-found", event="request")
    monkeypatch.setattr("flask_usher.keys.PrivateKey.sign", None)
    assert_refused(browser.ask(), 500, "internal-error")
    monkeypatch.setattr("flask_usher.providers.local.LocalProvider.current", None)
    session = browser.get("/usher/session")
    assert (session.status_code, session.members["code"]) == (500, "internal-error")


def test_answers_of_the_host_are_its_own(host: Service) -> None:
    answer = host.signed_in("jane").get("/")
    assert answer.text == "home"
    expected = {"Content-Type", "Content-Length"}
    assert {name for name, _ in answer.headers} == expected


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/nowhere", 404, "the shop's own page for 404"),
        ("POST", "/cart", 405, "the shop's own page for 405"),
        ("GET", "/gone", 410, "the shop's own page for 410"),
        ("GET", "/boom", 500, "the shop divides"),
        ("GET", "/usher", 404, "the shop's own page for 404"),
        ("GET", "/ushering", 404, "the shop's own page for 404"),
        ("POST", "/token", 404, "the shop's own page for 404"),
    ],
)
def test_errors_of_the_host_are_its_own(
    host: Service, method: str, path: str, status: int, text: str
) -> None:
    answer = host.browser().open(path, method=method, base_url="http://anything.test")
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.audit_lines == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/nowhere", 404, "not-found"),
        ("GET", "/token", 405, "method-not-allowed"),
        ("POST", "/token", 401, "no-session"),
    ],
)
def test_our_errors_are_ours(
    host: Service, method: str, path: str, status: int, code: str
) -> None:
    answer = host.browser().ask(path, method=method)
    assert_refused(answer, status, code, event="token" if path == "/token" else "request")


@pytest.mark.parametrize("limit", [None, 100, 1_000_000])
def test_the_size_of_bodies_is_the_hosts_to_limit(host: Service, limit: int | None) -> None:
    host.app.config["MAX_CONTENT_LENGTH"] = limit
    browser = host.signed_in("jane")
    large = browser.post("/upload", data=b"x" * 50_000)
    assert large.status_code == (413 if limit == 100 else 200)
    assert_refused(browser.ask(data=b" " * 20_000), 413, "content-too-large")
    assert browser.ask().status_code == 200
    assert host.app.config["MAX_CONTENT_LENGTH"] == limit


def test_a_login_manager_of_the_host_stays(make_service: MakeService, shop: Flask) -> None:
    class Clerk(UserMixin):  # type: ignore[misc]
        id = "clerk"

    manager = LoginManager(shop)
    manager.user_loader(lambda _id: Clerk())

    @shop.get("/clerk")
    def clerk() -> str:
        login_user(Clerk())
        return "in"

    @shop.get("/desk")
    def desk() -> str:
        return str(current_user.get_id())

    host = make_service(app=shop)
    assert shop.login_manager is manager  # type: ignore[attr-defined]
    browser = host.signed_in("jane")
    browser.get("/clerk")
    assert browser.get("/desk").text == "clerk"
    assert browser.user_id() == host.user_id_of("jane")


def test_messages_that_the_host_flashes_are_its_own(host: Service) -> None:
    @host.app.get("/flash")
    def flash_one() -> str:
        flash("from the shop")
        return ""

    @host.app.get("/messages")
    def messages() -> dict[str, Any]:
        return {"messages": get_flashed_messages()}

    browser = host.browser()
    browser.get("/flash")
    browser.get("/account")
    browser.get("/usher/sign-in")
    assert browser.get("/messages").members == {"messages": ["from the shop"]}


def test_a_second_time_on_one_app_is_refused(host: Service) -> None:
    routes = len(list(host.app.url_map.iter_rules()))
    with pytest.raises(RuntimeError, match="already"):
        Usher(host.app)
    with pytest.raises(RuntimeError, match="already"):
        Usher().init_app(host.app)
    assert len(list(host.app.url_map.iter_rules())) == routes


def test_settings_that_are_wrong_leave_the_app_as_it_was(shop: Flask) -> None:
    shop.config["USHER"] = {"public_url": "nowhere"}
    rules = [str(rule) for rule in shop.url_map.iter_rules()]
    with pytest.raises(SettingsError):
        Usher(shop)
    assert [str(rule) for rule in shop.url_map.iter_rules()] == rules
    assert "usher" not in shop.extensions
    assert not hasattr(shop, "login_manager")


@pytest.fixture
def two(make_service: MakeService) -> tuple[Service, Service]:
    """Two apps in one process, with everything different."""
    first = make_service(
        app=Flask("first"), public_url="https://one.example", url_prefix="/one"
    )
    second = make_service(
        app=Flask("second"),
        public_url="https://two.example",
        url_prefix="/deep/two",
        token={"issuer": "https://brand.example", "lifetime_seconds": 120},
        sign_ins={"idle_seconds": 60},
    )
    return first, second


def test_two_apps_do_not_mix(two: tuple[Service, Service]) -> None:
    first, second = two
    jane, also_jane = first.signed_in("jane"), second.signed_in("jane")
    for browser, service, lifetime in ((jane, first, 60), (also_jane, second, 120)):
        answer = browser.ask()
        assert answer.members["expires_in"] == lifetime
        claims = service.open_token(answer.members["token"])
        assert claims["iss"] == service.state.settings.issuer
        assert claims["https://iadvize.com/userId"] == service.user_id_of("jane")
        assert len(service.issued()) == 1
    assert first.user_id_of("jane") != second.user_id_of("jane")


def test_a_cookie_of_one_is_no_good_at_the_other(two: tuple[Service, Service]) -> None:
    for one, other in (two, two[::-1]):
        stranger = other.browser()
        stranger.show(one.signed_in("jane").cookie() or "")
        assert_refused(stranger.ask(), 401, "no-session")


def test_a_form_of_one_is_no_good_at_the_other(two: tuple[Service, Service]) -> None:
    for one, other in (two, two[::-1]):
        other.add_account("kim")
        here, there = one.browser(), other.browser()
        token = here.form_token()
        there.show(here.cookie("__Host-usher-form") or "", "__Host-usher-form")
        answer = there.send_form(token, username="kim", password="violet-otter-41-harbour")
        assert answer.status_code == 400


def test_addresses_of_one_are_nothing_at_the_other(two: tuple[Service, Service]) -> None:
    first, second = two
    for one, other in ((first, second), (second, first)):
        answer = one.browser().post(f"{other.prefix}/token", base_url=one.origin)
        assert answer.status_code == 404
    assert_refused(first.browser().ask(base_url=second.origin), 400, "host-not-allowed")
    assert second.browser().get("/deep/two/sign-in").text.count("/deep/two/") == 3


def test_one_extension_object_serves_many_apps(two: tuple[Service, Service]) -> None:
    apps = [Flask("third"), Flask("fourth")]
    usher = Usher()
    for app, service in zip(apps, two, strict=True):
        app.config["USHER"] = service.config
        usher.init_app(app)
    for app, service in zip(apps, two, strict=True):
        (path,) = (str(it) for it in app.url_map.iter_rules() if it.endpoint == "usher.token")
        assert path == f"{service.prefix}/token"
        app.extensions["usher"].close()


def test_one_behind_the_other_in_one_process(two: tuple[Service, Service]) -> None:
    """Both are mounted on one site, each with a page that asks the other."""
    first, second = two

    @first.app.get("/inner")
    def inner() -> Response:
        asked = second.signed_in("sam").ask()
        return Response(second.open_token(asked.members["token"])["iss"])

    jane = first.signed_in("jane")
    assert jane.get("/inner").text == "https://brand.example"
    assert jane.user_id() == first.user_id_of("jane")


@pytest.mark.parametrize("mount", ["/shop", "/shop/de"])
def test_below_a_mount_point(host: Service, mount: str) -> None:
    host.app.wsgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        Flask("outer").wsgi_app, {mount: host.app.wsgi_app}
    )
    browser = host.signed_in("jane")
    assert browser.open(f"{mount}/account").members["email"] == "jane@mail.example"
    stranger = host.browser()
    refused = stranger.get(f"{mount}/account?a=b")
    assert refused.headers["Location"] == f"{mount}/usher/sign-in?next={mount}/account?a%3Db"
    page = stranger.get(refused.headers["Location"])
    assert f'action="{mount}/usher/sign-in"' in page.text
    assert f'name="next" value="{mount}/account?a=b"' in page.text
    problem = stranger.post(f"{mount}/usher/token").members
    assert problem["code"] == "client-header-required"


def test_requests_inside_an_app_context_do_not_share_anything(host: Service) -> None:
    people = [host.signed_in(name) for name in ("jane", "sam")]
    with host.app.app_context():
        answers = [browser.ask() for browser in people]
        assert current_state() is host.state
    user_ids = [
        host.open_token(answer.members["token"])["https://iadvize.com/userId"]
        for answer in answers
    ]
    assert user_ids == [host.user_id_of("jane"), host.user_id_of("sam")]
    ids = {line["support_id"] for line in host.audit_lines()}
    assert len(ids) == 2


def test_a_template_of_the_host_that_fails_is_not_ours(host: Service) -> None:
    @host.app.context_processor
    def failing() -> dict[str, Any]:
        raise ZeroDivisionError

    answer = host.browser().get("/usher/sign-in")
    assert answer.status_code == 200


def test_escaping_is_not_the_hosts_to_switch_off(host: Service) -> None:
    host.app.jinja_env.autoescape = False
    browser: Browser = host.browser()
    answer = browser.sign_in('"><script>alert(1)</script>', "wrong-password-1")
    assert "<script" not in answer.text
