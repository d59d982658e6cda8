"""The sign-in page offers what the settings have: a form, buttons, or the only way straight."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask
from support.openid_service import OpenIdService, OpenIdWorkshop, asked, user_id
from support.refusals import assert_page_refused
from support.service import Answer, MakeService

from flask_usher.providers.base import Identity
from flask_usher.testing import JANE

PAGE = "/usher/sign-in"
LOCAL = {"local": {"type": "local"}}
HOST = {"shop": {"type": "host"}}


def buttons(page: Answer) -> list[tuple[str, str]]:
    """Return where the buttons lead, and what they say."""
    assert page.status_code == 200
    found = re.findall(r'<a class="button[^"]*" href="([^"]*)">([^<]*)</a>', page.text)
    return [(unescape(href), unescape(text)) for href, text in found]


def has_form(page: Answer) -> bool:
    return '<form method="post" action="/usher/sign-in">' in page.text


@pytest.fixture
def several(openid: OpenIdWorkshop) -> OpenIdService:
    """A service with a form, two providers and the app's own sign-in."""
    fakes = [openid.fake("id"), openid.fake("staff")]
    return openid.make(
        fakes[0],
        {"label": "your shop account"},
        providers={"staff": openid.table(fakes[1]), **LOCAL},
    )


def test_only_a_form(make_service: MakeService) -> None:
    page = make_service().browser().get(PAGE)
    assert has_form(page)
    assert buttons(page) == []
    assert "or with" not in page.text


def test_a_form_and_buttons(several: OpenIdService) -> None:
    page = several.browser().get(PAGE, query_string={"next": "/account?a=b&c"})
    assert has_form(page)
    assert buttons(page) == [
        ("/usher/oidc/id/start?next=/account?a%3Db%26c", "Sign in with your shop account"),
        ("/usher/oidc/staff/start?next=/account?a%3Db%26c", "Sign in with staff"),
    ]
    assert "or with a user name" in page.text
    assert page.text.index("Sign in with") < page.text.index("<form")


def test_the_buttons_lead_where_the_visitor_wanted_to_go(several: OpenIdService) -> None:
    browser = several.browser()
    (href, _), _ = buttons(browser.get(PAGE, query_string={"next": "/account?a=b&c"}))
    answer = browser.come_back(browser.consent(browser.get(href)))
    assert answer.headers["Location"] == "/account?a=b&c"
    assert browser.user_id() == user_id(JANE)


def test_the_form_beside_them_works(several: OpenIdService) -> None:
    several.service.add_account("jane")
    browser = several.browser()
    assert browser.sign_in("jane", next="/account").headers["Location"] == "/account"
    assert browser.user_id() == several.service.user_id_of("jane")


def test_the_buttons_stay_when_the_form_fails(several: OpenIdService) -> None:
    several.service.add_account("jane")
    answer = several.browser().sign_in("jane", "wrong-password-1", next="/account", lang="fr")
    assert_page_refused(answer, 401, "sign-in-failed")
    assert 'href="/usher/oidc/id/start?next=/account&amp;lang=fr"' in answer.text


def test_the_only_way_is_taken_at_once(shop: OpenIdService) -> None:
    browser = shop.browser()
    answer = browser.get(PAGE, query_string={"next": "/account?a=b&c", "lang": "fr"})
    assert answer.status_code == 303
    begun = browser.get(answer.headers["Location"])
    assert asked(begun)["ui_locales"] == "fr"
    arrived = browser.come_back(browser.consent(begun))
    assert arrived.headers["Location"] == "/account?a=b&c"


def test_the_only_way_but_the_visitor_says_no(shop: OpenIdService) -> None:
    """They see a page, and are not sent back and forth."""
    shop.fake.sign_out()
    browser = shop.browser()
    start = browser.get(PAGE).headers["Location"]
    answer = browser.come_back(browser.consent(browser.get(start)))
    assert_page_refused(answer, 403, "sign-in-declined")


