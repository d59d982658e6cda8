"""`POST /usher/token`: who gets a token, and in which words everybody else is refused."""

from __future__ import annotations

import pytest
from support.refusals import assert_refused
from support.service import MakeService, Service

ANY_SHAPE_OF_NOTHING = [b"{}", b" {} ", b"{ }", b"\r\n{\n\t}"]


@pytest.mark.parametrize("body", ANY_SHAPE_OF_NOTHING)
def test_a_signed_in_visitor_gets_a_token(service: Service, body: bytes) -> None:
    answer = service.signed_in("jane").ask(data=body)
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert answer.members.keys() == {
        "token",
        "expires_at",
        "expires_in",
        "support_id",
        "visitor",
    }
    assert answer.members["expires_in"] == 60
    assert answer.members["expires_at"] == int(service.clock()) + 60
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert service.open_token(answer.members["token"]) == {
        "iss": service.origin,
        "exp": answer.members["expires_at"],
        "https://iadvize.com/userId": service.user_id_of("jane"),
    }
    (line,) = answer.audit_lines
    assert (line["event"], line["code"]) == ("token", "issued")


def test_row_1_nobody_signed_in(service: Service) -> None:
    assert_refused(service.browser().ask(), 401, "no-session")


@pytest.mark.parametrize(
    "accept", ["text/html", "text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "image/avif"]
)
def test_row_1_what_the_client_accepts_changes_nothing(service: Service, accept: str) -> None:
    answer = service.browser().ask(headers={"Accept": accept})
    assert_refused(answer, 401, "no-session")


@pytest.mark.parametrize(
    "method",
    ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "XYZZY"],
)
@pytest.mark.parametrize(
    "override",
    [
        pytest.param({}, id="plain"),
        pytest.param({"X-HTTP-Method-Override": "POST"}, id="x-http-method-override"),
        pytest.param({"X-HTTP-Method": "POST"}, id="x-http-method"),
        pytest.param({"X-Method-Override": "POST"}, id="x-method-override"),
    ],
)
def test_row_2_other_methods(service: Service, method: str, override: dict[str, str]) -> None:
    answer = service.signed_in().ask(
        method=method, headers=override, query_string="_method=POST"
    )
    if method == "HEAD":
        assert (answer.status_code, answer.get_data()) == (405, b"")
    else:
        assert_refused(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "OPTIONS, POST"


def test_row_2_a_method_in_the_body_is_not_a_method(service: Service) -> None:
    answer = service.signed_in().ask(method="GET", data=b"_method=POST")
    assert_refused(answer, 405, "method-not-allowed")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/json+x",
        "application/jsonp",
        "application/ld+json",
        "text/json",
        "*/*",
        "application/json, text/plain",
        "\u00e9",
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"", b"a=b", b"--x\r\n\r\n{}\r\n--x--\r\n"])
def test_row_3_bodies_that_need_no_preflight(
    service: Service, content_type: str | None, body: bytes
) -> None:
    answer = service.signed_in().ask(data=body, headers={"Content-Type": content_type})
    assert_refused(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param(" ", id="space"),
        pytest.param("x" * 65, id="65-characters"),
        pytest.param("x" * 10_000, id="10-kb"),
        pytest.param("caf\u00e9", id="latin-1"),
        pytest.param("a,b", id="two-headers-joined"),
        pytest.param("<script>", id="markup"),
        pytest.param("a\tb", id="tab"),
        pytest.param("-a", id="leading-hyphen"),
    ],
)
def test_row_4_the_header_that_forces_a_preflight(service: Service, client: str | None) -> None:
    answer = service.signed_in().ask(headers={"X-Usher-Client": client})
    assert_refused(answer, 403, "client-header-required")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"[{}]", id="object-in-array"),
        pytest.param(b"{}{}", id="two-objects"),
        pytest.param(b"{} x", id="more-behind-it"),
        pytest.param(b'{"a": 1}', id="member"),
        pytest.param(b'{"a": 1, "a": 2}', id="duplicate-member"),
        pytest.param(b'{"": {}}', id="empty-name"),
        pytest.param(b'{"a": NaN}', id="nan"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": 1e999}', id="infinite-number"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="5000-digits"),
        pytest.param(b"[" * 1000, id="1000-deep"),
        pytest.param(b"[" * 8000 + b"]" * 8000, id="8000-deep"),
        pytest.param(b'{"a":' * 2000 + b"1" + b"}" * 2000, id="2000-objects-deep"),
        pytest.param("{}".encode("utf-16"), id="utf-16"),
        pytest.param("{}".encode("utf-16-le"), id="utf-16-without-mark"),
        pytest.param("{}".encode("utf-32"), id="utf-32"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param(b'{"a": "\xff"}', id="invalid-utf-8"),
        pytest.param(b'{"\\ud800": ""}', id="lone-surrogate"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="encoded-surrogate"),
        pytest.param(b"\0", id="nul"),
        pytest.param(b"{\0}", id="nul-inside"),
        pytest.param(b"{\x0b}", id="vertical-tab"),
        pytest.param("{\u00a0}".encode(), id="no-break-space"),
        pytest.param(b"{'a': 1}", id="python"),
        pytest.param(b"{/**/}", id="comment"),
        pytest.param(b" " * (16 * 1024), id="16-kb-of-spaces"),
        pytest.param(b"{" + b" " * (16 * 1024 - 1), id="16-kb-unclosed"),
    ],
)
def test_row_16_bodies_that_say_something(service: Service, body: bytes) -> None:
    assert_refused(service.signed_in().ask(data=body), 400, "malformed-request")


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "latin-1", "nonsense", "\u00e9"])
def test_row_16_the_charset_is_not_the_clients_to_choose(
    service: Service, charset: str
) -> None:
    content_type = {"Content-Type": f"application/json; charset={charset}"}
    browser = service.signed_in()
    assert browser.ask(headers=content_type).status_code == 200
    refused = browser.ask(headers=content_type, data="{}".encode("utf-16"))
    assert_refused(refused, 400, "malformed-request")


