"""No token, no activation: every broken answer, refusals, and refused refreshes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser.backend import (
    CLIENT,
    TAG,
    Answer,
    Backend,
    answer,
    granted,
    hang_up,
    problem,
    token,
    truncated,
)
from browser.client import (
    ACTIVATE,
    CHAT,
    assert_not_activated,
    calls,
    first_outcome,
    refresh,
    state,
)
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


HTML = b"<!doctype html><title>Error</title>"
THREE_PARTS = "aGVhZGVy.cGF5bG9hZA.c2lnbmF0dXJl"


def with_token(value: object, **members: Any) -> Answer:
    return answer(200, {"token": value, "expires_in": 60, **members})


BROKEN: list[Any] = [
    pytest.param(problem(401, "no-session"), "no-session", id="row10-401"),
    pytest.param(problem(403, "account-inactive"), "account-inactive", id="row10-403"),
    pytest.param(problem(409, "conflict"), "conflict", id="row10-409"),
    pytest.param(problem(429, "too-many-requests"), "too-many-requests", id="row10-429"),
    pytest.param(problem(500, "internal-error"), "internal-error", id="row10-500"),
    pytest.param(answer(502, HTML, "text/html"), "bad-response", id="row10-502-html"),
    pytest.param(problem(503, "store-unavailable"), "store-unavailable", id="row10-503"),
    pytest.param(answer(200, HTML, "text/html"), "bad-response", id="row10-200-html"),
    pytest.param(answer(200), "bad-response", id="row10-200-empty"),
    pytest.param(truncated, "network-error", id="row10-200-truncated"),
    pytest.param(answer(200, b'{"token": "'), "bad-response", id="row10-200-cut-off"),
    pytest.param(answer(200, {"expires_in": 60}), "bad-response", id="row10-200-no-token"),
    pytest.param(with_token(THREE_PARTS), "bad-response", id="row10-3-parts"),
    pytest.param(with_token(token() + ".dGFn"), "bad-response", id="row10-6-parts"),
    pytest.param(answer(302, Location="/page"), "network-error", id="row10-redirect"),
    pytest.param(
        answer(307, Location="/usher/token"), "network-error", id="row10-redirect-307"
    ),
    pytest.param(hang_up, "network-error", id="row10-abort"),
    pytest.param(with_token(None), "bad-response", id="token-null"),
    pytest.param(with_token([token()]), "bad-response", id="token-in-a-list"),
    pytest.param(with_token("...."), "bad-response", id="token-of-empty-parts"),
    pytest.param(with_token(token() + "\n"), "bad-response", id="token-with-a-line-break"),
    pytest.param(with_token(token(), expires_in="60"), "bad-response", id="lifetime-a-string"),
    pytest.param(with_token(token(), expires_in=None), "bad-response", id="lifetime-null"),
    pytest.param(
        answer(200, {"token": token(), "expires_in": 60}, "text/plain"),
        "bad-response",
        id="token-as-text",
    ),
    pytest.param(answer(200, b"[]"), "bad-response", id="array"),
    pytest.param(answer(200, b"null"), "bad-response", id="null"),
    pytest.param(answer(204), "bad-response", id="204"),
    pytest.param(
        answer(403, {"code": "no-session"}), "bad-response", id="refusal-that-is-no-problem"
    ),
    pytest.param(problem(401, None), "bad-response", id="problem-without-code"),
    pytest.param(problem(401, "No Session!"), "bad-response", id="problem-with-a-wild-code"),
    pytest.param(problem(401, {"a": 1}), "bad-response", id="problem-with-an-object-as-code"),
    pytest.param(
        problem(401, "no-session", activation=True), "no-session", id="activation-true"
    ),
    pytest.param(
        answer(401, {"code": "no-session", "activation": "anonymous"}),
        "bad-response",
        id="anonymous-but-no-problem",
    ),
]


@pytest.mark.parametrize(("broken", "code"), BROKEN)
def test_a_broken_answer_activates_nothing(
    broken: Answer, code: str, backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD, "net::ERR", "Failed to load resource")
    backend.script("token", broken, granted())
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    outcome = first_outcome(page)
    assert (outcome["activated"], outcome["mode"], outcome["code"]) == (False, None, code)
    assert outcome["reason"]
    assert_not_activated(page)
    assert len(backend.posts("token")) == 1


def test_row_10_a_name_that_does_not_resolve(backend: Backend, watch: Watch) -> None:
    watch.expect("net::ERR_NAME_NOT_RESOLVED")
    page = watch.page()
    page.goto(backend.page(TAG))
    outcome = page.evaluate(ACTIVATE, {"base": "http://nowhere.invalid/usher/"})
    assert (outcome["activated"], outcome["code"]) == (False, "network-error")
    assert_not_activated(page)


def test_row_10_an_answer_that_never_comes(backend: Backend, watch: Watch) -> None:
    backend.script("token", backend.hang)
    page = watch.page()
    page.clock.install()
    with page.expect_request("**/usher/token"):
        page.goto(backend.page(TAG, CLIENT))
    page.clock.fast_forward(9_000)
    assert page.evaluate("window.outcomes") == []
    page.clock.fast_forward(1_500)
    assert first_outcome(page)["code"] == "timeout"
    assert_not_activated(page)


def test_the_timeout_is_an_option(backend: Backend, watch: Watch) -> None:
    backend.script("token", backend.hang)
    page = watch.page()
    page.goto(backend.page(TAG))
    assert page.evaluate(ACTIVATE, {"timeout": 50})["code"] == "timeout"
    assert_not_activated(page)


@pytest.mark.parametrize(
    ("broken", "code"), [it for it in BROKEN if it.id and it.id.startswith("row10")]
)
def test_row_11_a_refused_refresh_rejects_and_ends_the_visit(
    broken: Answer, code: str, backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD, "net::ERR", "Failed to load resource")
    backend.script("token", granted(1), broken, granted(2))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    refresh(page)
    page.wait_for_function("window.outcomes.length === 2")
    outcome = page.evaluate("window.outcomes[1]")
    assert (outcome["activated"], outcome["mode"], outcome["code"]) == (False, None, code)
    assert calls(page, "token-function-failed") == 1
    assert calls(page, "logout") == 1
    assert calls(page, "activate") == 1
    assert state(page) == "inactive"
    expect(page.locator(CHAT)).to_have_count(0)
    assert len(backend.posts("token")) == 2


def test_after_a_refused_refresh_the_tag_gets_no_token_any_more(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", granted(1), problem(401, "no-session"), granted(2))
    page = watch.page()
    page.goto(backend.page(CLIENT))
    # A tag that goes on asking, whatever it is told.
    page.evaluate(
        """() => {
          const tag = { activate: (ask) => { window.ask = ask; }, logout: async () => {} };
          const waiting = window.iAdvizeInterface;
          window.iAdvizeInterface = { push: (call) => call(tag) };
          waiting.forEach((call) => call(tag));
        }"""
    )
    page.wait_for_function("'ask' in window")
    ask = "() => window.ask().then(() => 'given', () => 'rejected')"
    assert [page.evaluate(ask) for _ in range(4)] == ["given", *["rejected"] * 3]
    assert len(backend.posts("token")) == 2


def test_after_a_refused_refresh_the_page_may_activate_anew(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", granted(1), problem(401, "no-session"), granted(2))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    refresh(page)
    page.wait_for_function("window.outcomes.length === 2")
    assert page.evaluate(ACTIVATE, {})["mode"] == "secured"
    assert state(page) == "authenticated"


def test_a_refusal_may_ask_for_an_anonymous_chat(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", activation="anonymous"))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    outcome = first_outcome(page)
    assert (outcome["activated"], outcome["mode"]) == (True, "anonymous")
    assert outcome["code"] == "no-session"
    assert (calls(page, "activate"), state(page)) == (1, "anonymous")
    assert backend.posts("sandbox/authenticate") == []


def test_a_refusal_tells_where_to_sign_in_and_what_to_ask_for(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    members = {"sign_in_url": "/usher/sign-in", "support_id": "ABCDE-12345"}
    backend.script("token", problem(401, "no-session", **members))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    outcome = first_outcome(page)
    assert outcome["signInUrl"] == f"{backend.origin}/usher/sign-in"
    assert outcome["supportId"] == "ABCDE-12345"
    assert any("ABCDE-12345" in text for text in watch.console)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "http://[", 7, None, {}]
)
def test_only_a_web_address_is_passed_on(
    address: object, backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", sign_in_url=address, support_id=[]))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    outcome = first_outcome(page)
    assert outcome["code"] == "no-session"
    assert outcome.get("signInUrl") is None
    assert outcome.get("supportId") is None


def test_messages_are_words(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", title="Nobody is signed in"))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    pattern = r"Usher: the chat is not active: Nobody is signed in \(no-session\)\."
    assert any(re.fullmatch(pattern, text) for text in watch.console)
