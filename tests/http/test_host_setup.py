"""What an app must do for Usher by itself, and what happens when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, abort, request
from support.refusals import assert_refused
from support.service import MakeService, Service
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_usher.providers.base import Identity

HOST = {"shop": {"type": "host"}}
FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
}


@pytest.fixture
def host(make_service: MakeService) -> Service:
    """A host app in which everybody is signed in."""
    person = Identity(provider="host", subject="7", signed_in_at=0.0)
    app = Flask("host")
    return make_service(app=app, identify=lambda: person, providers=HOST)


def through_the_proxy(host: Service) -> Any:
    """Ask as a proxy on this machine hands the request on."""
    return host.browser().ask(base_url="http://127.0.0.1:8000", headers=FORWARDED)


def test_a_proxy_that_the_app_believes_is_believed(host: Service) -> None:
    believing = ProxyFix(host.app.wsgi_app, x_for=1, x_proto=1, x_host=1)
    host.app.wsgi_app = believing  # type: ignore[method-assign]
    answer = through_the_proxy(host)
    assert answer.status_code == 200
    assert answer.audit_lines[-1]["address"] == "203.0.113.7"


def test_one_that_it_does_not_believe_gets_nothing(host: Service) -> None:
    assert_refused(through_the_proxy(host), 400, "host-not-allowed")
    named = host.browser().ask(base_url="http://shop.example", headers=FORWARDED)
    assert_refused(named, 403, "https-required")


def protect_all_forms(app: Flask, *exempt: str) -> None:
    """Do what extensions for form protection do."""

    @app.before_request
    def protect() -> None:
        if request.method == "POST" and request.blueprint not in exempt:
            abort(400)


def test_form_protection_of_the_whole_app_can_leave_ours_alone_by_its_name(
    host: Service,
) -> None:
    protect_all_forms(host.app, "usher")
    assert host.browser().user_id() == "shop:7"
    assert host.browser().post("/elsewhere").status_code == 400


def test_if_it_does_not_there_is_no_token(host: Service) -> None:
    protect_all_forms(host.app)
    answer = host.browser().ask()
    assert (answer.status_code, answer.members["code"]) == (400, "malformed-request")
    assert answer.audit_lines == []