def test_two_providers_and_no_form(openid: OpenIdWorkshop) -> None:
    fakes = [openid.fake("id"), openid.fake("staff")]
    shop = openid.make(fakes[0], providers={"staff": openid.table(fakes[1])})
    page = shop.browser().get(PAGE)
    assert not has_form(page)
    assert [text for _, text in buttons(page)] == ["Sign in with id", "Sign in with staff"]
    assert "or with" not in page.text
    form = {"username": "jane", "password": "x"}
    assert_page_refused(shop.browser().post(PAGE, data=form), 400, "form-expired")


def nobody() -> Identity | None:
    return None


def jane_of_the_shop() -> Identity | None:
    return Identity(provider="shop", subject="7", signed_in_at=0.0)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/login", "/login?next=%2Faccount%3Fa%3Db"),
        ("/my/sign-in?plain=1", "/my/sign-in?plain=1&next=%2Faccount%3Fa%3Db"),
    ],
)
def test_in_a_host_app_its_own_page_is_the_way(
    make_service: MakeService, path: str, target: str
) -> None:
    service = make_service(
        app=Flask("shop"),
        identify=nobody,
        providers={"shop": {"type": "host", "sign_in_path": path}},
    )
    answer = service.browser().get(PAGE, query_string={"next": "/account?a=b"})
    assert (answer.status_code, answer.headers["Location"]) == (303, target)


def test_who_is_signed_in_to_the_host_app_is_sent_on(make_service: MakeService) -> None:
    service = make_service(app=Flask("shop"), identify=jane_of_the_shop, providers=HOST)
    answer = service.browser().get(PAGE, query_string={"next": "/account"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")


def test_the_host_apps_page_beside_a_form(make_service: MakeService) -> None:
    service = make_service(app=Flask("shop"), identify=nobody, providers=HOST | LOCAL)
    page = service.browser().get(PAGE)
    assert has_form(page)
    assert buttons(page) == [("/login?next=%2F", "Sign in with shop")]


def test_nothing_to_choose(openid: OpenIdWorkshop) -> None:
    fake = openid.fake()
    bearer = {
        "type": "bearer",
        "issuer": fake.issuer,
        "audience": "chat",
        "clients": ["app"],
        "insecure_loopback": True,
    }
    service = openid.workshop.make(providers={"app": bearer})
    answer = service.browser().get(PAGE)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


@pytest.mark.parametrize(
    "label", ['"><script>alert(1)</script>', "{{7*7}}", "Caf\u00e9 & Co", "x" * 300]
)
def test_row_36_labels_are_text(openid: OpenIdWorkshop, label: str) -> None:
    shop = openid.make(table={"label": label}, providers=LOCAL)
    page = shop.browser().get(PAGE)
    assert [text for _, text in buttons(page)] == [f"Sign in with {label}"]
    assert "<script" not in page.text


@pytest.mark.parametrize("language", ["", "x y", "../de", "de" * 50, '"><script>'])
def test_row_184_a_language_that_is_none_stays_out(
    several: OpenIdService, language: str
) -> None:
    page = several.browser().get(PAGE, query_string={"lang": language})
    assert all("lang=" not in href for href, _ in buttons(page))
    assert 'name="lang"' not in page.text


@pytest.mark.parametrize("target", ["//evil.test", "https://evil.test/x", "/usher/token"])
def test_row_146_where_to_is_looked_at_before_it_goes_along(
    several: OpenIdService, target: str
) -> None:
    page = several.browser().get(PAGE, query_string={"next": target})
    assert [href for href, _ in buttons(page)] == [
        "/usher/oidc/id/start?next=/",
        "/usher/oidc/staff/start?next=/",
    ]


def test_asking_for_the_page_asks_no_provider(several: OpenIdService) -> None:
    several.browser().get(PAGE)
    assert several.fake.requests == []
