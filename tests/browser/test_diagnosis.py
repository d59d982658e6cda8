"""In development the console says in words what is wrong, and tells the causes apart."""

from __future__ import annotations

from typing import Any

import pytest
from browser.backend import CLIENT, TAG, Answer, Backend, answer, hang_up, problem, rejected
from browser.client import wait_until
from browser.service import Service
from browser.watch import FAILED_LOAD, Watch
from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser

COLLECT = """
  window.diagnoses = [];
  document.addEventListener('usher:diagnosis', ({ detail }) => window.diagnoses.push(detail));
"""
DEBUG = '<script type="module" src="/usher/static/usher.debug.js"></script>'
SECONDS = 1000


@pytest.fixture
def page(watch: Watch) -> Page:
    watch.expect(FAILED_LOAD, "net::ERR", "CORS policy", "Content Security Policy")
    page = watch.page()
    page.add_init_script(COLLECT)
    return page


def diagnosis(page: Page) -> dict[str, Any]:
    wait_until(page, "window.diagnoses.length > 0")
    (found,) = page.evaluate("window.diagnoses")
    return dict(found)


@pytest.mark.parametrize(
    ("token", "verdict", "cause", "says"),
    [
        pytest.param(problem(401, "no-session"), None, "signed-out", "Sign in", id="row19"),
        pytest.param(
            problem(403, "account-inactive"), None, "refused", "Enable it", id="refused"
        ),
        pytest.param(
            problem(403, "new-code"), None, "refused", "new-code", id="refused-unknown"
        ),
        pytest.param(answer(502, b"<p>", "text/html"), None, "service-down", "502", id="502"),
        pytest.param(hang_up, None, "redirected", "under Network", id="cut-off"),
        pytest.param(
            answer(302, Location="/page"), None, "redirected", "sign-in page", id="redirected"
        ),
        pytest.param(
            None, rejected("invalid key"), "activation-failed", "usher keys show", id="key"
        ),
        pytest.param(
            None, rejected("A new reason"), "activation-failed", "not documented", id="reason"
        ),
    ],
)
def test_what_the_console_says(
    token: Answer | None,
    verdict: Answer | None,
    cause: str,
    says: str,
    page: Page,
    backend: Backend,
    watch: Watch,
) -> None:
    if token is not None:
        backend.script("token", token)
    if verdict is not None:
        backend.script("sandbox/authenticate", verdict)
    backend.put("/usher/health/live", "{}")
    page.goto(backend.page(TAG, DEBUG, CLIENT, retryDelay=1))
    found = diagnosis(page)
    assert found["cause"] == cause
    assert says in found["text"]
    assert any(f"Usher, diagnosis: {cause}" in text for text in watch.console)


def test_a_chat_that_works_needs_no_words(page: Page, backend: Backend) -> None:
    page.goto(backend.page(TAG, DEBUG, CLIENT))
    wait_until(page, "window.outcomes?.length > 0")
    page.wait_for_timeout(100)
    assert page.evaluate("window.diagnoses") == []


def elsewhere(page: Page, *, service: str, answers: bool, status: int = 401) -> None:
    """Open a page of http://www.shop.test that looks for Usher at another origin."""

    def serve(route: Route) -> None:
        url = route.request.url
        if not answers and "/usher/" in url and "/static/" not in url:
            return route.abort("connectionrefused")
        if url.endswith("/usher/token"):
            headers = {
                "Access-Control-Allow-Origin": "http://www.shop.test",
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Allow-Headers": "Content-Type, X-Usher-Client",
                "Content-Type": "application/problem+json",
            }
            body = '{"code": "no-session", "title": "Nobody is signed in"}'
            code = 204 if route.request.method == "OPTIONS" else status
            return route.fulfill(status=code, headers=headers, body=body)
        return route.fulfill(status=200, body="{}")

    page.route(f"{service}/**", serve)


@pytest.fixture
def shop(page: Page, backend: Backend) -> Page:
    """A page at http://www.shop.test with the scripts on its own origin."""

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix("http://www.shop.test")
        fetched = route.fetch(url=f"{backend.origin}{path}")
        route.fulfill(response=fetched)

    page.route("http://www.shop.test/**", serve)
    return page


