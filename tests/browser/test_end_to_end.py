"""The main job in a real browser: who is signed in gets a chat as that person, nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser.service import PASSWORD, Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.browser

CHAT = "usher-sandbox-chat"
USER_ID = "https://iadvize.com/userId"
SERVER_ERROR = "Failed to fetch authentication with a server error"
WRONG = "The name or the password is wrong. Check both and try again."


def timeline(page: Page, kind: str) -> list[dict[str, Any]]:
    script = "(kind) => window.iAdvizeSandbox.timeline.filter((it) => it.kind === kind)"
    found: list[dict[str, Any]] = page.evaluate(script, kind)
    return found


def expect_chat(page: Page, name: str = "Jane Doe") -> None:
    expect(page.get_by_role("button", name=f"Chat, authenticated as {name}")).to_be_visible()
    expect(step(page, "chat")).to_contain_text(f"Authenticated as {name}.")


def expect_no_chat(page: Page) -> None:
    expect(step(page, "chat")).to_contain_text("Off.")
    expect(page.locator(CHAT)).to_have_count(0)
    assert page.evaluate("window.iAdvizeSandbox.state.mode") == "inactive"


def expect_never_activated(page: Page) -> None:
    expect_no_chat(page)
    assert timeline(page, "activate") == []


def step(page: Page, name: str) -> Any:
    return page.locator(f"[data-step={name}]")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.fixture
def visitor(watch: Watch) -> BrowserContext:
    watch.expect(FAILED_LOAD)
    return watch.visitor()


@pytest.fixture
def signed_in(visitor: BrowserContext, service: Service) -> Page:
    page = visitor.new_page()
    service.sign_in(page)
    expect_chat(page)
    return page


@pytest.fixture
def jane_enabled_again(service: Service) -> Iterator[None]:
    yield
    service.set_active("jane", True)


def test_nobody_has_no_chat(visitor: BrowserContext, service: Service) -> None:
    page = visitor.new_page()
    page.goto(service.shop)
    expect(step(page, "token")).to_contain_text("Nobody is signed in (no-session)")
    expect_never_activated(page)


def test_who_signs_in_is_activated_as_that_person(signed_in: Page, service: Service) -> None:
    (verdict,) = timeline(signed_in, "verdict")
    user_id = f"local:{service.account_id('jane')}"
    assert verdict["visitor"] == {"user_id": user_id, "name": "Jane Doe"}
    assert verdict["inspection"]["claims"][USER_ID] == user_id
    assert verdict["inspection"]["claims"]["iss"] == service.origin
    assert {check["passed"] for check in verdict["inspection"]["checks"]} == {True}
    assert len(timeline(signed_in, "activate")) == 1
    expect(signed_in.get_by_text(user_id).first).to_be_visible()
    issued = [line["token_sha256"] for line in service.audit("issued")]
    assert verdict["token_sha256"] in issued


def test_each_page_view_and_each_refresh_has_a_token_of_its_own(
    signed_in: Page, service: Service
) -> None:
    first = timeline(signed_in, "verdict")
    signed_in.goto(f"{service.shop}?session=2")
    goes_on = signed_in.get_by_text("The session goes on, with a new token.")
    expect(goes_on.nth(1)).to_be_visible()
    verdicts = first + timeline(signed_in, "verdict")
    assert len({verdict["token_sha256"] for verdict in verdicts}) == len(verdicts) >= 4
    assert len({verdict["visitor"]["user_id"] for verdict in verdicts}) == 1
    expect_chat(signed_in)


def test_who_signs_out_has_no_chat_any_more(signed_in: Page, service: Service) -> None:
    press(signed_in, "Sign out")
    expect(signed_in.get_by_text("Not signed in")).to_be_visible()
    expect_no_chat(signed_in)
    assert len(timeline(signed_in, "logout")) == 1
    signed_in.reload()
    expect(step(signed_in, "token")).to_contain_text("no-session")
    expect_never_activated(signed_in)


def test_row_11_signed_out_behind_the_page_the_next_refresh_ends_the_chat(
    signed_in: Page, service: Service
) -> None:
    press(signed_in, "Sign out in another tab")
    expect(signed_in.get_by_text("Not signed in")).to_be_visible()
    issued = len(service.audit("issued"))
    press(signed_in, "End the session at iAdvize now")
    expect(step(signed_in, "token")).to_contain_text("no-session")
    expect_no_chat(signed_in)
    assert len(timeline(signed_in, "token-function-failed")) == 1
    assert len(timeline(signed_in, "logout")) == 1
    assert len(service.audit("issued")) == issued


def test_row_12_two_tabs_at_once_are_the_same_person_with_two_tokens(
    signed_in: Page, visitor: BrowserContext, service: Service
) -> None:
    tabs = [visitor.new_page(), visitor.new_page()]
    for tab in tabs:
        tab.goto(service.shop, wait_until="commit")
    for tab in tabs:
        expect_chat(tab)
    verdicts = [verdict for tab in tabs for verdict in timeline(tab, "verdict")]
    assert len({verdict["token_sha256"] for verdict in verdicts}) == 2
    assert len({verdict["visitor"]["user_id"] for verdict in verdicts}) == 1


@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("jane", "not-her-password", id="wrong-password"),
        pytest.param("nobody", PASSWORD, id="unknown-account"),
        pytest.param("sam", PASSWORD, id="disabled-account"),
        pytest.param('"><script>alert(1)</script>', "x", id="row36-markup"),
    ],
)
def test_a_failed_sign_in_says_the_same_to_everybody_and_gives_no_chat(
    name: str, password: str, visitor: BrowserContext, service: Service
) -> None:
    page = visitor.new_page()
    service.sign_in(page, name, password)
    expect(page.get_by_role("alert")).to_have_text(WRONG)
    expect(page.get_by_label("User name")).to_have_value(name)
    expect(page.get_by_label("Password")).to_be_focused()
    expect(page.get_by_label("Password")).to_have_value("")
    page.goto(service.shop)
    expect_never_activated(page)


def test_the_log_says_why_a_sign_in_failed(visitor: BrowserContext, service: Service) -> None:
    page = visitor.new_page()
    service.sign_in(page, "sam")
    expect(page.get_by_role("alert")).to_be_visible()
    assert service.audit("sign-in-failed")[-1]["reason"] == "account-disabled"


@pytest.mark.usefixtures("jane_enabled_again")
def test_row_42_disabled_while_signed_in_the_next_refresh_ends_the_chat(
    signed_in: Page, service: Service
) -> None:
    press(signed_in, "Disable jane")
    expect(signed_in.get_by_text("jane is disabled.")).to_be_visible()
    issued = len(service.audit("issued"))
    press(signed_in, "End the session at iAdvize now")
    expect(step(signed_in, "token")).to_contain_text("The account is not active")
    expect_no_chat(signed_in)
    signed_in.reload()
    expect(step(signed_in, "token")).to_contain_text("account-inactive")
    expect_never_activated(signed_in)
    assert len(service.audit("issued")) == issued
    press(signed_in, "Enable jane again")
    expect(signed_in.get_by_text("jane may sign in again.")).to_be_visible()


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        pytest.param("Wrong key", "invalid key", id="wrong-key"),
        pytest.param("Token expired", "expired token", id="row132-expired"),
        pytest.param("Our clock 10 min ahead", SERVER_ERROR, id="row132-exp-too-far"),
        pytest.param("Server error", SERVER_ERROR, id="server-error"),
        pytest.param("Feature off", SERVER_ERROR, id="feature-off"),
        pytest.param(
            "Set-up not complete",
            "Failed to authenticate visitor from credentials : the project's set-up is not "
            "complete",
            id="credentials",
        ),
    ],
)
def test_what_fails_at_iadvize_is_tried_four_times_and_then_left(
    condition: str, reason: str, signed_in: Page
) -> None:
    signed_in.get_by_role("link", name=condition).click()
    expect(signed_in.locator("#timeline")).to_contain_text("(activation-failed)")
    expect_no_chat(signed_in)
    (result,) = timeline(signed_in, "result")
    assert (result["status"], result["reason"]) == ("authentication-failure", reason)
    verdicts = timeline(signed_in, "verdict")
    assert len(verdicts) == 4
    assert len({verdict.get("token_sha256", i) for i, verdict in enumerate(verdicts)}) == 4
    expect(step(signed_in, "verdict")).to_contain_text(reason)


@pytest.mark.parametrize("condition", ["Slow answer", "Works at the third retry"])
def test_what_works_late_works(condition: str, signed_in: Page) -> None:
    signed_in.get_by_role("link", name=condition).click()
    expect_chat(signed_in)


@pytest.mark.parametrize(
    ("button", "said", "expect_state"),
    [
        pytest.param(
            "Hand over the wrong shape",
            "A valid authentication option must be provided",
            expect_no_chat,
            id="wrong-shape",
        ),
        pytest.param(
            "Activate twice",
            "Can't activate twice, please logout first",
            expect_chat,
            id="twice",
        ),
        pytest.param(
            "Activate during an activation",
            "An activation is already ongoing",
            expect_chat,
            id="during",
        ),
    ],
)
def test_mistakes_in_a_page_are_answered_with_the_documented_reason(
    button: str, said: str, expect_state: Callable[[Page], None], signed_in: Page
) -> None:
    press(signed_in, button)
    expect(signed_in.locator("#said")).to_contain_text(f"authentication-failure: “{said}”")
    expect_state(signed_in)


def test_a_service_with_another_recipient_key_gets_no_chat(
    start_service: Callable[..., Service], visitor: BrowserContext
) -> None:
    service = start_service(USHER__TOKEN__RECIPIENT_KEY="iadvize-production")
    page = visitor.new_page()
    service.sign_in(page)
    expect(step(page, "verdict")).to_contain_text("Refused: “invalid key”")
    expect_no_chat(page)
    assert len(timeline(page, "activate")) == 1


def sign_in_behind_the_page(visitor: BrowserContext, service: Service) -> None:
    form = visitor.new_page()
    form.goto(f"{service.origin}/usher/sign-in?next=/usher/sandbox/static/shop.css")
    form.get_by_label("User name").fill("jane")
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Sign in").click()
    form.wait_for_url("**/shop.css")
    form.close()


def test_where_the_policy_says_so_nobody_chats_anonymously_until_they_sign_in(
    start_service: Callable[..., Service], visitor: BrowserContext
) -> None:
    service = start_service(USHER__POLICY__ACTIVATION='{ no-session = "anonymous" }')
    page = visitor.new_page()
    page.goto(service.shop)
    page.get_by_role("button", name="Chat, anonymous").click()
    page.get_by_label("Your message").fill("Is it in stock?")
    page.keyboard.press("Enter")
    sign_in_behind_the_page(visitor, service)
    press(page, "Activate again, with Usher")
    expect(step(page, "chat")).to_contain_text("Authenticated as Jane Doe.")
    expect(page.get_by_text("Is it in stock?")).to_be_visible()


def test_row_19_a_cookie_that_disappears_is_nobody_and_asked_for_once(
    signed_in: Page, visitor: BrowserContext, service: Service
) -> None:
    visitor.clear_cookies()
    asked: list[str] = []
    signed_in.on("request", lambda request: asked.append(request.url))
    signed_in.reload()
    expect(step(signed_in, "token")).to_contain_text("no-session")
    expect_never_activated(signed_in)
    assert asked.count(f"{service.origin}/usher/token") == 1


def test_row_33_with_cookies_blocked_the_form_says_so_and_keeps_the_name(
    visitor: BrowserContext, service: Service
) -> None:
    page = visitor.new_page()
    page.goto(f"{service.origin}/usher/sign-in")
    visitor.clear_cookies()
    page.get_by_label("User name").fill("jane")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("expired, or cookies are blocked")
    expect(page.get_by_label("User name")).to_have_value("jane")


def test_after_signing_in_the_visitor_is_back_where_they_came_from(
    visitor: BrowserContext, service: Service
) -> None:
    page = visitor.new_page()
    page.goto(f"{service.shop}?session=600")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").fill("jane")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{service.shop}?session=600")
    expect_chat(page)


def test_no_log_holds_a_token_or_the_password(signed_in: Page, service: Service) -> None:
    log = service.log.read_text().replace(f"password  {PASSWORD}", "")
    assert '"issued"' in log
    assert "eyJ" not in log
    assert PASSWORD not in log
    assert "jane@shop.example" not in log
