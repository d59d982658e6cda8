"""The site as strangers see it: nginx with TLS, and two workers of `usher serve` behind it."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import warnings

import pytest
from support.nginx_files import has_ipv6
from support.service import USER_ID
from support.site import HOST, Site, everything, status

pytestmark = [pytest.mark.nginx, pytest.mark.slow]
BAD = {400, 405, 408, 411, 413, 414, 415, 421, 431}


def last_line(site: Site) -> dict[str, object]:
    return site.service.audit_lines()[-1]


def user_id(site: Site, answer: bytes) -> object:
    token = json.loads(answer.partition(b"\r\n\r\n")[2])["token"]
    return site.service.open_token(token)[USER_ID]


def test_a_token_over_tls(live: Site) -> None:
    answer = live.send(live.request())
    assert status(answer) == 200
    assert user_id(live, answer) == live.service.user_id_of("jane")
    assert last_line(live)["address"] == "127.0.0.1"


def test_a_token_over_ipv6(live: Site) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with live.connect(address="::1") as connection:
        connection.sendall(live.request())
        assert status(everything(connection)) == 200
    assert last_line(live)["address"] == "::1"
    with live.connect(tls=False, address="::1") as connection:
        connection.sendall(live.request())
        assert status(everything(connection)) == 403


@pytest.mark.curl
def test_a_token_over_http_2(live: Site) -> None:
    command = ["curl", "--silent", "--http2", "--cacert", str(live.certificate)]
    command += ["--resolve", f"{HOST}:{live.port}:127.0.0.1", "--data", "{}"]
    command += ["--header", f"Host: {HOST}", "--header", "X-Usher-Client: curl/1"]
    command += ["--header", "Content-Type: application/json"]
    command += ["--header", f"Cookie: __Host-usher={live.cookie}"]
    command += ["--write-out", "\n%{http_version} %{http_code}"]
    command += [f"https://{HOST}:{live.port}/usher/token"]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    body, _, told = printed.rpartition(b"\n")
    assert told == b"2 200"
    token = json.loads(body)["token"]
    assert live.service.open_token(token)[USER_ID] == live.service.user_id_of("jane")


def speaking(live: Site, version: str) -> ssl.SSLContext:
    """Return what makes a connection that knows one version of TLS only."""
    context = ssl.create_default_context(cafile=str(live.certificate))
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    return context


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_tls_is_spoken(live: Site, version: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", live.port)) as plain,
        speaking(live, version).wrap_socket(plain, server_hostname=HOST) as connection,
    ):
        assert connection.version() == version.replace("_", ".")


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(live: Site, version: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", live.port)) as connection,
        pytest.raises(ssl.SSLError, match=r"(?i)alert"),
    ):
        speaking(live, version).wrap_socket(connection, server_hostname=HOST)


def test_each_security_header_is_sent_once(live: Site) -> None:
    head = live.send(live.request()).partition(b"\r\n\r\n")[0].lower()
    for name in (b"strict-transport-security", b"content-security-policy", b"cache-control"):
        assert head.count(b"\r\n" + name + b":") == 1
    assert b"granian" not in head
    assert b"nginx/" not in head


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        pytest.param(b"POST", b"/usher/token", 403, id="row18-token"),
        pytest.param(b"GET", b"/usher/token", 403, id="row18-token-by-get"),
        pytest.param(b"POST", b"/usher/sign-in", 403, id="row18-form"),
        pytest.param(b"POST", b"/usher/sign-out", 403, id="row18-sign-out"),
        pytest.param(b"GET", b"/usher/sign-in", 308, id="row18-page"),
        pytest.param(b"GET", b"/", 308, id="row18-shop"),
    ],
)
def test_plain_http(live: Site, method: bytes, path: bytes, expected: int) -> None:
    before = live.service.audit_size()
    answer = live.send(live.request(path, method=method), tls=False)
    assert status(answer) == expected
    assert (b"\r\nlocation: https://" in answer.lower()) == (expected == 308)
    assert live.service.audit_size() == before


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X_Forwarded_For: 6.6.6.6", id="row161-underscores"),
        pytest.param(b"X-Forwarded_For: 6.6.6.6", id="row161-mixed"),
        pytest.param(b"X-Forwarded-For: 6.6.6.6", id="row161-added"),
        pytest.param(b"Forwarded: for=6.6.6.6", id="row161-forwarded"),
        pytest.param(b"X_Forwarded_Proto: http", id="row161-scheme"),
        pytest.param(b"X_Forwarded_Host: evil.test", id="row161-host"),
        pytest.param(b"X-Forwarded-Host: evil.test", id="row161-host-added"),
        pytest.param(b"Connection: X-Forwarded-For, X-Forwarded-Proto", id="row161-hop"),
    ],
)
def test_what_a_visitor_says_of_proxies_goes_no_further(live: Site, header: bytes) -> None:
    answer = live.send(live.request(b"/usher/token", header))
    assert status(answer) == 200
    assert last_line(live)["address"] == "127.0.0.1"


def test_row_161_headers_named_in_connection_take_nothing_away(live: Site) -> None:
    named = b"Connection: close, X-Usher-Client, Cookie, Origin"
    whole = live.send(live.request(b"/usher/token", named, close=False))
    assert user_id(live, whole) == live.service.user_id_of("jane")
    foreign = live.request(b"/usher/token", named, b"Origin: https://evil.test", close=False)
    assert live.status(foreign) == 403
    assert live.status(live.request(b"/usher/token", named, cookie="x", close=False)) == 401


@pytest.mark.parametrize("host", [b"evil.test", b"www.shop.example.evil.test", b"127.0.0.1"])
def test_another_host_on_our_connection(live: Site, host: bytes) -> None:
    before = live.service.audit_size()
    answer = live.send(live.request(host=host))
    assert status(answer) == 421
    assert b"location" not in answer.lower()
    assert live.service.audit_size() == before


def test_another_name_gets_no_certificate(live: Site) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized"):
        live.connect(name="evil.test")


@pytest.mark.parametrize("part", ["head", "body"])
def test_row_178_two_hundred_slow_requests_hold_up_nobody(live: Site, part: str) -> None:
    """The service never sees them: nginx waits for the rest, and gives up."""
    started = live.request(body=b"{", length=b"100") if part == "body" else b"POST /usher/tok"
    before = live.service.audit_size()
    slow = [live.connect() for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(started)
        assert live.service.audit_size() == before
        assert [live.status(live.request()) for _ in range(50)] == [200] * 50
        assert {status(everything(it)) for it in slow} <= {0, 408}, "nginx has given up"
    finally:
        for connection in slow:
            connection.close()
    assert live.status(live.request()) == 200


def test_row_178_only_owner_and_group_reach_the_service(live: Site) -> None:
    assert live.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param(
            b"/usher/token", [b"X-%d: 1" % number for number in range(101)], id="row179-101"
        ),
        pytest.param(b"/usher/token", [b"X-A: " + b"a" * 9216], id="row179-9-KB"),
        pytest.param(b"/usher/token", [b"Cookie: a=" + b"a" * 65536], id="row179-64-KB-cookie"),
        pytest.param(b"/usher/" + b"a" * 16384, [], id="row179-16-KB-line"),
    ],
)
def test_heads_that_are_too_large(live: Site, path: bytes, headers: list[bytes]) -> None:
    before = len(live.service.issued())
    assert live.status(live.request(path, *headers)) in {400, 414, 431}
    assert len(live.service.issued()) == before


@pytest.mark.parametrize(
    ("changes", "headers", "expected"),
    [
        pytest.param({"length": b"-1"}, [], {400}, id="row181-minus-1"),
        pytest.param({"length": b"2, 3"}, [], {400}, id="row181-two-lengths"),
        pytest.param({"length": b"x"}, [], {400}, id="row181-no-number"),
        pytest.param({"length": None, "body": b""}, [], {400, 411}, id="row181-none"),
        pytest.param({}, [b"Content-Encoding: gzip"], {415}, id="row181-gzip"),
        pytest.param({}, [b"Content-Encoding: x"], {415}, id="row181-unknown-coding"),
        pytest.param({}, [b"Transfer-Encoding: gzip"], {400, 501}, id="row181-transfer"),
        pytest.param({"length": b"99999"}, [], {413}, id="row181-too-long"),
        pytest.param(
            {"body": b"", "length": b"2"}, [b"Expect: 100-continue"], {408}, id="row181-expect"
        ),
    ],
)
def test_bodies_that_are_announced_wrongly(
    live: Site, changes: dict[str, bytes], headers: list[bytes], expected: set[int]
) -> None:
    before = len(live.service.issued())
    answer = live.send(live.request(b"/usher/token", *headers, **changes))
    # "100 Continue" is no answer yet, and a late body gets none but the end.
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert status(answer) in expected | ({0} if 408 in expected else set())
    assert len(live.service.issued()) == before


@pytest.mark.parametrize(
    "request_line",
    [
        pytest.param(b"GET /usher/token\r\n", id="row182-0.9"),
        pytest.param(b"POST /usher/token\r\n\r\n{}", id="row182-0.9-post"),
        pytest.param(b"GET /usher/sign-in\r\n", id="row182-0.9-page"),
        pytest.param(
            b"CONNECT www.shop.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", id="row182-c"
        ),
        pytest.param(b"TRACE /usher/token HTTP/1.1\r\nHost: x\r\n\r\n", id="row182-trace"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", id="row182-garbage"),
        pytest.param(b"POST /usher/token HTTP/3.0\r\nHost: x\r\n\r\n", id="row182-version"),
    ],
)
def test_requests_that_are_none(live: Site, request_line: bytes) -> None:
    before = live.service.audit_size()
    answer = live.send(request_line)
    assert status(answer) in BAD | {505} or b"<title>40" in answer or b"<title>42" in answer
    assert live.service.audit_size() == before


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_row_182_no_host(live: Site, version: bytes) -> None:
    assert live.status(live.request(version=version, host=None)) in {400, 421}


def test_row_182_trace_on_our_host(live: Site) -> None:
    answer = live.send(live.request(method=b"TRACE", body=b""))
    assert status(answer) == 405
    assert live.cookie.encode() not in answer


def test_row_182_idle_connections(live: Site) -> None:
    idle = []
    try:
        for _ in range(200):
            idle.append(live.connect())
            # At once: nginx waits no longer for this one while the others connect.
            idle[-1].sendall(live.request(b"/usher/session", method=b"GET", close=False))
        assert all(status(it.recv(4096)) == 200 for it in idle)
        assert [live.status(live.request()) for _ in range(20)] == [200] * 20
    finally:
        for connection in idle:
            connection.close()
