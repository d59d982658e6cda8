"""The chat belongs to whoever is signed in: other tabs, other people, sleep, no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browser.backend import CLIENT, TAG, Backend, accepted
from browser.chromium import ARGUMENTS
from browser.client import CHAT, refresh, state, wait_until
from browser.service import PASSWORD, Service
from browser.watch import FAILED_LOAD, Watch
from parts import chromium
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser

COLLECT = """
  window.outcomes = [];
  document.addEventListener('usher:outcome', ({ detail }) => window.outcomes.push(detail));
"""
SIGN_OUT = "() => import('/usher/static/usher.js').then((it) => it.signOut())"


@pytest.fixture
def visitor(watch: Watch) -> BrowserContext:
    watch.expect(FAILED_LOAD, "net::ERR_INTERNET_DISCONNECTED")
    context = watch.visitor()
    context.add_init_script(COLLECT)
    return context


@pytest.fixture
def jane(visitor: BrowserContext, two_workers: Service) -> Page:
    """A tab in which Jane has her chat."""
    return open_shop_as(visitor, two_workers, "jane", "Jane Doe")


def open_shop_as(visitor: BrowserContext, service: Service, name: str, full_name: str) -> Page:
    page = visitor.new_page()
    service.sign_in(page, name)
    expect_chat_of(page, full_name)
    return page


def open_shop(visitor: BrowserContext, service: Service) -> Page:
    page = visitor.new_page()
    page.goto(service.shop)
    wait_until(page, "window.outcomes.length > 0")
    return page


def expect_chat_of(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=f"Chat, authenticated as {name}")).to_be_visible()


def expect_ended(page: Page, code: str) -> None:
    wait_until(page, "window.outcomes.length === 2")
    assert (codes(page), state(page)) == ([None, code], "inactive")
    expect(page.locator(CHAT)).to_have_count(0)


def codes(page: Page) -> list[str | None]:
    found: list[str | None] = page.evaluate("window.outcomes.map((it) => it.code)")
    return found


def verdicts(page: Page) -> list[dict[str, Any]]:
    script = "window.iAdvizeSandbox.timeline.filter((it) => it.kind === 'verdict')"
    found: list[dict[str, Any]] = page.evaluate(script)
    return found


def count(page: Page, kind: str) -> int:
    found: int = page.evaluate("(kind) => window.iAdvizeSandbox.count(kind)", kind)
    return found


def come_back_into_sight(page: Page) -> None:
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def sign_out_by_a_form(visitor: BrowserContext, service: Service) -> None:
    """As a brand does whose pages sign out without the client: no tab is told."""
    answer = visitor.request.post(
        f"{service.origin}/usher/sign-out", headers={"Origin": service.origin}
    )
    assert answer.status == 204


def sign_in_by_a_form(visitor: BrowserContext, service: Service, name: str) -> None:
    """On the sign-in page, and then on a page without the client: no tab is told."""
    form = visitor.new_page()
    form.goto(f"{service.origin}/usher/sign-in?next=/usher/sandbox/static/shop.css")
    form.get_by_label("User name").fill(name)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Sign in").click()
    form.wait_for_url("**/shop.css")
    form.close()


def replace_jane_by_sam(visitor: BrowserContext, service: Service) -> None:
    sign_out_by_a_form(visitor, service)
    sign_in_by_a_form(visitor, service, "sam")


def test_row_11_signing_out_ends_the_visits_in_all_tabs(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    others = [open_shop(visitor, two_workers) for _ in range(2)]
    jane.evaluate(SIGN_OUT)
    for tab in (jane, *others):
        expect_ended(tab, "signed-out")
        assert count(tab, "logout") >= 1


def test_signing_out_ends_a_visit_that_is_only_beginning(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    other = visitor.new_page()
    other.goto(f"{two_workers.shop}?condition=slow")
    wait_until(other, "window.iAdvizeSandbox?.state.phase === 'login'")
    jane.evaluate(SIGN_OUT)
    wait_until(other, "window.outcomes.length > 0")
    assert (codes(other), state(other)) == (["signed-out"], "inactive")


def test_after_signing_out_no_tab_gets_a_token(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    other = open_shop(visitor, two_workers)
    jane.evaluate(SIGN_OUT)
    expect_ended(other, "signed-out")
    issued = len(two_workers.audit("issued"))
    for tab in (jane, other):
        come_back_into_sight(tab)
        refresh(tab)
        assert state(tab) == "inactive"
    assert len(two_workers.audit("issued")) == issued


def test_who_signs_in_in_one_tab_has_a_chat_in_the_others_without_a_reload(
    visitor: BrowserContext, two_workers: Service
) -> None:
    waiting = open_shop(visitor, two_workers)
    assert codes(waiting) == ["no-session"]
    open_shop_as(visitor, two_workers, "jane", "Jane Doe")
    expect_chat_of(waiting, "Jane Doe")
    assert codes(waiting) == ["no-session", None]


def test_row_14_two_tabs_with_two_people_end_as_the_one_who_is_signed_in(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    jane.get_by_role("button", name="Chat, ").click()
    jane.get_by_label("Your message").fill("My order is late.")
    jane.keyboard.press("Enter")
    replace_jane_by_sam(visitor, two_workers)
    other = open_shop(visitor, two_workers)
    expect_chat_of(other, "Sam Roe")
    expect_chat_of(jane, "Sam Roe")
    assert codes(jane) == [None, "visitor-changed", None]
    expect(jane.get_by_text("My order is late.")).to_have_count(0)


def test_row_14_a_token_for_somebody_else_never_comes_into_the_visit(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    replace_jane_by_sam(visitor, two_workers)
    refresh(jane)
    expect_chat_of(jane, "Sam Roe")
    assert codes(jane) == [None, "visitor-changed", None]
    assert count(jane, "token-function-failed") == 1
    # Sam's token was first seen by iAdvize after a logout, in a visit of his own.
    kinds = jane.evaluate("window.iAdvizeSandbox.timeline.map((it) => it.kind)")
    assert kinds.index("logout") < kinds.index("verdict", kinds.index("refresh"))
    assert [it["visitor"]["name"] for it in verdicts(jane)] == ["Jane Doe", "Sam Roe"]


def test_row_14_a_tab_that_comes_back_into_sight_follows_whoever_is_signed_in(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    replace_jane_by_sam(visitor, two_workers)
    come_back_into_sight(jane)
    expect_chat_of(jane, "Sam Roe")
    assert codes(jane) == [None, "visitor-changed", None]


def test_a_tab_that_slept_past_the_end_of_the_session_has_no_chat(
    jane: Page, two_workers: Service
) -> None:
    two_workers.expire_sign_ins()
    come_back_into_sight(jane)
    expect_ended(jane, "signed-out")


def test_a_refresh_past_the_end_of_the_session_ends_the_visit(
    jane: Page, two_workers: Service
) -> None:
    two_workers.expire_sign_ins()
    refresh(jane)
    expect_ended(jane, "session-expired")


def test_a_tab_that_comes_back_to_the_same_person_goes_on(jane: Page) -> None:
    with jane.expect_response("**/usher/session"):
        come_back_into_sight(jane)
    expect_chat_of(jane, "Jane Doe")
    assert codes(jane) == [None]
    assert count(jane, "activate") == 1


def test_a_session_that_cannot_be_looked_up_changes_nothing(jane: Page) -> None:
    jane.route("**/usher/session", lambda route: route.fulfill(status=503))
    with jane.expect_response("**/usher/session"):
        come_back_into_sight(jane)
    expect_chat_of(jane, "Jane Doe")
    assert codes(jane) == [None]


def test_a_device_that_was_offline_has_its_chat_again(
    jane: Page, visitor: BrowserContext
) -> None:
    visitor.set_offline(True)
    refresh(jane)
    expect_ended(jane, "offline")
    visitor.set_offline(False)
    expect_chat_of(jane, "Jane Doe")
    assert codes(jane) == [None, "offline", None]


def test_a_device_that_was_offline_while_its_person_signed_out_has_none(
    jane: Page, visitor: BrowserContext, two_workers: Service
) -> None:
    visitor.set_offline(True)
    refresh(jane)
    expect_ended(jane, "offline")
    sign_out_by_a_form(visitor, two_workers)
    with jane.expect_response("**/usher/session"):
        visitor.set_offline(False)
    expect_ended(jane, "offline")


def test_row_12_a_failed_activation_is_not_repeated_by_coming_back(
    jane: Page, two_workers: Service
) -> None:
    jane.goto(f"{two_workers.shop}?condition=wrong-key")
    wait_until(jane, "window.outcomes.length > 0")
    with jane.expect_response("**/usher/session"):
        come_back_into_sight(jane)
    assert (codes(jane), count(jane, "activate")) == (["activation-failed"], 1)


@pytest.fixture
def remembering(browser: Browser) -> Iterator[Browser]:
    """Chromium with the cache for going back, which Playwright switches off."""
    remembering = browser.browser_type.launch(
        executable_path=chromium(),
        args=ARGUMENTS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield remembering
    remembering.close()


def tags_of(service: Service) -> str:
    """The tag and the client, for a page of the brand's own."""
    return "\n".join(it.replace('src="', f'src="{service.origin}') for it in (TAG, CLIENT))


