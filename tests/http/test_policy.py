"""The operator's rules where they count: at the token endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from support.service import MakeService

from flask_usher.providers import accounts

STAFF_ONLY = {
    "code": "staff-only",
    "refuse_when": "!('staff' in identity.groups)",
    "message": "secret-project members only",
}
STALE = {
    "code": "sign-in-too-old",
    "refuse_when": "now - identity.signed_in_at > duration('8h')",
    "sign_in_helps": True,
    "retryable": True,
    "activation": "anonymous",
}


def test_row_144_who_leaves_a_group_is_refused_the_next_token(
    make_service: MakeService,
) -> None:
    service = make_service(policy={"rules": [STAFF_ONLY]})
    service.add_account()
    browser = service.signed_in()
    assert browser.ask().members["code"] == "staff-only"
    for groups, status in ((["staff"], 200), (["other"], 403), (["staff"], 200), ([], 403)):
        with service.state.database.writing() as connection:
            connection.execute(sa.update(accounts.table).values(groups=json.dumps(groups)))
        assert browser.ask().status_code == status


def test_the_page_learns_the_code_and_nothing_of_the_rule(make_service: MakeService) -> None:
    service = make_service(policy={"rules": [STAFF_ONLY]})
    answer = service.signed_in().ask()
    assert answer.status_code == 403
    assert answer.members == {
        "type": "urn:usher:problem:staff-only",
        "title": "The policy does not allow a token",
        "status": 403,
        "detail": "One of the operator's rules refuses; the audit line says which.",
        "code": "staff-only",
        "activation": "none",
        "retryable": False,
        "support_id": answer.members["support_id"],
    }
    (line,) = answer.audit_lines
    assert (line["rule"], line["reason"]) == ("staff-only", "secret-project members only")
    assert line["policy"] == service.state.settings.policy.version


def test_what_a_rule_may_tell_the_page(make_service: MakeService) -> None:
    service = make_service(policy={"rules": [STALE]}, sign_ins={"idle_seconds": 43200})
    browser = service.signed_in()
    assert browser.ask().status_code == 200
    service.clock.now += 8 * 3600 + 1
    members = browser.ask().members
    told = {key: members[key] for key in ("code", "activation", "retryable", "sign_in_url")}
    assert told == {
        "code": "sign-in-too-old",
        "activation": "anonymous",
        "retryable": True,
        "sign_in_url": "/usher/sign-in",
    }


@pytest.mark.parametrize(
    ("rule", "headers", "status"),
    [
        pytest.param(
            "request.origin != 'https://www.brand.example'",
            {"Origin": "https://www.brand.example", "Sec-Fetch-Site": "cross-site"},
            200,
            id="origin",
        ),
        pytest.param(
            "request.origin != 'https://www.brand.example'", {}, 403, id="other-origin"
        ),
        pytest.param("has(request.origin)", {"Origin": None}, 200, id="no-origin"),
        pytest.param("request.address != '127.0.0.1'", {}, 200, id="address"),
        pytest.param(
            "request.address != '10.0.0.1'",
            {"X-Forwarded-For": "10.0.0.1"},
            403,
            id="row157-forged-address",
        ),
        pytest.param("account.name != 'jane'", {}, 200, id="account"),
        pytest.param("!(account.created_at < now + duration('24h'))", {}, 200, id="created"),
    ],
)
def test_rules_see_the_request_and_the_account(
    make_service: MakeService, rule: str, headers: dict[str, Any], status: int
) -> None:
    service = make_service(policy={"rules": [{"code": "no", "refuse_when": rule}]})
    peer = {"REMOTE_ADDR": "127.0.0.1"}
    answer = service.signed_in().ask(headers=headers, environ_overrides=peer)
    assert answer.status_code == status
