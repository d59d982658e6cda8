"""The example in a real browser: the shop's own sign-in is the only one."""

from __future__ import annotations

import pytest
from browser.client import CHAT
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import BrowserContext, Page, Request, expect
from support.host_app import COOKIE, JANE, JOHN, PASSWORD, Shop

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CLOSED = "Our chat is for customers who are signed in."
OPEN = "Our chat is open, and knows that it is you."


@pytest.fixture
def visitor(watch: Watch) -> BrowserContext:
    watch.expect(FAILED_LOAD)
    return watch.visitor()


@pytest.fixture(scope="session")
def shop(example_shop: Shop) -> Shop:
    """The example as it is."""
    return example_shop


def sign_in(page: Page, shop: Shop, email: str = JANE) -> None:
    page.goto(shop.origin)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def expect_chat(page: Page, name: str) -> None:
    expect(page.get_by_role("button", name=f"Chat, authenticated as {name}")).to_be_visible()
    expect(page.get_by_text(OPEN)).to_be_visible()


def expect_no_chat(page: Page) -> None:
    expect(page.get_by_text(CLOSED)).to_be_visible()
    expect(page.locator(CHAT)).to_have_count(0)


def token_status(page: Page) -> int:
    """Ask for a token, whatever the page thinks."""
    with page.expect_response("**/usher/token") as answer:
        page.reload()
    return answer.value.status


def test_from_the_shops_sign_in_to_its_sign_out(visitor: BrowserContext, shop: Shop) -> None:
    page = visitor.new_page()
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    page.goto(shop.origin)
    expect_no_chat(page)
    sign_in(page, shop)
    expect_chat(page, "Jane Doe")
    (verdict,) = page.evaluate(
        "window.iAdvizeSandbox.timeline.filter((it) => it.kind === 'verdict')"
    )
    assert verdict["visitor"] == {"user_id": "shop:1", "name": "Jane Doe"}
    (kept,) = (it["value"] for it in visitor.cookies() if it["name"] == COOKIE)

    before = len(requests)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect_no_chat(page)
    posts = [it.url for it in requests[before:] if it.method == "POST"]
    assert posts[:2] == [f"{shop.origin}/usher/sign-out", f"{shop.origin}/sign-out"]
    assert token_status(page) == 401

    visitor.add_cookies([{"name": COOKIE, "value": kept, "url": shop.origin}])
    assert token_status(page) == 401
    expect_no_chat(page)
    opened = [it.url for it in requests if it.is_navigation_request()]
    assert not [url for url in opened if "/usher/" in url]


def test_signed_out_in_another_tab_the_next_refresh_ends_the_chat(
    visitor: BrowserContext, shop: Shop
) -> None:
    page, other = visitor.new_page(), visitor.new_page()
    sign_in(page, shop, JOHN)
    expect_chat(page, "John Roe")
    other.goto(f"{shop.origin}/account")
    other.get_by_role("button", name="Sign out").click()
    expect_no_chat(other)
    page.evaluate("window.iAdvizeSandbox.refresh()")
    expect(page.locator(CHAT)).to_have_count(0)


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_on_a_telephone_nothing_lies_outside_the_page(
    watch: Watch, shop: Shop, colours: str
) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page(viewport={"width": 320, "height": 640}, color_scheme=colours)
    sign_in(page, shop)
    page.get_by_role("link", name="Quire").click()
    page.get_by_role("button", name="Put into the basket: Notebook").click()
    for path in ("/", "/basket", "/account", "/nowhere"):
        page.goto(shop.origin + path)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, path
