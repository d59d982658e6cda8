"""Mobile apps show the access token that they have, and get a chat token for that person."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.access_tokens import APP, SUBJECTS
from support.mobile_apps import (
    access_token,
    ask_as_app,
    bearer_settings,
    introspection_settings,
    issuing,
    opaque_token,
)
from support.openid import KEY
from support.refusals import assert_on_record, assert_refused, assert_sealed
from support.server import Server, free_port, serving
from support.service import ALLOWED_ORIGIN, USER_ID, Answer, MakeService, Service

from flask_usher.testing import (
    JANE,
    Behaviour,
    Endpoint,
    FakeOpenIdProvider,
    HangUp,
    Reply,
)

AS_BEARER = 'Bearer realm="usher"'
AS_COOKIE = 'Cookie realm="usher"'
FEW = "5 per 60 seconds"


@pytest.fixture
def issuer() -> Iterator[FakeOpenIdProvider]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def other_issuer() -> Iterator[FakeOpenIdProvider]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def service(make_service: MakeService, issuer: FakeOpenIdProvider) -> Service:
    local = {"type": "local"}
    return make_service(providers={"local": local, "app": bearer_settings(issuer)})


@pytest.fixture
def asking(make_service: MakeService, issuer: FakeOpenIdProvider, tmp_path: Path) -> Service:
    """A service that asks the issuer about each token."""
    return make_service(
        providers={"app": introspection_settings(issuer, tmp_path)},
        limits={"refused_credentials_per_address": FEW},
    )


def user_id(service: Service, answer: Answer) -> str:
    assert answer.status_code == 200, answer.text
    return str(service.open_token(answer.members["token"])[USER_ID])


def assert_token_refused(answer: Answer, status: int, code: str, error: str) -> None:
    """Check all that is promised of an answer to an access token that we refuse."""
    assert_sealed(answer, status)
    problem = answer.members
    assert (problem["code"], problem["activation"]) == (code, "none")
    # An app has no use for the website's sign-in page.
    assert problem.keys() & {"token", "sign_in_url"} == set()
    assert answer.headers.getlist("WWW-Authenticate") == [f'{AS_BEARER}, error="{error}"']
    assert_on_record(answer, code, "token")


def test_the_person_of_the_access_token_gets_a_chat_token(
    service: Service, issuer: FakeOpenIdProvider
) -> None:
    answer = ask_as_app(service, f"Bearer {access_token(issuer)}")
    assert user_id(service, answer) == f"app:{JANE.subject}"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    (line,) = answer.audit_lines
    assert (line["event"], line["code"], line["provider"]) == ("token", "issued", "app")


def test_an_opaque_access_token_does_as_well(
    asking: Service, issuer: FakeOpenIdProvider
) -> None:
    token = opaque_token(issuer)
    assert user_id(asking, ask_as_app(asking, f"Bearer {token}")) == f"app:{JANE.subject}"
    issuer.revoke(token)
    asking.clock.advance(31)
    refused = ask_as_app(asking, f"Bearer {token}")
    assert_token_refused(refused, 401, "invalid-token", "invalid_token")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic dTpw", 'Digest username="a"', "Basic bearer"],
)
def test_row_111_no_access_token(service: Service, authorization: str | None) -> None:
    answer = ask_as_app(service, authorization)
    assert_refused(answer, 401, "no-session")
    assert answer.headers.getlist("WWW-Authenticate") == [AS_COOKIE, AS_BEARER]


def test_row_111_where_no_access_tokens_are_taken_none_is_asked_for(
    make_service: MakeService,
) -> None:
    service = make_service()
    for authorization in (None, "Bearer abc"):
        answer = ask_as_app(service, authorization)
        assert_refused(answer, 401, "no-session")
        assert answer.headers.getlist("WWW-Authenticate") == [AS_COOKIE]


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer a b", "Bearer é", "bearer ..."])
def test_row_111_what_is_no_access_token(service: Service, authorization: str) -> None:
    answer = ask_as_app(service, authorization)
    assert_token_refused(answer, 401, "invalid-token", "invalid_token")


@pytest.mark.parametrize(
    "joined", ["Bearer {0}, Bearer {0}", "Bearer {0},Basic dTpw", "Basic dTpw, Bearer {0}"]
)
def test_row_111_two_authorization_headers(
    service: Service, issuer: FakeOpenIdProvider, joined: str
) -> None:
    # As a server hands them on to the application.
    answer = ask_as_app(service, joined.format(access_token(issuer)))
    assert_token_refused(answer, 400, "malformed-request", "invalid_request")


@pytest.mark.parametrize("name", ["access_token", "access%5Ftoken", "a=b&access_token"])
@pytest.mark.parametrize("in_header_too", [False, True])
def test_row_111_a_token_in_the_query(
    service: Service, issuer: FakeOpenIdProvider, name: str, in_header_too: bool
) -> None:
    token = access_token(issuer)
    header = f"Bearer {token}" if in_header_too else None
    answer = ask_as_app(service, header, query_string=f"{name}={token}")
    assert_sealed(answer, 400)
    assert answer.members["code"] == "malformed-request"
    assert_on_record(answer, "malformed-request", "token")
    assert issuer.requests == []


def test_row_111_a_token_in_a_form_or_in_the_body(
    service: Service, issuer: FakeOpenIdProvider
) -> None:
    token = access_token(issuer)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = ask_as_app(service, None, headers=form, data=f"access_token={token}")
    assert_refused(answer, 415, "unsupported-media-type")
    answer = ask_as_app(service, None, data=f'{{"access_token": "{token}"}}')
    assert_refused(answer, 400, "malformed-request")
    assert issuer.requests == []


@pytest.mark.parametrize("header", ["X-Authorization", "Proxy-Authorization", "X-Access-Token"])
def test_row_111_a_token_in_another_header(
    service: Service, issuer: FakeOpenIdProvider, header: str
) -> None:
    headers = {header: f"Bearer {access_token(issuer)}"}
    assert_refused(ask_as_app(service, None, headers=headers), 401, "no-session")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param({"iss": "https://other.example"}, "issuer-mismatch", id="row112-issuer"),
        pytest.param({"aud": "another"}, "audience-mismatch", id="row112-audience"),
        pytest.param({"aud": ...}, "audience-mismatch", id="row112-no-audience"),
        pytest.param({"exp": ...}, "time-malformed", id="row112-no-exp"),
        pytest.param({"exp": 1_799_999_000}, "token-expired", id="row112-expired"),
        pytest.param({"nbf": 1_800_000_900}, "issued-in-the-future", id="row112-nbf-ahead"),
        *(
            pytest.param(it.values[0], "subject-malformed", id=str(it.id).replace("113", "83"))
            for it in SUBJECTS
        ),
    ],
)
def test_a_token_that_is_not_believed(
    service: Service, issuer: FakeOpenIdProvider, claims: Mapping[str, Any], reason: str
) -> None:
    answer = ask_as_app(service, f"Bearer {access_token(issuer, **claims)}")
    assert_token_refused(answer, 401, "invalid-token", "invalid_token")
    assert answer.audit_lines[0]["reason"] == reason


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param({"scope": "openid"}, "scope-missing", id="row112-another-scope"),
        pytest.param({"scope": ...}, "scope-missing", id="row112-no-scope"),
        pytest.param({"client_id": "web-shop"}, "client-not-allowed", id="row116-client"),
        pytest.param(
            {"client_id": "web-shop", "azp": APP}, "client-not-allowed", id="row116-azp"
        ),
    ],
)
def test_a_token_that_is_for_something_else(
    service: Service, issuer: FakeOpenIdProvider, claims: Mapping[str, Any], reason: str
) -> None:
    answer = ask_as_app(service, f"Bearer {access_token(issuer, **claims)}")
    assert_token_refused(answer, 403, "insufficient-scope", "insufficient_scope")
    assert answer.audit_lines[0]["reason"] == reason


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(introspection=changes), id=f"row113-{id_}")
        for id_, changes in {
            "inactive": {"active": False},
            "active-as-text": {"active": "true"},
            "active-as-number": {"active": 1},
            "without-active": {"active": ...},
            "without-sub": {"sub": ...},
            "without-exp": {"exp": ...},
        }.items()
    ],
)
def test_row_113_what_the_issuer_does_not_vouch_for(
    asking: Service, issuer: FakeOpenIdProvider, behaviour: Behaviour
) -> None:
    issuer.behaviour = behaviour
    answer = ask_as_app(asking, f"Bearer {opaque_token(issuer)}")
    assert_token_refused(answer, 401, "invalid-token", "invalid_token")


@pytest.mark.parametrize("fault", [Reply(500), HangUp()], ids=["status-500", "no-answer"])
@pytest.mark.parametrize("endpoint", [Endpoint.INTROSPECTION, Endpoint.DISCOVERY])
def test_row_113_an_issuer_that_fails(
    asking: Service, issuer: FakeOpenIdProvider, fault: Reply | HangUp, endpoint: Endpoint
) -> None:
    issuer.behaviour = Behaviour(answers={endpoint: fault})
    # More often than wrong tokens may be shown: this is no fault of the app's.
    for _ in range(7):
        answer = ask_as_app(asking, f"Bearer {opaque_token(issuer)}")
        assert_refused(answer, 503, "provider-unavailable")
        assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("person", ["jane", "sam"])
def test_row_114_an_access_token_beside_a_sign_in(
    service: Service, issuer: FakeOpenIdProvider, person: str
) -> None:
    browser = service.signed_in(person)
    answer = ask_as_app(service, f"Bearer {access_token(issuer)}", browser=browser)
    assert_token_refused(answer, 400, "ambiguous-credentials", "invalid_request")
    assert browser.ask().status_code == 200


def test_row_114_a_cookie_that_stands_for_nobody_does_no_harm(
    service: Service, issuer: FakeOpenIdProvider
) -> None:
    browser = service.signed_in("jane")
    browser.sign_out()
    browser.show("x" * 43)
    answer = ask_as_app(service, f"Bearer {access_token(issuer)}", browser=browser)
    assert user_id(service, answer) == f"app:{JANE.subject}"


def test_row_114_a_refused_token_is_not_forgiven_for_a_sign_in(
    service: Service, issuer: FakeOpenIdProvider
) -> None:
    token = access_token(issuer, aud="another")
    answer = ask_as_app(service, f"Bearer {token}", browser=service.signed_in("jane"))
    assert_token_refused(answer, 401, "invalid-token", "invalid_token")


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://shop.example"])
def test_row_116_from_the_page_of_another_site(
    asking: Service, issuer: FakeOpenIdProvider, origin: str
) -> None:
    answer = ask_as_app(asking, f"Bearer {opaque_token(issuer)}", headers={"Origin": origin})
    assert_refused(answer, 403, "cross-origin")
    assert issuer.requests == []


def test_row_116_a_page_that_may_ask_can_be_an_app(
    service: Service, issuer: FakeOpenIdProvider
) -> None:
    headers = {"Origin": ALLOWED_ORIGIN}
    answer = ask_as_app(service, f"Bearer {access_token(issuer)}", headers=headers)
    assert user_id(service, answer) == f"app:{JANE.subject}"


def from_address(address: str) -> dict[str, Any]:
    return {"environ_overrides": {"REMOTE_ADDR": address}}


@pytest.mark.parametrize("path", ["/token", "/session"])
def test_row_117_refused_tokens_are_limited_for_each_address(
    asking: Service, issuer: FakeOpenIdProvider, path: str
) -> None:
    good = f"Bearer {opaque_token(issuer)}"
    method = "POST" if path == "/token" else "GET"

    def ask(authorization: str, address: str = "192.0.2.1") -> Answer:
        request = {"path": path, "method": method, **from_address(address)}
        return ask_as_app(asking, authorization, **request)

    assert {ask(good).status_code for _ in range(20)} == {200}
    assert [ask(f"Bearer {number}").status_code for number in range(7)] == [401] * 5 + [429] * 2
    assert issuer.count(Endpoint.INTROSPECTION) == 1 + 5
    refused = ask(good)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert refused.members["code"] == "too-many-requests"
    assert ask(good, "192.0.2.2").status_code == 200
    asking.clock.advance(60)
    assert ask(good).status_code == 200


def test_row_117_a_flood_of_what_is_no_token_asks_the_issuer_nothing(
    asking: Service, issuer: FakeOpenIdProvider
) -> None:
    for authorization in ("Bearer é", "Bearer a b", "Bearer", "Bearer a,b", "Bearer \0"):
        for _ in range(20):
            ask_as_app(asking, authorization)
    assert ask_as_app(asking, "Bearer").status_code == 429
    assert issuer.requests == []


def test_two_issuers_side_by_side(
    make_service: MakeService,
    issuer: FakeOpenIdProvider,
    other_issuer: FakeOpenIdProvider,
) -> None:
    other_issuer.keys = (KEY.renewed(),)
    service = make_service(
        providers={"android": bearer_settings(issuer), "ios": bearer_settings(other_issuer)}
    )
    for name, by in {"android": issuer, "ios": other_issuer}.items():
        answer = ask_as_app(service, f"Bearer {access_token(by)}")
        assert user_id(service, answer) == f"{name}:{JANE.subject}"
        # What the one who issued it says is what counts.
        answer = ask_as_app(service, f"Bearer {access_token(by, scope='x')}")
        assert_token_refused(answer, 403, "insufficient-scope", "insufficient_scope")
        assert answer.audit_lines[0]["reason"] == "scope-missing"
        answer = ask_as_app(service, f"Bearer {access_token(by, aud='x')}")
        assert_token_refused(answer, 401, "invalid-token", "invalid_token")
        reasons = answer.audit_lines[0]["reason"].split(", ")
        assert sorted(reasons) == ["audience-mismatch", "issuer-mismatch"]


@pytest.mark.parametrize("in_order", [True, False])
def test_one_issuer_that_is_down_does_not_shut_out_the_people_of_another(
    make_service: MakeService,
    issuer: FakeOpenIdProvider,
    other_issuer: FakeOpenIdProvider,
    tmp_path: Path,
    in_order: bool,
) -> None:
    other_issuer.keys = (KEY.renewed(),)
    down, up = ("a", "b") if in_order else ("b", "a")
    providers = {
        down: introspection_settings(issuer, tmp_path),
        up: bearer_settings(other_issuer),
    }
    service = make_service(providers=dict(sorted(providers.items())))
    issuer.behaviour = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})
    answer = ask_as_app(service, f"Bearer {access_token(other_issuer)}")
    assert user_id(service, answer) == f"{up}:{JANE.subject}"
    refused = ask_as_app(service, f"Bearer {access_token(other_issuer, aud='x')}")
    assert_token_refused(refused, 401, "invalid-token", "invalid_token")
    assert_refused(ask_as_app(service, "Bearer opaque"), 503, "provider-unavailable")


def test_opaque_tokens_of_two_issuers_of_whom_one_is_down(
    make_service: MakeService,
    issuer: FakeOpenIdProvider,
    other_issuer: FakeOpenIdProvider,
    tmp_path: Path,
) -> None:
    tables = {
        name: introspection_settings(it, tmp_path)
        for name, it in {"a": issuer, "b": other_issuer}.items()
    }
    service = make_service(providers=tables)
    issuer.behaviour = Behaviour(answers={Endpoint.INTROSPECTION: Reply(500)})
    answer = ask_as_app(service, f"Bearer {opaque_token(other_issuer)}")
    assert user_id(service, answer) == f"b:{JANE.subject}"
    assert_refused(ask_as_app(service, "Bearer unknown"), 503, "provider-unavailable")


@pytest.fixture
def live(
    make_service: MakeService, issuer: FakeOpenIdProvider, tmp_path: Path
) -> Iterator[tuple[Service, Server]]:
    port = free_port()
    service = make_service(public_url=f"http://127.0.0.1:{port}")
    settings = bearer_settings(issuer)
    lines = [f"{key} = {value!r}".replace("True", "true") for key, value in settings.items()]
    table = "\n".join(["[providers.app]", *lines])
    (service.folder / "usher.toml").write_text(table)
    service.clock.now = issuer.clock.now = time.time()  # type: ignore[attr-defined]
    with serving(service, port, tmp_path / "log") as server:
        yield service, server
    assert "Traceback" not in (tmp_path / "log").read_text()


def raw(service: Service, *authorization: bytes) -> bytes:
    lines = [
        b"POST /usher/token HTTP/1.1",
        b"Host: " + service.origin.removeprefix("http://").encode(),
        b"X-Usher-Client: raw/1",
        b"Content-Type: application/json",
        b"Content-Length: 2",
        b"Connection: close",
        *(b"Authorization: " + value for value in authorization),
    ]
    return b"\r\n".join([*lines, b"", b"{}"])


def test_authorization_headers_as_a_real_server_hands_them_on(
    live: tuple[Service, Server], issuer: FakeOpenIdProvider
) -> None:
    service, server = live
    good = f"Bearer {access_token(issuer)}".encode()
    service.secrets.add(good.decode().partition(" ")[2])
    assert server.statuses(raw(service, good)) == [200]
    for pair in ([good, good], [good, b"Basic dTpw"], [b"Basic dTpw", good], [b"Bearer", good]):
        assert server.statuses(raw(service, *pair)) == [400], pair
        assert service.audit_lines()[-1]["code"] == "malformed-request"
    # Row 117: the server may have closed before it has read all.
    assert set(server.statuses(raw(service, b"Bearer " + b"x" * 10_000_000))) <= {400, 431}
    for strange in (b"Bearer \xff", b"Bearer \xc3\xa9", b"Bearer a\0b", b"Bearer \x7f"):
        assert server.statuses(raw(service, strange))[0] in {400, 401, 431}
    assert server.statuses(raw(service, good)) == [200]
