"""Signing in and out with a real OpenID provider, as a person does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from browser.openid import Installation, forget_sign_in, has_sign_in, installed
from browser.service import PASSWORD, Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import BrowserContext, Page, expect
from support.openid_provider import JANE, JOHN, RealOpenIdProvider

from flask_usher.providers.key_sets import ISSUERS_COOL_DOWN_SECONDS

pytestmark = [pytest.mark.browser, pytest.mark.node]

USER_ID = "https://iadvize.com/userId"
JANES_ID = f"openid:{JANE}"

Install = Callable[[], Installation]


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(installed(tmp_path_factory.mktemp("openid")))


@pytest.fixture(scope="module")
def site(install: Install) -> Installation:
    return install()


@pytest.fixture
def visitor(watch: Watch) -> BrowserContext:
    watch.expect(FAILED_LOAD)
    return watch.visitor()


@pytest.fixture
def page(visitor: BrowserContext) -> Page:
    return visitor.new_page()


@pytest.fixture
def signed_in(page: Page, site: Installation) -> Page:
    site.sign_in(page)
    expect_chat(page)
    return page


def expect_chat(page: Page, name: str = "Jane Doe", user_id: str = JANES_ID) -> None:
    """Expect the chat of this person, and that the token was about nobody else."""
    expect(page.locator("[data-step=chat]")).to_contain_text(f"Authenticated as {name}.")
    state = page.evaluate("window.iAdvizeSandbox.state")
    assert (state["mode"], state["user_id"]) == ("authenticated", user_id)
    assert state["inspection"]["claims"][USER_ID] == user_id


def expect_nobody(page: Page) -> None:
    """Expect a shop in which nobody is signed in and the chat was never activated."""
    expect(page.locator("[data-step=token]")).to_contain_text("(no-session)")
    expect(page.get_by_text("Not signed in")).to_be_visible()
    assert page.evaluate("window.iAdvizeSandbox.state.mode") == "inactive"
    assert page.evaluate("window.iAdvizeSandbox.count('activate')") == 0


def expect_chat_to_end(page: Page) -> None:
    """End the session at iAdvize, so that its tag asks for a token again, and gets none."""
    page.evaluate("window.iAdvizeSandbox.refresh()")
    expect(page.locator("[data-step=token]")).to_contain_text("(no-session)")
    assert page.evaluate("window.iAdvizeSandbox.state.mode") == "inactive"


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def code_of_token(visitor: BrowserContext, service: Service) -> str:
    """Ask for a token with the browser's cookies, and return what came of it."""
    headers = {"X-Usher-Client": "test/1", "Content-Type": "application/json"}
    answer = visitor.request.post(
        f"{service.origin}/usher/token", headers=headers, data="{}", max_redirects=0
    ).json()
    return "issued" if "token" in answer else str(answer["code"])


def test_who_signs_in_at_the_provider_and_agrees_is_activated(
    page: Page, site: Installation
) -> None:
    site.begin(page)
    assert page.url.startswith(site.provider.issuer)
    site.prove(page)
    expect(page.get_by_role("heading", name="Do you agree?")).to_be_visible()
    press(page, "Allow")
    page.wait_for_url(site.first.shop)
    expect_chat(page)
    (verdict,) = page.evaluate(
        "window.iAdvizeSandbox.timeline.filter((it) => it.kind === 'verdict')"
    )
    assert {check["passed"] for check in verdict["inspection"]["checks"]} == {True}
    hashes = [line["token_sha256"] for line in site.first.audit("issued")]
    assert verdict["token_sha256"] in hashes


def test_row_47_no_cookie_of_ours_holds_a_token_or_a_name(
    signed_in: Page, visitor: BrowserContext
) -> None:
    ours = [it for it in visitor.cookies() if it["name"].startswith("usher")]
    assert {it["name"] for it in ours} == {"usher", "usher-form"}
    for cookie in ours:
        assert "eyJ" not in cookie["value"]
        assert JANE not in cookie["value"]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")


def test_the_way_back_leads_to_the_page_that_asked(
    page: Page, visitor: BrowserContext, site: Installation
) -> None:
    site.sign_in(page)
    forget_sign_in(visitor)
    page.goto(f"{site.first.shop}?session=900")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="the OpenID provider").click()
    page.wait_for_url(f"{site.first.shop}?session=900")
    expect_chat(page)


def test_two_people_on_two_computers_are_two_people(
    signed_in: Page, watch: Watch, site: Installation
) -> None:
    other = watch.page()
    site.sign_in(other, name="john")
    expect_chat(other, "John Roe", f"openid:{JOHN}")
    signed_in.reload()
    expect_chat(signed_in)


def test_accounts_of_our_own_work_beside_the_provider(page: Page, site: Installation) -> None:
    site.first.sign_in(page, "jane", PASSWORD)
    user_id = f"local:{site.first.account_id('jane')}"
    expect_chat(page, user_id=user_id)


