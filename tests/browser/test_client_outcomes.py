"""What became of each activation goes to the operator, and never gets in the way."""

from __future__ import annotations

import json
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
    support_id,
    token,
)
from browser.client import calls, first_outcome, refresh, state, wait_until
from browser.watch import FAILED_LOAD, TOKEN, Watch
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.fixture
def page(watch: Watch) -> Page:
    watch.expect(FAILED_LOAD, "net::ERR")
    return watch.page()


def opened(page: Page, backend: Backend) -> dict[str, Any]:
    page.goto(backend.page(TAG, CLIENT, retryDelay=1))
    return first_outcome(page)


def reports(page: Page, backend: Backend, number: int = 1) -> list[dict[str, Any]]:
    """Return the reports, once there are that many and time for one more."""
    while len(backend.posts("outcomes")) < number:
        page.wait_for_timeout(20)
    page.wait_for_timeout(100)
    return [json.loads(request.body) for request in backend.posts("outcomes")]


def test_the_report_is_in_the_agreed_form(page: Page, backend: Backend) -> None:
    opened(page, backend)
    (report,) = reports(page, backend)
    timings = report.pop("timings")
    assert report == {
        "v": 1,
        "support_id": support_id(1),
        "mode": "secured",
        "status": "activated",
        "reason": None,
        "code": None,
        "token_remaining_s": 60,
    }
    assert {type(value) for value in timings.values()} == {int}
    assert 0 < timings["token_ms"] <= timings["activated_ms"]
    (request,) = backend.posts("outcomes")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-usher-client"] == "usher.js/1"


@pytest.mark.parametrize(
    ("answers", "verdict", "report"),
    [
        pytest.param(
            [granted()],
            rejected("invalid key"),
            {"status": "failed", "reason": "invalid key", "code": "activation-failed"},
            id="failed",
        ),
        pytest.param(
            [granted()],
            rejected("é" * 500),
            {"status": "failed", "reason": "é" * 200, "mode": "secured"},
            id="long-reason",
        ),
        pytest.param(
            [granted()],
            rejected(f"bad token {token()}"),
            {"status": "failed", "reason": "bad token [token]"},
            id="row152-token-in-the-reason",
        ),
        pytest.param(
            [problem(403, "account-inactive", support_id="ABCDE-12345")],
            accepted(),
            {
                "status": "refused",
                "support_id": "ABCDE-12345",
                "code": "account-inactive",
                "reason": "No",
                "token_remaining_s": None,
            },
            id="refused",
        ),
        pytest.param(
            [problem(401, "no-session", activation="anonymous", support_id="ABCDE-12345")],
            accepted(),
            {"status": "activated", "mode": "anonymous", "code": "no-session"},
            id="anonymous",
        ),
    ],
)
def test_what_is_reported(
    answers: list[Answer],
    verdict: Answer,
    report: dict[str, Any],
    page: Page,
    backend: Backend,
) -> None:
    backend.script("token", *answers)
    backend.script("sandbox/authenticate", verdict)
    opened(page, backend)
    (found,) = reports(page, backend)
    assert {name: found[name] for name in report} == report
    assert len(backend.posts("outcomes")[0].body) < 2048


def test_a_refused_refresh_is_reported(page: Page, backend: Backend) -> None:
    refusal = problem(403, "account-inactive", support_id="ABCDE-99999")
    backend.script("token", granted(), refusal)
    opened(page, backend)
    refresh(page)
    first, second = reports(page, backend, 2)
    assert (first["status"], second["status"]) == ("activated", "refused")
    assert second["support_id"] == "ABCDE-99999"


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(
            problem(401, "no-session", support_id="ABCDE-12345", sign_in_url="/usher/sign-in"),
            id="nobody-signed-in",
        ),
        pytest.param(answer(502, b"<p>", "text/html"), id="nothing-was-decided"),
    ],
)
def test_what_is_no_news_to_the_operator_is_not_reported(
    refusal: Answer, page: Page, backend: Backend
) -> None:
    backend.script("token", refusal)
    opened(page, backend)
    assert reports(page, backend, 0) == []


def test_row_152_no_report_holds_a_token(page: Page, backend: Backend) -> None:
    opened(page, backend)
    refresh(page)
    reports(page, backend)
    sent = backend.posts("outcomes")
    assert sent
    assert not [it for it in sent if TOKEN.search(it.body.decode() + it.path)]


@pytest.mark.parametrize("fault", ["missing", "broken", "down", "slow"])
def test_row_156_without_the_endpoint_the_activation_is_the_same(
    fault: str, page: Page, backend: Backend
) -> None:
    faults = {
        "missing": answer(404),
        "broken": answer(500, b"<p>", "text/html"),
        "down": hang_up,
        "slow": backend.hang,
    }
    backend.script("outcomes", faults[fault])
    assert opened(page, backend)["status"] == "activated"
    assert (calls(page, "activate"), state(page)) == (1, "authenticated")
    refresh(page)
    wait_until(page, "window.iAdvizeSandbox.count('refresh-result') === 1")
    assert state(page) == "authenticated"
    assert page.evaluate("window.outcomes.length") == 1
    assert len(backend.posts("outcomes")) == 1


EVENTS = """<script>
  window.told = [];
  const names = ['activating', 'outcome', 'activated', 'refused', 'failed', 'error', 'ended'];
  for (const name of names) {
    document.addEventListener(`usher:${name}`, () => window.told.push(name));
  }
</script>"""


@pytest.mark.parametrize(
    ("answers", "verdict", "told"),
    [
        ([granted()], accepted(), ["activating", "outcome", "activated"]),
        ([granted()], rejected("invalid key"), ["activating", "outcome", "failed"]),
        ([problem(403, "x", support_id="A")], accepted(), ["outcome", "refused"]),
        ([answer(500)], accepted(), ["outcome", "error"]),
    ],
    ids=["activated", "failed", "refused", "error"],
)
def test_the_page_is_told_by_events(
    answers: list[Answer], verdict: Answer, told: list[str], page: Page, backend: Backend
) -> None:
    backend.script("token", *answers)
    backend.script("sandbox/authenticate", verdict)
    page.goto(backend.page(EVENTS, TAG, CLIENT, retryDelay=1))
    first_outcome(page)
    assert page.evaluate("window.told") == told


def test_the_page_is_told_when_the_visit_ends(page: Page, backend: Backend) -> None:
    page.goto(backend.page(EVENTS, TAG, CLIENT))
    first_outcome(page)
    page.evaluate("import('/usher/static/usher.js').then((it) => it.signOut())")
    told = ["activating", "outcome", "activated", "outcome", "ended"]
    assert page.evaluate("window.told") == told
