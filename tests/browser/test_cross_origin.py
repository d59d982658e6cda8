"""A shop on one origin, Usher on another: only where the operator allowed it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from browser.backend import CLIENT, TAG, Backend
from browser.service import Service
from browser.watch import FAILED_LOAD, TOKEN, Watch
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CHAT = "usher-sandbox-chat"


def client_of(service: Service) -> str:
    return CLIENT.replace('src="', f'src="{service.origin}')


def test_an_allowed_origin_gets_the_token_of_its_visitor(
    start_service: Callable[..., Service], backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD)
    service = start_service(USHER__ALLOWED_ORIGINS=json.dumps([backend.origin]))
    page = watch.page()
    service.sign_in(page)
    page.wait_for_url(service.shop)
    page.goto(backend.page(TAG, client_of(service)))
    expect(page.locator(CHAT)).to_have_count(1)
    (outcome,) = page.evaluate("window.outcomes")
    assert (outcome["status"], outcome["mode"]) == ("activated", "secured")
    (request,) = backend.posts("sandbox/authenticate")
    assert TOKEN.fullmatch(json.loads(request.body)["token"])
    assert backend.posts("token") == []
    page.evaluate(
        f"import('{service.origin}/usher/static/usher.js').then((it) => it.signOut())"
    )
    expect(page.locator(CHAT)).to_have_count(0)
    assert len(service.audit("signed-out")) == 1


def test_row_6_another_origin_gets_nothing(
    service: Service, backend: Backend, watch: Watch
) -> None:
    watch.expect(FAILED_LOAD, "blocked by CORS policy", "net::ERR_FAILED")
    page = watch.page()
    service.sign_in(page)
    page.wait_for_url(service.shop)
    expect(page.locator(CHAT)).to_have_count(1)
    issued = len(service.audit("issued"))
    page.goto(backend.page(TAG))
    page.wait_for_function("window.iAdvizeSandbox")
    outcome = page.evaluate(
        """async (base) => {
          const { activate } = await import('/usher/static/usher.js');
          return activate({ base });
        }""",
        f"{service.origin}/usher/",
    )
    assert (outcome["activated"], outcome["code"]) == (False, "network-error")
    assert page.evaluate("window.iAdvizeSandbox.count('activate')") == 0
    assert len(service.audit("issued")) == issued
