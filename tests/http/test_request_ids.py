"""One id for a request: the proxy's where it is believed, else our own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.service import MakeService, Service

NGINX = "127.0.0.1"
ID = "0af7651916cd43dd8448eb211c80319c"
OWN = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def behind(make_service: MakeService) -> Service:
    """A service behind a proxy."""
    return make_service(proxy={"trusted_addresses": [NGINX]})


def recorded(service: Service, peer: str = NGINX, **headers: Any) -> str:
    """Ask for a token; return the request id in the audit line."""
    answer = service.browser().ask(
        headers={name.replace("_", "-"): text for name, text in headers.items()}
        | {"X-Forwarded-Proto": "https"},
        environ_overrides={"REMOTE_ADDR": peer},
    )
    (line,) = answer.audit_lines
    assert answer.members["support_id"] == line["support_id"]
    # Visitors quote the support id; another one would only be mixed up with it.
    assert line["request_id"] not in str(answer.headers) + answer.text
    return str(line["request_id"])


def test_the_proxy_s_id_is_on_record(behind: Service) -> None:
    assert recorded(behind, X_Request_ID=ID) == ID


@pytest.mark.parametrize(
    "given",
    [
        ID.upper(),
        ID[:-1],
        ID + "0",
        ID + ", " + ID,
        "",
        "x" * 32,
        f'{ID[:-2]}"}}',
        " " + ID[1:],
    ],
)
def test_another_form_is_not_believed(behind: Service, given: str) -> None:
    found = recorded(behind, X_Request_ID=given)
    assert OWN.fullmatch(found)
    assert found != given


def test_strangers_are_not_believed(behind: Service) -> None:
    found = {recorded(behind, "203.0.113.7", X_Request_ID=ID) for _ in range(3)}
    assert len(found) == 3
    assert all(map(OWN.fullmatch, found))
    assert ID not in found


def test_without_a_proxy_nobody_is_believed(make_service: MakeService) -> None:
    assert recorded(make_service(), X_Request_ID=ID) != ID


def test_each_request_has_its_own(behind: Service) -> None:
    assert len({recorded(behind) for _ in range(5)}) == 5


def test_a_host_app_s_requests_have_one_too(make_service: MakeService) -> None:
    service = make_service(rules=(lambda facts: None,))
    found = {recorded(service, X_Request_ID=ID) for _ in range(3)}
    assert len(found) == 3
    assert all(map(OWN.fullmatch, found))