@pytest.mark.parametrize(
    ("leave", "codes_after", "mode"),
    [
        pytest.param("", [None], "authenticated", id="same-person"),
        pytest.param("sign out", [None, "signed-out"], "inactive", id="row14-signed-out"),
        pytest.param(
            "somebody else",
            [None, "visitor-changed", None],
            "authenticated",
            id="row14-somebody-else",
        ),
    ],
)
def test_a_page_restored_by_going_back_is_that_of_whoever_is_signed_in(
    remembering: Browser,
    two_workers: Service,
    brand: Backend,
    leave: str,
    codes_after: list[str | None],
    mode: str,
) -> None:
    brand.script("sandbox/authenticate", accepted())
    watch = Watch(remembering)
    watch.expect(FAILED_LOAD)
    context = watch.visitor()
    page = open_shop_as(context, two_workers, "jane", "Jane Doe")
    page.goto(brand.page(tags_of(two_workers)))
    wait_until(page, "window.outcomes.length === 1")
    page.evaluate(
        "addEventListener('pageshow', ({ persisted }) => { window.wasKept = persisted; })"
    )
    page.goto(brand.put("/elsewhere", "<title>Elsewhere</title>"))
    if leave == "sign out":
        sign_out_by_a_form(context, two_workers)
    if leave == "somebody else":
        replace_jane_by_sam(context, two_workers)
    with page.expect_response("**/usher/session"):
        page.go_back(wait_until="commit")
        wait_until(page, "window.wasKept === true")
    wait_until(page, f"window.outcomes.length === {len(codes_after)}")
    assert (codes(page), state(page)) == (codes_after, mode)
    watch.close()