@pytest.mark.parametrize("size", [16 * 1024 + 1, 1024 * 1024])
def test_row_16_larger_than_16_kb(service: Service, size: int) -> None:
    answer = service.signed_in().ask(data=b" " * (size - 2) + b"{}")
    assert_refused(answer, 413, "content-too-large")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x2", "+2", " ", "9" * 30, "\u00b2"])
def test_row_16_a_length_that_is_none(service: Service, length: str) -> None:
    answer = service.signed_in().ask(environ_overrides={"CONTENT_LENGTH": length})
    assert answer.status_code in {200, 400, 413}
    if answer.status_code != 200:
        code = "content-too-large" if answer.status_code == 413 else "malformed-request"
        assert_refused(answer, answer.status_code, code)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Mode": "navigate"}, id="navigation-or-iframe"),
        pytest.param({"Sec-Fetch-Mode": "no-cors"}, id="no-cors-fetch-or-image"),
        pytest.param({"Sec-Fetch-Mode": "websocket"}, id="websocket"),
        pytest.param({"Sec-Fetch-Mode": ""}, id="empty-mode"),
        pytest.param({"Sec-Purpose": "prefetch"}, id="prefetch"),
        pytest.param({"Sec-Purpose": "prefetch;prerender"}, id="prerender"),
        pytest.param({"Origin": None, "Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({"Origin": None, "Sec-Fetch-Site": "same-site"}, id="same-site"),
        pytest.param({"Origin": None, "Sec-Fetch-Site": "none"}, id="typed-address"),
        pytest.param({"Origin": None, "Sec-Fetch-Site": ""}, id="empty-site"),
        pytest.param({"Origin": None, "Sec-Fetch-Site": "Same-Origin"}, id="other-case"),
    ],
)
def test_row_17_requests_that_no_script_of_the_page_makes(
    service: Service, headers: dict[str, str | None]
) -> None:
    assert_refused(service.signed_in().ask(headers=headers), 403, "cross-origin")


def test_a_client_that_is_no_browser_sends_none_of_the_fetch_headers(service: Service) -> None:
    headers = {"Origin": None, "Sec-Fetch-Site": None, "Sec-Fetch-Mode": None}
    assert service.signed_in().ask(headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/token", "/sign-in", "/sign-out", "/session"])
def test_row_18_plain_http_is_refused_and_not_redirected(service: Service, path: str) -> None:
    method = "GET" if path == "/session" else "POST"
    event = {"/token": "token", "/sign-in": "sign-in", "/sign-out": "sign-out"}
    answer = service.signed_in().ask(path, base_url="http://shop.example", method=method)
    assert_refused(answer, 403, "https-required", event=event.get(path, "request"))


def test_row_19_a_cookie_that_never_came_is_not_one_that_expired(service: Service) -> None:
    browser = service.signed_in()
    service.clock.advance(30 * 60 + 1)
    assert_refused(browser.ask(), 401, "session-expired")
    assert_refused(service.browser().ask(), 401, "no-session")


def test_row_41_a_sign_in_is_taken_from_the_cookie_alone(service: Service) -> None:
    cookie = service.signed_in().cookie()
    assert cookie is not None
    name = service.cookie_name
    stranger = service.browser()
    query = {name: cookie, "session": cookie, "token": cookie}
    assert_refused(stranger.ask(query_string=query), 401, "no-session")
    in_headers = {"Authorization": f"Bearer {cookie}", "X-Session": cookie, name: cookie}
    assert_refused(stranger.ask(headers=in_headers), 401, "no-session")
    in_body = stranger.ask(data=f'{{"{name}": "{cookie}"}}'.encode())
    assert_refused(in_body, 400, "malformed-request")


def test_row_131_each_token_is_another(make_service: MakeService) -> None:
    service = make_service(limits={"tokens_per_person": "1000 per 60 seconds"})
    browser = service.signed_in()
    tokens = [browser.ask().members["token"] for _ in range(200)]
    for part in (1, 2, 3, 4):
        assert len({token.split(".")[part] for token in tokens}) == len(tokens)
    assert len(set(service.issued())) == len(tokens)


@pytest.mark.parametrize("activation", [{"no-session": "anonymous", "session-expired": "none"}])
def test_what_the_page_does_then_is_the_operators_choice(
    make_service: MakeService, activation: dict[str, str]
) -> None:
    service = make_service(policy={"activation": activation})
    browser = service.signed_in()
    service.clock.advance(13 * 3600)
    assert browser.ask().members["activation"] == "none"
    assert service.browser().ask().members["activation"] == "anonymous"
