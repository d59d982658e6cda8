"""The chat of a brand's pages, tested with Usher's sandbox in the place of iAdvize.

Copy this folder and put your own pages, and your own way of signing in, in the place of the
demo shop's.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

# The sandbox's tag notes what happens; a page with the real tag has no such object.
STATE = "window.iAdvizeSandbox.state"
COUNT = "(kind) => window.iAdvizeSandbox.count(kind)"
REFRESH = "window.iAdvizeSandbox.refresh()"

REASONS = {
    "no-option": "A valid authentication option must be provided",
    "activation-ongoing": "An activation is already ongoing",
    "login-ongoing": "A login is already ongoing",
    "twice": "Can't activate twice, please logout first",
    "server-error": "Failed to fetch authentication with a server error",
    "credentials": "Failed to authenticate visitor from credentials",
    "malformed": "malformed token",
    "wrong-key": "invalid key",
    "expired": "expired token",
}


def sign_in(page: Page, shop: str, password: str) -> None:
    """Sign in as a customer does."""
    page.goto(shop)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").fill("jane")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(shop)


def outcome_of(page: Page, address: str) -> dict[str, Any]:
    """Open a page and return what became of its activation."""
    page.add_init_script(
        """window.outcome = new Promise((resolve) => {
          document.addEventListener('usher:outcome', ({ detail }) => resolve(detail));
        });"""
    )
    page.goto(address)
    outcome: dict[str, Any] = page.evaluate("window.outcome")
    return outcome


def test_who_is_signed_in_has_a_chat_as_that_person(
    page: Page, shop: str, password: str
) -> None:
    sign_in(page, shop, password)
    outcome = outcome_of(page, shop)
    assert (outcome["status"], outcome["mode"]) == ("activated", "secured")
    assert page.evaluate(STATE)["name"] == "Jane Doe"


def test_who_is_not_signed_in_has_none(page: Page, shop: str) -> None:
    outcome = outcome_of(page, shop)
    assert (outcome["status"], outcome["code"]) == ("refused", "no-session")
    assert page.evaluate(COUNT, "activate") == 0


def test_who_signs_out_has_none_any_more(page: Page, shop: str, password: str) -> None:
    sign_in(page, shop, password)
    outcome_of(page, shop)
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_text("Not signed in")).to_be_visible()
    assert page.evaluate(STATE)["mode"] == "inactive"


def test_the_session_at_iadvize_is_renewed(page: Page, shop: str, password: str) -> None:
    sign_in(page, shop, password)
    outcome_of(page, shop)
    page.evaluate(REFRESH)
    assert page.evaluate(COUNT, "verdict") == 2
    assert page.evaluate(STATE)["mode"] == "authenticated"


@pytest.mark.parametrize("condition", REASONS)
def test_a_failure_at_iadvize_leaves_the_page_without_a_chat(
    condition: str, page: Page, shop: str, password: str
) -> None:
    sign_in(page, shop, password)
    outcome = outcome_of(page, f"{shop}?condition={condition}")
    assert (outcome["status"], outcome["code"]) == ("failed", "activation-failed")
    assert outcome["reason"].startswith(REASONS[condition])
    assert page.evaluate(STATE)["mode"] == "inactive"


def test_a_failure_that_the_tag_overcomes_by_itself(
    page: Page, shop: str, password: str
) -> None:
    sign_in(page, shop, password)
    assert outcome_of(page, f"{shop}?failures=2")["status"] == "activated"
    assert page.evaluate(COUNT, "token-function") == 3


def test_the_boxed_tag(page: Page, shop: str, password: str) -> None:
    sign_in(page, shop, password)
    assert outcome_of(page, f"{shop}boxed")["status"] == "activated"
    frame = page.frame_locator("#iAdvizeSandboxedIframe")
    chat = frame.get_by_role("button", name="Chat, authenticated as Jane Doe")
    expect(chat).to_be_visible()
