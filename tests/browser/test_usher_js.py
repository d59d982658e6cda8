"""The browser client against a site that answers as it likes, with the real tag."""

from __future__ import annotations

import re
from typing import Any

import pytest
from browser.backend import (
    CLIENT,
    TAG,
    Answer,
    Backend,
    accepted,
    answer,
    granted,
    hang_up,
    problem,
    rejected,
    token,
    truncated,
)
from browser.watch import FAILED_LOAD, TOKEN, Watch
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

CHAT = "usher-sandbox-chat"
ACTIVATE = "(options) => import('/usher/static/usher.js').then((it) => it.activate(options))"
SIGN_OUT = "() => import('/usher/static/usher.js').then((it) => it.signOut())"


def first_outcome(page: Page) -> dict[str, Any]:
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
    mode: str = page.evaluate("window.iAdvizeSandbox.state.mode")
    return mode


def assert_not_activated(page: Page) -> None:
    assert calls(page, "activate") == 0
    assert state(page) == "inactive"
    expect(page.locator(CHAT)).to_have_count(0)


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


def test_the_request_is_one_that_no_plain_form_can_make(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.context.add_cookies([{"name": "usher", "value": "x", "url": backend.origin}])
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    (request,) = backend.posts("token")
    assert request.body == b"{}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-usher-client"] == "usher.js/1"
    assert request.headers["cache-control"] == "no-cache"
    assert request.headers["origin"] == backend.origin
    assert request.headers["cookie"] == "usher=x"


def test_a_granted_token_activates_once_and_stays_out_of_the_outcome(
    backend: Backend, watch: Watch
) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    assert first_outcome(page) == {"activated": True, "mode": "secured"}
    assert page.evaluate("Object.isFrozen(window.outcomes[0])")
    assert (calls(page, "activate"), state(page)) == (1, "authenticated")
    assert len(backend.posts("token")) == 1
    assert token(1).encode() in backend.posts("sandbox/authenticate")[0].body
    expect(page.locator(CHAT)).to_have_count(1)


def test_without_data_activate_nothing_happens(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT.replace(" data-activate", "")))
    page.evaluate("import('/usher/static/usher.js')")
    assert_not_activated(page)
    assert backend.posts("token") == []


def test_the_tag_may_come_late(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    with page.expect_response("**/usher/token"):
        page.goto(backend.page(CLIENT))
    page.add_script_tag(url="/usher/sandbox/iadvize.js")
    assert first_outcome(page)["mode"] == "secured"
    assert len(backend.posts("token")) == 1


@pytest.mark.parametrize(
    ("expires_in", "waited", "handed_over"),
    [
        pytest.param(60, 0, 1, id="fresh"),
        pytest.param(60, 40, 1, id="still-fresh"),
        pytest.param(60, 56, 2, id="about-to-expire"),
        pytest.param(60, 600, 2, id="expired"),
        pytest.param(4, 0, 2, id="short-lived"),
    ],
)
def test_the_first_token_is_used_only_while_it_is_fresh(
    expires_in: int, waited: int, handed_over: int, backend: Backend, watch: Watch
) -> None:
    backend.script("token", granted(1, expires_in), granted(2))
    page = watch.page()
    page.clock.install()
    with page.expect_response("**/usher/token"):
        page.goto(backend.page(CLIENT))
    page.wait_for_function("window.iAdvizeInterface.length > 0")
    page.clock.fast_forward(waited * 1000)
    page.add_script_tag(url="/usher/sandbox/iadvize.js")
    assert first_outcome(page)["mode"] == "secured"
    assert token(handed_over).encode() in backend.posts("sandbox/authenticate")[0].body
    assert len(backend.posts("token")) == handed_over


def test_the_wall_clock_does_not_matter(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.add_init_script("const now = Date.now; Date.now = () => now() + 86_400_000;")
    page.goto(backend.page(TAG, CLIENT))
    assert first_outcome(page)["mode"] == "secured"
    assert len(backend.posts("token")) == 1


def refresh(page: Page) -> None:
    page.evaluate("window.iAdvizeSandbox.refresh()")


def test_each_refresh_hands_over_a_new_token(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    refresh(page)
    refresh(page)
    handed_over = [request.body for request in backend.posts("sandbox/authenticate")]
    assert [token(i).encode() in body for i, body in enumerate(handed_over, 1)] == [True] * 3
    assert state(page) == "authenticated"
    assert page.evaluate("window.outcomes.length") == 1


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


def test_each_retry_of_the_tag_gets_a_new_token(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("sandbox/authenticate", *[answer(500)] * 3, accepted())
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT, retryDelay=1))
    assert first_outcome(page)["mode"] == "secured"
    bodies = [request.body for request in backend.posts("sandbox/authenticate")]
    assert [token(i).encode() in body for i, body in enumerate(bodies, 1)] == [True] * 4


def test_a_refusal_during_the_retries_is_the_outcome(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", granted(1), problem(401, "no-session"), granted(2))
    backend.script("sandbox/authenticate", answer(500), accepted())
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT, retryDelay=1))
    assert first_outcome(page)["code"] == "no-session"
    assert (calls(page, "verdict"), state(page)) == (1, "inactive")
    assert page.evaluate("window.outcomes.length") == 1


SERVER_ERROR = "Failed to fetch authentication with a server error"


@pytest.mark.parametrize(
    "reason",
    [SERVER_ERROR, "invalid key", "Failed to authenticate visitor from credentials : x"],
)
def test_a_failed_activation_is_reported_and_never_made_up_for(
    reason: str, backend: Backend, watch: Watch
) -> None:
    backend.script("sandbox/authenticate", rejected(reason))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT, retryDelay=1))
    outcome = first_outcome(page)
    assert outcome == {
        "activated": False,
        "mode": None,
        "code": "activation-failed",
        "reason": reason,
    }
    assert (calls(page, "activate"), calls(page, "verdict"), state(page)) == (1, 4, "inactive")
    expect(page.locator(CHAT)).to_have_count(0)


