"""From a token to an activated chat, in every order of events."""

from __future__ import annotations

import pytest
from browser.backend import (
    CLIENT,
    TAG,
    Backend,
    accepted,
    answer,
    granted,
    problem,
    rejected,
    support_id,
    token,
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
from browser.watch import FAILED_LOAD, TOKEN, Watch
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ACTIVATED = {"activated": True, "status": "activated", "mode": "secured"}


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
    assert first_outcome(page) == ACTIVATED | {"supportId": support_id(1)}
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
        "status": "failed",
        "mode": None,
        "code": "activation-failed",
        "reason": reason,
        "supportId": support_id(4),
        "signInUrl": None,
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


def test_who_signs_in_after_an_anonymous_start_is_activated(
    backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    backend.script("token", problem(401, "no-session", activation="anonymous"), granted())
    page = watch.page()
    page.goto(backend.page(TAG, CLIENT))
    first_outcome(page)
    assert page.evaluate(ACTIVATE, {}) == ACTIVATED | {"supportId": support_id(1)}
    assert state(page) == "authenticated"


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
