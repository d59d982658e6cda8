"""The operator's page in a browser: readable, small enough for a phone, and by keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser.service import PASSWORD, Service
from browser.test_pages import fill_in, look
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import APIResponse, Page, expect

pytestmark = pytest.mark.browser

HEADERS = {"Content-Type": "application/json", "X-Usher-Client": "test/1"}
STRANGE = "<img src=x onerror=alert(1)> raison inconnue du système de la marque"


def open_page(service: Service, page: Page) -> None:
    page.goto(f"{service.origin}/usher/operator")
    fill_in(page, "jane", PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("What became of tokens")


def send_report(service: Service, page: Page, **members: Any) -> str:
    """Ask for a token as whoever has signed in, report on it, and return the support id."""

    def post(path: str, body: dict[str, Any]) -> APIResponse:
        address = f"{service.origin}/usher/{path}"
        return page.context.request.post(address, headers=HEADERS, data=body)

    support_id: str = post("token", {}).json()["support_id"]
    form = {"v": 1, "mode": "secured", "status": "activated", "support_id": support_id}
    timings = {"token_ms": 40, "activated_ms": 620}
    measured = {"timings": timings, "token_remaining_s": 59}
    assert post("outcomes", form | measured | members).status == 202
    return support_id


def wait_for(page: Page, text: str) -> None:
    """Load the page again until it shows a text: outcomes are saved in the background."""
    while text not in page.content():
        page.wait_for_timeout(200)
        page.reload()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 1280])
def test_empty_and_busy_it_is_readable_and_fits(
    width: int, scheme: str, service: Service, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    page = watch.page(color_scheme=scheme, viewport={"width": width, "height": 800})
    open_page(service, page)
    look(page)
    page.locator("summary").click()
    look(page)
    send_report(service, page)
    support_id = send_report(service, page, status="failed", reason=STRANGE)
    wait_for(page, support_id)
    look(page)
    expect(page.get_by_role("row").filter(has_text=support_id)).to_contain_text(STRANGE)
    assert page.locator("script, img").count() == 0


def test_it_can_be_used_by_keyboard_and_heard(service: Service, watch: Watch) -> None:
    page = watch.page()
    open_page(service, page)
    send_report(service, page)
    wait_for(page, "<svg")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the numbers")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The numbers")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Download as CSV")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    table = page.get_by_role("region", name="The numbers, step by step")
    expect(table).to_be_focused()
    expect(table.get_by_role("columnheader", name="Granted")).to_be_visible()
    chart = page.get_by_role("img", name="Tokens granted and chats activated")
    expect(chart).to_have_accessible_description(re.compile(r"granted: \d+; activated: \d+"))
    expect(page.get_by_role("link", name="1 day")).to_have_attribute("aria-current", "page")
