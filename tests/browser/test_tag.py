"""The stand-in for iAdvize's tag keeps to what iAdvize documents."""

from __future__ import annotations

from typing import Any

import pytest
from browser.backend import TAG, Answer, Backend, accepted, answer, rejected, token
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

CHAT = "usher-sandbox-chat"
SECURED = (
    f"{{ authenticationOption: {{ type: 'SECURED_AUTHENTICATION', token: '{token()}' }} }}"
)
ANONYMOUS = "{ authenticationOption: { type: 'ANONYMOUS_AUTHENTICATION' } }"
SUCCESS = "authentication-success"
FAILURE = "authentication-failure"
NO_OPTION = "A valid authentication option must be provided"
SERVER_ERROR = "Failed to fetch authentication with a server error"


@pytest.fixture
def page(backend: Backend, watch: Watch) -> Page:
    return open_page(backend, watch)


def open_page(backend: Backend, watch: Watch, **conditions: object) -> Page:
    page = watch.page()
    page.goto(backend.page(TAG, retryDelay=1, **conditions))
    page.wait_for_function("window.iAdvizeSandbox")
    return page


def with_tag(page: Page, expression: str) -> Any:
    return page.evaluate(
        f"""() => new Promise((resolve, reject) => {{
          window.iAdvizeInterface.push((iAdvize) => ({expression}).then(resolve, reject));
        }})"""
    )


def activate(page: Page, result: str) -> Any:
    """Return what `activate` gives with a function whose body is the expression `result`."""
    return with_tag(page, f"iAdvize.activate(async () => ({result}))")["authentication"]


def state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.iAdvizeSandbox.state")
    return found