STRANGE_TAGS = {
    "rejects": "() => Promise.reject(new Error('no'))",
    "throws": "() => { throw new Error('no'); }",
    "nothing": "async () => undefined",
    "other-shape": "async () => ({ ok: true })",
    "other-status": "async () => ({ authentication: { status: 'fine', reason: 7 } })",
    "token-in-reason": """async (option) => {
      const { authenticationOption: { token } } = await option();
      const reason = `bad token ${token}`;
      return { authentication: { status: 'authentication-failure', reason } };
    }""",
    "token-in-error": """async (option) => {
      throw new Error(`${'x'.repeat(240)} ${(await option()).authenticationOption.token}`);
    }""",
}


@pytest.mark.parametrize("activate", STRANGE_TAGS.values(), ids=STRANGE_TAGS)
def test_whatever_the_tag_does_there_is_one_outcome_without_token(
    activate: str, backend: Backend, watch: Watch
) -> None:
    page = watch.page()
    page.goto(backend.page(CLIENT))
    page.evaluate(
        f"""() => {{
          const tag = {{ activate: {activate}, logout: async () => {{}} }};
          const waiting = window.iAdvizeInterface;
          window.iAdvizeInterface = {{ push: (call) => call(tag) }};
          waiting.forEach((call) => call(tag));
        }}"""
    )
    outcome = first_outcome(page)
    assert (outcome["activated"], outcome["code"]) == (False, "activation-failed")
    assert len(outcome["reason"]) <= 256
    assert not TOKEN.search(str(outcome))
    assert "aGVhZGVyLW9m" not in str(outcome)


def test_two_calls_at_once_are_one_activation(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG))
    same = page.evaluate(
        """async () => {
          const { activate } = await import('/usher/static/usher.js');
          const [first, second] = [activate(), activate()];
          const same = first === second;
          return same && (await first) === (await second);
        }"""
    )
    assert same
    assert (calls(page, "activate"), len(backend.posts("token"))) == (1, 1)


@pytest.mark.parametrize(
    ("verdict_first", "reason"),
    [
        pytest.param(False, "An activation is already ongoing", id="activation"),
        pytest.param(True, "A login is already ongoing", id="row12-login"),
    ],
)
def test_row_12_an_activation_of_somebody_else_is_reported_and_not_retried(
    verdict_first: bool, reason: str, backend: Backend, watch: Watch
) -> None:
    watch.expect("net::ERR", "Failed to load resource")
    backend.script("sandbox/authenticate", backend.hang)
    page = watch.page()
    page.goto(backend.page(TAG))
    option = "{ type: 'SECURED_AUTHENTICATION', token: 'other' }"
    given = f"async () => ({{ authenticationOption: {option} }})"
    page.evaluate(
        "(option) => window.iAdvizeInterface.push((it) => { it.activate(eval(option)); })",
        given if verdict_first else "() => new Promise(() => {})",
    )
    phase = "login" if verdict_first else "activation"
    page.wait_for_function("(phase) => window.iAdvizeSandbox.state.phase === phase", arg=phase)
    outcome = page.evaluate(ACTIVATE, {})
    assert (outcome["code"], outcome["reason"]) == ("activation-failed", reason)
    assert calls(page, "activate") == 2


def test_activating_twice_is_reported(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    outcome = page.evaluate(ACTIVATE, {})
    assert outcome["reason"] == "Can't activate twice, please logout first"
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


def test_who_signs_in_after_an_anonymous_start_is_activated(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", activation="anonymous"), granted())
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    assert page.evaluate(ACTIVATE, {}) == {"activated": True, "mode": "secured"}
    assert state(page) == "authenticated"


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


def test_signing_out_ends_both(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    page.evaluate(SIGN_OUT)
    (request,) = backend.posts("sign-out")
    assert request.headers["content-type"] == "application/json"
    assert (calls(page, "logout"), state(page)) == (1, "inactive")
    expect(page.locator(CHAT)).to_have_count(0)


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
    page.evaluate(SIGN_OUT)
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


def test_a_prerendered_page_waits_for_its_visitor(backend: Backend, watch: Watch) -> None:
    page = watch.page()
    page.add_init_script(
        "Object.defineProperty(document, 'prerendering', { value: true, configurable: true });"
    )
    page.goto(backend.page(TAG, CLIENT))
    assert_not_activated(page)
    assert backend.posts("token") == []
    page.evaluate("document.dispatchEvent(new Event('prerenderingchange'))")
    assert first_outcome(page)["mode"] == "secured"


def test_messages_are_words(backend: Backend, watch: Watch) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", title="Nobody is signed in"))
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    pattern = r"Usher: the chat is not active: Nobody is signed in \(no-session\)\."
    assert any(re.fullmatch(pattern, text) for text in watch.console)