def look(shop: Page, backend: Backend, service: str) -> dict[str, Any]:
    debug = DEBUG.replace("type=", f'data-base="{service}/usher/" type=')
    address = backend.page(TAG, debug).replace(backend.origin, "http://www.shop.test")
    shop.goto(address)
    wait_until(shop, "window.iAdvizeSandbox !== undefined")
    shop.evaluate(
        "(base) => import('/usher/static/usher.js').then((it) => it.activate({ base }))",
        f"{service}/usher/",
    )
    return diagnosis(shop)


@pytest.mark.parametrize(
    ("service", "answers", "status", "cause"),
    [
        pytest.param(
            "http://account.other.test", True, 401, "cookie-not-sent", id="row19-other-site"
        ),
        pytest.param("https://account.shop.test", True, 401, "cookie-not-sent", id="scheme"),
        pytest.param("http://account.shop.test", True, 401, "signed-out", id="same-site"),
        pytest.param("http://account.shop.test", False, 0, "service-down", id="down"),
    ],
)
def test_another_origin(
    service: str, answers: bool, status: int, cause: str, shop: Page, backend: Backend
) -> None:
    elsewhere(shop, service=service, answers=answers, status=status)
    assert look(shop, backend, service)["cause"] == cause


def test_a_real_service_that_does_not_know_the_origin(
    page: Page, backend: Backend, service: Service
) -> None:
    page.goto(
        backend.page(TAG, DEBUG.replace("type=", f'data-base="{service.origin}/usher/" type='))
    )
    wait_until(page, "window.iAdvizeSandbox !== undefined")
    page.evaluate(
        "(base) => import('/usher/static/usher.js').then((it) => it.activate({ base }))",
        f"{service.origin}/usher/",
    )
    found = diagnosis(page)
    assert found["cause"] == "cors-blocked"
    assert f'Add "{backend.origin}" to allowed_origins' in found["text"]


def test_a_policy_that_forbids_the_request(page: Page, backend: Backend) -> None:
    html = f"""<!doctype html><title>Strict</title><link rel="icon" href="data:,">
      {TAG}{DEBUG}{CLIENT}"""
    policy = "connect-src https://nowhere.test"
    page.goto(backend.put("/strict", html, **{"Content-Security-Policy": policy}))
    found = diagnosis(page)
    assert found["cause"] == "csp-blocked"
    assert "connect-src" in found["text"]


def test_offline(page: Page, backend: Backend) -> None:
    page.goto(backend.page(TAG, DEBUG))
    wait_until(page, "window.iAdvizeSandbox !== undefined")
    page.evaluate("import('/usher/static/usher.js')")
    page.context.set_offline(True)
    page.evaluate("import('/usher/static/usher.js').then((it) => it.activate())")
    assert diagnosis(page)["cause"] == "offline"


@pytest.mark.parametrize(
    ("tag", "cause"),
    [
        pytest.param("", "tag-missing", id="missing"),
        pytest.param('<script src="/gone/iadvize.js"></script>', "tag-not-loaded", id="404"),
    ],
)
def test_a_tag_that_does_not_come(tag: str, cause: str, page: Page, backend: Backend) -> None:
    page.clock.install()
    page.goto(backend.page(tag, DEBUG, CLIENT))
    wait_without_clock(page, "window.iAdvizeInterface.length > 1")
    page.clock.fast_forward(9 * SECONDS)
    assert page.evaluate("window.diagnoses") == []
    page.clock.fast_forward(2 * SECONDS)
    assert page.evaluate("window.diagnoses[0].cause") == cause


def test_an_activation_that_never_settles(page: Page, backend: Backend) -> None:
    page.clock.install()
    page.goto(backend.page(TAG, DEBUG, CLIENT, isSilent=True))
    wait_without_clock(page, "window.iAdvizeSandbox?.count('activate') === 1")
    page.clock.fast_forward(21 * SECONDS)
    assert page.evaluate("window.diagnoses[0].cause") == "activation-pending"


def wait_without_clock(page: Page, expression: str) -> None:
    """Wait on a page whose clock is the test's."""
    page.wait_for_function(expression)