def kinds(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.iAdvizeSandbox.timeline.map((it) => it.kind)")
    return found


def test_until_it_is_activated_it_does_nothing(page: Page, backend: Backend) -> None:
    assert kinds(page) == ["loaded"]
    expect(page.locator(CHAT)).to_have_count(0)
    paths = [request.path for request in backend.received]
    assert not any("chat" in path or "authenticate" in path for path in paths)


def test_what_was_queued_is_called_in_order_and_a_mistake_in_it_stops_nothing(
    backend: Backend, watch: Watch
) -> None:
    watch.expect("queued mistake")
    page = watch.page()
    queue = """<script>
      window.called = [];
      window.iAdvizeInterface.push(() => window.called.push(1));
      window.iAdvizeInterface.push(() => { throw new Error('queued mistake'); });
      window.iAdvizeInterface.push((it) => window.called.push(typeof it.activate));
    </script>"""
    page.goto(backend.page(queue, TAG))
    page.wait_for_function("window.iAdvizeSandbox")
    assert page.evaluate("window.called") == [1, "function"]


def test_once_it_has_loaded_what_is_pushed_is_called_at_once(page: Page) -> None:
    assert page.evaluate(
        """() => {
          let called = false;
          window.iAdvizeInterface.push(() => { called = true; });
          return called;
        }"""
    )


def test_a_success_holds_the_token_as_documented(page: Page) -> None:
    assert activate(page, SECURED) == {
        "option": {"type": "SECURED_AUTHENTICATION", "token": token()},
        "status": SUCCESS,
    }
    assert state(page)["mode"] == "authenticated"
    assert state(page)["user_id"] == "local:1"


def test_a_failure_holds_the_token_as_documented(backend: Backend, watch: Watch) -> None:
    backend.script("sandbox/authenticate", rejected("invalid key"))
    page = open_page(backend, watch)
    assert activate(page, SECURED) == {
        "option": {"type": "SECURED_AUTHENTICATION", "token": token()},
        "status": FAILURE,
        "reason": "invalid key",
    }
    assert state(page)["mode"] == "inactive"


def test_the_timeline_holds_no_token(page: Page, backend: Backend) -> None:
    activate(page, SECURED)
    assert token() not in page.evaluate("JSON.stringify(window.iAdvizeSandbox.timeline)")


@pytest.mark.parametrize(
    "result",
    [
        "undefined",
        "null",
        "'token'",
        "{}",
        "{ token: 'x' }",
        "{ authenticationOption: null }",
        "{ authenticationOption: { type: 'SECURED_AUTHENTICATION' } }",
        "{ authenticationOption: { type: 'SECURED_AUTHENTICATION', token: 7 } }",
        "{ authenticationOption: { type: 'secured_authentication', token: 'x' } }",
    ],
)
def test_another_shape_is_no_option(result: str, page: Page, backend: Backend) -> None:
    found = activate(page, result)
    assert (found["status"], found["reason"]) == (FAILURE, NO_OPTION)
    assert kinds(page).count("token-function") == 1
    assert backend.posts("sandbox/authenticate") == []


def test_activate_needs_a_function(page: Page) -> None:
    assert with_tag(page, "iAdvize.activate()")["authentication"]["reason"] == NO_OPTION


@pytest.mark.parametrize(
    ("answers", "tries", "status"),
    [
        pytest.param([answer(500)], 4, FAILURE, id="3-retries"),
        pytest.param([answer(500)] * 3 + [accepted()], 4, SUCCESS, id="third-retry-succeeds"),
        pytest.param([answer(500), accepted()], 2, SUCCESS, id="first-retry-succeeds"),
        pytest.param([answer(200, b"<html>")], 4, FAILURE, id="not-json"),
    ],
)
def test_a_failed_login_is_tried_three_times_again(
    answers: list[Answer], tries: int, status: str, backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("sandbox/authenticate", *answers)
    page = open_page(backend, watch)
    found = activate(page, SECURED)
    assert found["status"] == status
    assert found.get("reason") == (SERVER_ERROR if status == FAILURE else None)
    assert len(backend.posts("sandbox/authenticate")) == tries
    assert kinds(page).count("token-function") == tries


def test_a_token_function_that_rejects_is_tried_three_times_again(page: Page) -> None:
    found = with_tag(page, "iAdvize.activate(() => Promise.reject(new Error('no')))")
    assert found["authentication"]["reason"] == NO_OPTION
    assert kinds(page).count("token-function") == 4


def test_a_second_call_during_the_first_is_an_activation_ongoing(page: Page) -> None:
    page.evaluate(
        f"""window.iAdvizeInterface.push((iAdvize) => {{
          window.first = iAdvize.activate(() => new Promise((resolve) => {{
            window.give = () => resolve({SECURED});
          }}));
        }})"""
    )
    assert activate(page, SECURED)["reason"] == "An activation is already ongoing"
    page.evaluate("window.give()")
    assert page.evaluate("window.first")["authentication"]["status"] == SUCCESS


def test_a_second_call_during_the_verification_is_a_login_ongoing(
    backend: Backend, watch: Watch
) -> None:
    watch.expect("net::ERR", "Failed to load resource")
    backend.script("sandbox/authenticate", backend.hang)
    page = open_page(backend, watch)
    page.evaluate(
        f"window.iAdvizeInterface.push((it) => {{ it.activate(async () => ({SECURED})); }})"
    )
    page.wait_for_function("window.iAdvizeSandbox.state.phase === 'login'")
    assert activate(page, SECURED)["reason"] == "A login is already ongoing"


def test_activating_twice_needs_a_logout_between(page: Page) -> None:
    assert activate(page, SECURED)["status"] == SUCCESS
    assert activate(page, SECURED)["reason"] == "Can't activate twice, please logout first"
    assert state(page)["mode"] == "authenticated"
    with_tag(page, "iAdvize.logout()")
    assert state(page)["mode"] == "inactive"
    assert activate(page, SECURED)["status"] == SUCCESS


def test_a_logout_during_an_activation_leaves_no_visit(page: Page) -> None:
    page.evaluate(
        f"""window.iAdvizeInterface.push((iAdvize) => {{
          window.first = iAdvize.activate(() => new Promise((resolve) => {{
            window.give = () => resolve({SECURED});
          }}));
        }})"""
    )
    with_tag(page, "iAdvize.logout()")
    page.evaluate("window.give()")
    assert page.evaluate("window.first")["authentication"]["status"] == FAILURE
    assert state(page)["mode"] == "inactive"


def say(page: Page, text: str) -> None:
    page.get_by_role("button", name="Chat, ").click()
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Enter")


def test_an_anonymous_conversation_goes_on_when_its_visitor_signs_in(page: Page) -> None:
    assert activate(page, ANONYMOUS)["status"] == SUCCESS
    assert state(page)["mode"] == "anonymous"
    say(page, "Is it in stock?")
    assert activate(page, SECURED)["status"] == SUCCESS
    expect(page.get_by_text("Is it in stock?")).to_be_visible()
    expect(page.get_by_text("Jane Doe", exact=True)).to_be_visible()


def test_no_conversation_passes_from_one_person_to_another(
    backend: Backend, watch: Watch
) -> None:
    backend.script("sandbox/authenticate", accepted(), accepted("local:2", "Ann Other"))
    page = open_page(backend, watch)
    activate(page, SECURED)
    say(page, "My order is late.")
    page.evaluate("window.iAdvizeSandbox.refresh()")
    assert state(page)["user_id"] == "local:2"
    expect(page.get_by_text("My order is late.")).to_have_count(0)
    activate_after_logout(page)
    expect(page.get_by_text("My order is late.")).to_have_count(0)


def activate_after_logout(page: Page) -> None:
    with_tag(page, "iAdvize.logout()")
    expect(page.locator(CHAT)).to_have_count(0)
    activate(page, ANONYMOUS)
    expect(page.locator(CHAT)).to_have_count(1)


def test_after_its_session_it_asks_for_a_token_again(backend: Backend, watch: Watch) -> None:
    page = open_page(backend, watch, sessionSeconds=0.2)
    activate(page, SECURED)
    page.wait_for_function("window.iAdvizeSandbox.count('refresh-result') >= 2")
    assert kinds(page).count("token-function") >= 3
    assert state(page)["mode"] == "authenticated"


def test_a_refresh_that_fails_four_times_ends_the_visit(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("sandbox/authenticate", accepted(), answer(500))
    page = open_page(backend, watch)
    activate(page, SECURED)
    page.evaluate("window.iAdvizeSandbox.refresh()")
    assert state(page)["mode"] == "inactive"
    assert len(backend.posts("sandbox/authenticate")) == 5
    expect(page.locator(CHAT)).to_have_count(0)


def test_conditions_go_to_the_server(backend: Backend, watch: Watch) -> None:
    page = open_page(backend, watch, clockOffset=7, recipientKey="other", answer="credentials")
    activate(page, SECURED)
    (request,) = backend.posts("sandbox/authenticate")
    for part in (b'"clock_offset_seconds":7', b'"recipient_key":"other"', b'"credentials"'):
        assert part in request.body


def test_the_chat_is_for_the_keyboard_too(page: Page) -> None:
    activate(page, SECURED)
    bubble = page.get_by_role("button", name="Chat, authenticated as Jane Doe")
    bubble.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Chat")).to_be_visible()
    expect(page.get_by_label("Your message")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Chat")).to_be_hidden()
    expect(bubble).to_be_focused()