def test_who_is_signed_in_at_the_provider_is_signed_in_silently(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    forget_sign_in(visitor)
    signed_in.goto(site.first.shop)
    expect_nobody(signed_in)
    site.sign_in_silently(signed_in)
    expect_chat(signed_in)


def test_who_is_not_signed_in_at_the_provider_sees_nothing_of_a_silent_attempt(
    page: Page, visitor: BrowserContext, site: Installation
) -> None:
    site.sign_in_silently(page)
    expect_nobody(page)
    assert [it for it in visitor.cookies() if it["name"].startswith("usher")] == []


def test_signing_out_in_the_shop_ends_the_session_at_the_provider(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    press(signed_in, "Sign out")
    expect(signed_in.get_by_role("heading", name="Sign out?")).to_be_visible()
    assert signed_in.url.startswith(site.provider.issuer)
    # The sign-in at Usher has ended, whatever the visitor chooses here.
    assert not has_sign_in(visitor)
    press(signed_in, "Sign out")
    signed_in.wait_for_url(site.first.shop)
    expect_nobody(signed_in)
    site.sign_in_silently(signed_in)
    expect_nobody(signed_in)


def test_who_stays_signed_in_at_the_provider_has_left_the_shop_all_the_same(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    press(signed_in, "Sign out")
    press(signed_in, "Stay signed in")
    signed_in.wait_for_url(site.first.shop)
    expect_nobody(signed_in)
    assert code_of_token(visitor, site.first) == "no-session"
    site.begin(signed_in)
    # No password: the provider knows who this is, but has forgotten that they agreed.
    press(signed_in, "Allow")
    signed_in.wait_for_url(site.first.shop)
    expect_chat(signed_in)


def test_a_form_without_any_script_signs_out_at_the_provider_too(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    form = "<form method=post action=/usher/sign-out><button>Leave</button></form>"
    signed_in.route(
        "**/account", lambda route: route.fulfill(body=form, content_type="text/html")
    )
    signed_in.goto(f"{site.first.origin}/account")
    press(signed_in, "Leave")
    press(signed_in, "Sign out")
    signed_in.wait_for_url(site.first.shop)
    expect_nobody(signed_in)
    assert not has_sign_in(visitor)
    site.sign_in_silently(signed_in)
    expect_nobody(signed_in)


def test_a_logout_at_the_provider_ends_the_sign_in_on_every_process(
    signed_in: Page, visitor: BrowserContext, watch: Watch, site: Installation
) -> None:
    both = (site.first, site.second)
    on_the_other = visitor.new_page()
    on_the_other.goto(site.second.shop)
    expect_chat(on_the_other)
    elsewhere = watch.visitor()
    janes_telephone = elsewhere.new_page()
    site.sign_in(janes_telephone, site.second)
    expect_chat(janes_telephone)
    before = len(site.first.audit("sign-ins-ended"))

    site.sign_out_at_the_provider(visitor.new_page())

    assert has_sign_in(visitor)
    assert [code_of_token(visitor, it) for it in both] == ["no-session"] * 2
    expect_chat_to_end(signed_in)
    expect_chat_to_end(on_the_other)
    # Only the session that was named has ended, not all of the person's.
    assert [code_of_token(elsewhere, it) for it in both] == ["issued"] * 2
    assert [line["count"] for line in site.first.audit("sign-ins-ended")[before:]] == [1]


def test_a_session_that_expires_at_the_provider_is_not_renewed_in_silence(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    site.provider.forget_sessions()
    # A sign-in of ours has its own time; the provider has told nobody.
    signed_in.reload()
    expect_chat(signed_in)
    forget_sign_in(visitor)
    site.sign_in_silently(signed_in)
    expect_nobody(signed_in)
    site.begin(signed_in)
    expect(signed_in.get_by_label("Password")).to_be_visible()
    site.prove(signed_in)
    press(signed_in, "Allow")
    signed_in.wait_for_url(site.first.shop)
    expect_chat(signed_in)


def test_signing_out_works_after_the_session_at_the_provider_has_expired(
    signed_in: Page, visitor: BrowserContext, site: Installation
) -> None:
    site.provider.forget_sessions()
    # There is nothing to ask about, so the provider sends the visitor back at once.
    with signed_in.expect_navigation(url=site.first.shop):
        press(signed_in, "Sign out")
    expect_nobody(signed_in)
    assert not has_sign_in(visitor)


@pytest.mark.parametrize("at", ["sign-in", "consent"])
def test_who_refuses_at_the_provider_is_told_so_and_is_not_signed_in(
    page: Page, visitor: BrowserContext, site: Installation, at: str
) -> None:
    before = len(site.first.audit("sign-in-declined"))
    site.begin(page)
    with page.expect_response("**/callback?**") as callback:
        if at == "sign-in":
            press(page, "Cancel")
        else:
            site.prove(page)
            press(page, "Refuse")
    assert callback.value.status == 403
    assert "the person refused" not in page.content()
    expect(page.get_by_role("heading", name="The sign-in was declined")).to_be_visible()
    assert not has_sign_in(visitor)
    assert [it for it in visitor.cookies() if it["name"].startswith("usher-attempt")] == []
    assert len(site.first.audit("sign-in-declined")) == before + 1
    assert code_of_token(visitor, site.first) == "no-session"
    page.goto(site.first.shop)
    expect_nobody(page)


def published_keys(provider: RealOpenIdProvider) -> dict[str, str]:
    keys: list[dict[str, Any]] = requests.get(
        provider.metadata()["jwks_uri"], timeout=5
    ).json()["keys"]
    return {key["kid"]: key["n"] for key in keys}


@pytest.mark.slow
def test_row_92_and_row_93_new_keys_of_the_provider_hold_up_nobody(
    install: Install, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    site = install()
    for service in (site.first, site.second):
        page = watch.page()
        site.sign_in(page, service)
        expect_chat(page)
    at_first = published_keys(site.provider)
    # Keys are not looked at again right after the first time.
    time.sleep(ISSUERS_COOL_DOWN_SECONDS)

    # One process meets another key under the name that it knows, the other one a new name.
    site.provider.replace_keys()
    replaced = published_keys(site.provider)
    assert replaced.keys() == at_first.keys()
    assert set(replaced.values()).isdisjoint(at_first.values())
    page = watch.page()
    site.sign_in(page, site.first)
    expect_chat(page)

    site.provider.rotate_keys()
    assert published_keys(site.provider).keys() > at_first.keys()
    page = watch.page()
    site.sign_in(page, site.second)
    expect_chat(page)
