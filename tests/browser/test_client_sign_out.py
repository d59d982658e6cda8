"""Signing out, at every moment of an activation."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler

import pytest
from browser.backend import (
    CLIENT,
    TAG,
    Backend,
    accepted,
    answer,
    granted,
)
from browser.client import (
    ACTIVATE,
    CHAT,
    SIGN_OUT,
    assert_not_activated,
    calls,
    first_outcome,
    state,
)
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_signing_out_ends_both(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    page.evaluate(SIGN_OUT)
    (request,) = backend.posts("sign-out")
    assert request.headers["content-type"] == "application/json"
    assert (calls(page, "logout"), state(page)) == (1, "inactive")
    expect(page.locator(CHAT)).to_have_count(0)


@pytest.mark.parametrize(
    ("body", "address"),
    [
        pytest.param({"sign_out_url": given}, given, id=given)
        for given in ("https://id.shop.example/end?a=1", "http://127.0.0.1:9/end")
    ]
    + [
        pytest.param(body, None, id=repr(body))
        for body in (
            {"sign_out_url": "javascript:alert(1)"},
            {"sign_out_url": " \tjavascript:alert(1)"},
            {"sign_out_url": "data:text/html,x"},
            {"sign_out_url": "https://"},
            {"sign_out_url": ["https://id.shop.example/"]},
            {"sign_out_url": None},
            {},
            [],
            None,
            b"<p>https://id.shop.example/</p>",
        )
    ],
)
def test_signing_out_names_the_providers_own_sign_out(
    backend: Backend, watch: Watch, body: object, address: str | None
) -> None:
    backend.script("sign-out", answer(200, body))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    assert page.evaluate(SIGN_OUT) == address


def test_signing_out_twice_at_once_succeeds_twice(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    page.evaluate(f"Promise.all([({SIGN_OUT})(), ({SIGN_OUT})()])")
    assert len(backend.posts("sign-out")) == 2
    assert state(page) == "inactive"


def test_a_failed_sign_out_at_usher_still_ends_the_visit(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("sign-out", answer(503))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    message = page.evaluate(f"({SIGN_OUT})().catch((error) => error.errors[0].message)")
    assert "503" in message
    assert (calls(page, "logout"), state(page)) == (1, "inactive")


def test_a_failed_logout_of_the_tag_still_signs_out(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(CLIENT))
    page.evaluate(
        """() => {
          const tag = { logout: () => { throw new Error('broken'); } };
          window.iAdvizeInterface = { push: (call) => call(tag) };
        }"""
    )
    message = page.evaluate(f"({SIGN_OUT})().catch((error) => error.errors[0].message)")
    assert message == "broken"
    assert len(backend.posts("sign-out")) == 1


def test_signing_out_does_not_wait_for_a_tag_that_never_loads(
    backend: Backend, watch: Watch
) -> None:
    page = watch.page()
    page.goto(backend.page())
    late = "new Promise((resolve) => setTimeout(resolve, 10_000, 'late'))"
    assert page.evaluate(f"Promise.race([({SIGN_OUT})(), {late}])") is None
    assert len(backend.posts("sign-out")) == 1


def test_who_signs_out_before_the_token_comes_is_not_activated(
    backend: Backend, watch: Watch
) -> None:
    watch.expect("net::ERR")
    backend.script("token", backend.hang)
    page = watch.page()
    with page.expect_request("**/usher/token"):
        page.goto(backend.page(TAG, CLIENT))
    page.evaluate(SIGN_OUT)
    assert first_outcome(page)["code"] == "signed-out"
    assert_not_activated(page)


def test_who_signs_out_before_the_tag_comes_is_not_activated(
    backend: Backend, watch: Watch
) -> None:
    page = watch.page()
    page.goto(backend.page(CLIENT))
    page.wait_for_function("window.iAdvizeInterface.length > 0")
    page.evaluate(SIGN_OUT)
    page.add_script_tag(url="/usher/sandbox/iadvize.js")
    assert first_outcome(page)["code"] == "signed-out"
    assert_not_activated(page)


def test_who_signs_out_during_the_activation_has_no_chat_after_it(
    backend: Backend, watch: Watch
) -> None:
    page = watch.page()
    page.goto(backend.page(CLIENT))
    page.wait_for_function("window.iAdvizeInterface.length > 0")
    # A tag that does not take a logout before its activation has come to its end.
    page.evaluate(
        """() => {
          window.active = false;
          const tag = {
            activate: () => new Promise((resolve) => {
              window.finish = () => {
                window.active = true;
                resolve({ authentication: { status: 'authentication-success' } });
              };
            }),
            logout: async () => { window.active = false; },
          };
          const waiting = window.iAdvizeInterface;
          window.iAdvizeInterface = { push: (call) => call(tag) };
          waiting.forEach((call) => call(tag));
        }"""
    )
    page.evaluate(SIGN_OUT)
    page.evaluate("window.finish()")
    assert first_outcome(page)["code"] == "signed-out"
    assert page.evaluate("window.active") is False


def test_who_signs_out_and_in_again_at_once_is_activated(
    backend: Backend, watch: Watch
) -> None:
    watch.expect("net::ERR")
    asked_before_the_answer: list[int] = []

    def slow_answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.3)
        asked_before_the_answer.append(len(backend.posts("token")))
        answer(204)(handler)

    backend.script("token", backend.hang, granted())
    backend.script("sign-out", slow_answer)
    page = watch.page()
    with page.expect_request("**/usher/token"):
        page.goto(backend.page(TAG, CLIENT))
    mode = page.evaluate(
        """async () => {
          const { activate, signOut } = await import('/usher/static/usher.js');
          const [, outcome] = await Promise.all([signOut(), activate()]);
          return outcome.mode;
        }"""
    )
    assert mode == "secured"
    assert asked_before_the_answer == [1]
    assert len(backend.posts("token")) == 2
    assert state(page) == "authenticated"


def test_after_signing_out_the_next_person_can_be_activated(
    backend: Backend, watch: Watch
) -> None:
    backend.script("sandbox/authenticate", accepted(), accepted("local:2", "Ann Other"))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    page.evaluate(SIGN_OUT)
    assert page.evaluate(ACTIVATE, {})["mode"] == "secured"
    assert page.evaluate("window.iAdvizeSandbox.state.user_id") == "local:2"
