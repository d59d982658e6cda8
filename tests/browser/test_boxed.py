"""The tag in an iframe: only the right frame gets a token, and it gets it first."""

from __future__ import annotations

from typing import Any

import pytest
from browser.backend import CLIENT, Backend, problem, token
from browser.client import wait_until
from browser.service import Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import FrameLocator, Page, expect

pytestmark = pytest.mark.browser

BOXED = '<script type="module" src="/usher/static/boxed.js"></script>'
# A host's half whose messages can be read, and a frame that a test speaks for.
BOX = """<script>
  window.sent = [];
  window.iAdvizeBoxedInterface = { push: (message) => window.sent.push(message) };
  window.ask = (from, origin = location.origin) => window.dispatchEvent(new MessageEvent(
    'message',
    { data: { command: 'internals', method: 'get-activate-auth-token' }, source: from, origin },
  ));
  window.say = (data) => window.dispatchEvent(new MessageEvent(
    'message', { data, source: window.frames[0], origin: location.origin },
  ));
  addEventListener('DOMContentLoaded', () => {
    for (const id of ['iAdvizeSandboxedIframe', 'other']) {
      const frame = Object.assign(document.createElement('iframe'), { id, src: '/empty' });
      document.body.append(frame);
    }
  });
</script>"""
SUCCESS = "{ authentication: { status: 'authentication-success', option: { token: 'x' } } }"


