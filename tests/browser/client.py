"""What the tests of the browser client ask of a page with the client and the tag on it."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page, expect

WAIT_SECONDS = 15
CHAT = "usher-sandbox-chat"
ACTIVATE = "(options) => import('/usher/static/usher.js').then((it) => it.activate(options))"
SIGN_OUT = "() => import('/usher/static/usher.js').then((it) => it.signOut())"


def first_outcome(page: Page) -> dict[str, Any]:
    """Return the first outcome that the client told, once there is one."""
    page.wait_for_function("window.outcomes.length > 0")
    outcome: dict[str, Any] = page.evaluate("window.outcomes[0]")
    return outcome


def calls(page: Page, kind: str) -> int:
    """Count what the tag has noted, once it has loaded and called everything queued."""
    page.wait_for_function("window.iAdvizeSandbox")
    page.evaluate("new Promise((resolve) => window.iAdvizeInterface.push(resolve))")
    count: int = page.evaluate("(kind) => window.iAdvizeSandbox.count(kind)", kind)
    return count


def state(page: Page) -> str:
    """Return the mode of the visit."""
    mode: str = page.evaluate("window.iAdvizeSandbox.state.mode")
    return mode


def assert_not_activated(page: Page) -> None:
    """Make sure that the tag was never asked to activate, and shows nothing."""
    assert calls(page, "activate") == 0
    assert state(page) == "inactive"
    expect(page.locator(CHAT)).to_have_count(0)


def refresh(page: Page) -> None:
    """End the session at iAdvize, so that the tag asks for a token again."""
    page.evaluate("window.iAdvizeSandbox.refresh()")


def wait_until(page: Page, expression: str) -> None:
    """Wait on a page that forbids `eval`, which Playwright's own waiting needs."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)