def methods(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.sent.map((it) => it.method)")
    return found


def tokens(page: Page) -> list[str | None]:
    script = "window.sent.filter((it) => it.method === 'set-activate-auth-token')"
    found: list[str | None] = page.evaluate(f"{script}.map((it) => it.args)")
    return found


@pytest.fixture
def page(backend: Backend, watch: Watch) -> Page:
    """A page whose frame has been told to activate."""
    watch.expect(FAILED_LOAD)
    backend.put("/empty", "<title>Empty</title>")
    page = watch.page()
    page.goto(backend.page(BOX, BOXED, CLIENT))
    wait_until(page, "window.sent.length > 0")
    return page


def activated(page: Page) -> Page:
    page.evaluate("window.ask(window.frames[0])")
    wait_until(page, "window.sent.length > 1")
    page.evaluate(f"window.say({{ method: 'activate', activation: {SUCCESS} }})")
    wait_until(page, "window.outcomes.length > 0")
    return page


def test_the_frame_is_told_to_activate_and_gets_the_token_when_it_asks(
    page: Page, backend: Backend
) -> None:
    option = {"authenticationOption": {"type": "SECURED_AUTHENTICATION"}}
    assert page.evaluate("window.sent") == [{"method": "activate", "args": option}]
    activated(page)
    assert tokens(page) == [token(1)]
    assert page.evaluate("window.outcomes[0].status") == "activated"
    assert len(backend.posts("token")) == 1


def test_each_refresh_gets_a_new_token(page: Page) -> None:
    activated(page)
    for number in (2, 3):
        page.evaluate("window.ask(window.frames[0])")
        wait_until(page, f"window.sent.length === {number + 1}")
    assert tokens(page) == [token(1), token(2), token(3)]


STRANGERS = {
    "another-frame": "window.ask(window.frames[1])",
    "the-page-itself": "window.ask(window)",
    "nobody": "window.ask(null)",
    "another-origin-in-the-frame": "window.ask(window.frames[0], 'https://evil.example')",
    "an-opaque-origin": "window.ask(window.frames[0], 'null')",
}


@pytest.mark.parametrize("ask", STRANGERS.values(), ids=STRANGERS)
def test_nobody_else_gets_a_token(ask: str, page: Page) -> None:
    page.evaluate(ask)
    page.wait_for_timeout(100)
    assert tokens(page) == []
    activated(page)
    assert tokens(page) == [token(1)]


@pytest.mark.parametrize("source", ["window", "window.frames[1]", "null"])
def test_nobody_else_tells_the_result(source: str, page: Page) -> None:
    page.evaluate(
        f"""window.dispatchEvent(new MessageEvent('message', {{
          data: {{ method: 'activate', activation: {SUCCESS} }},
          source: {source}, origin: location.origin,
        }}))"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.outcomes") == []


@pytest.mark.parametrize("data", ["null", "undefined", "7", "'text'", "{}", "[]"])
def test_other_messages_are_ignored(data: str, page: Page) -> None:
    page.evaluate(f"window.say({data})")
    activated(page)
    assert tokens(page) == [token(1)]


def test_the_token_is_the_first_message_after_the_question(
    page: Page, backend: Backend
) -> None:
    activated(page)
    # All that may come between while the next token is fetched: the page's own messages, and
    # the boxed-tag's, which tells the frame of each resize.
    page.evaluate("addEventListener('resize', () => window.sent.push({ method: 'resize' }))")
    page.evaluate(
        """() => {
          window.ask(window.frames[0]);
          window.iAdvizeBoxedInterface.push({ method: 'navigate' });
          window.dispatchEvent(new Event('resize'));
        }"""
    )
    wait_until(page, "window.sent.length === 5")
    assert methods(page)[2:] == ["set-activate-auth-token", "navigate", "resize"]
    assert tokens(page) == [token(1), token(2)]


def test_a_refused_refresh_is_answered_before_the_visit_ends(
    page: Page, backend: Backend
) -> None:
    activated(page)
    backend.script("token", problem(401, "no-session"))
    page.evaluate("window.ask(window.frames[0])")
    wait_until(page, "window.outcomes.length === 2")
    wait_until(page, "window.sent.length === 4")
    assert methods(page)[2:] == ["set-activate-auth-token", "logout"]
    assert tokens(page) == [token(1), None]


def test_signing_out_waits_for_the_frame(page: Page, backend: Backend) -> None:
    activated(page)
    page.evaluate(
        """() => {
          const left = import('/usher/static/usher.js').then((it) => it.signOut());
          left.then(() => { window.out = true; });
        }"""
    )
    wait_until(page, "window.sent.length === 3")
    assert methods(page)[-1] == "logout"
    page.wait_for_timeout(100)
    assert page.evaluate("window.out") is None
    page.evaluate("window.say({ method: 'logout' })")
    wait_until(page, "window.out")


def test_without_a_token_the_frame_is_told_nothing(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.put("/empty", "<title>Empty</title>")
    backend.script("token", problem(401, "no-session"))
    page = watch.page()
    page.goto(backend.page(BOX, BOXED, CLIENT))
    wait_until(page, "window.outcomes.length > 0")
    page.evaluate("import('/usher/static/usher.js').then((it) => it.signOut())")
    assert methods(page) == []


def test_a_boxed_tag_that_loads_late_is_waited_for(backend: Backend, watch: Watch) -> None:
    backend.put("/empty", "<title>Empty</title>")
    page = watch.page()
    late = BOX.replace("window.iAdvizeBoxedInterface = ", "window.late = () => ")
    late = late.replace("=> { push", "=> window.iAdvizeBoxedInterface = { push")
    page.goto(backend.page(late, BOXED, CLIENT))
    page.wait_for_timeout(200)
    assert methods(page) == []
    page.evaluate("window.late()")
    wait_until(page, "window.sent.length > 0")
    activated(page)
    assert tokens(page) == [token(1)]


# The whole of it, with the sandbox's frame.


@pytest.fixture
def shop(two_workers: Service, watch: Watch) -> Page:
    watch.expect(FAILED_LOAD)
    page = watch.page()
    two_workers.sign_in(page)
    page.wait_for_url(two_workers.shop)
    page.goto(f"{two_workers.shop}boxed")
    return page


def chat(page: Page) -> Any:
    frame: FrameLocator = page.frame_locator("#iAdvizeSandboxedIframe")
    return frame.get_by_role("button", name="Chat, authenticated as Jane Doe")


def test_the_boxed_shop_has_its_chat_in_the_frame(shop: Page) -> None:
    expect(chat(shop)).to_be_visible()
    assert shop.locator("usher-sandbox-chat").count() == 0
    expect(shop.locator("[data-step=chat]")).to_contain_text("Authenticated as Jane Doe.")
    chat(shop).click()
    frame = shop.frame_locator("#iAdvizeSandboxedIframe")
    frame.get_by_label("Your message").fill("Is it in stock?")
    shop.keyboard.press("Enter")
    expect(frame.get_by_text("so nobody reads along")).to_be_visible()


def test_the_boxed_shop_refreshes_and_signs_out(shop: Page) -> None:
    expect(chat(shop)).to_be_visible()
    shop.get_by_role("button", name="End the session at iAdvize now").click()
    expect(shop.get_by_text("iAdvize asked again, and got a new token.")).to_be_visible()
    shop.get_by_role("button", name="Sign out", exact=True).click()
    expect(chat(shop)).to_have_count(0)
    expect(shop.locator("[data-step=chat]")).to_contain_text("Off.")


def test_a_failure_in_the_frame_is_a_failure(shop: Page) -> None:
    shop.get_by_role("link", name="Wrong key").click()
    expect(shop.locator("[data-step=verdict]")).to_contain_text("Refused: “invalid key”")
    expect(shop.locator("[data-step=chat]")).to_contain_text("Off.")
