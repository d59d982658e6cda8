"""Where Usher answers: ways to write an address, hosts, proxies, and what goes into headers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from support.refusals import assert_refused, assert_sealed
from support.service import ORIGIN, Answer, KeyFiles, Service, Workshop

NEARLY = [
    "/usher//token",
    "/usher///token",
    "/usher/token/",
    "/usher/token//",
    "/usher/token%2f",
    "/usher/token%2F",
    "/usher/token%252f",
    "/usher/TOKEN",
    "/USHER/token",
    "/Usher/Token",
    "/usher/token;x",
    "/usher/token;jsessionid=1",
    "/usher;x/token",
    "/./usher/token",
    "/usher/./token",
    "/x/../usher/token",
    "/usher/x/../token",
    "/usher/sign-in/../token",
    "/usher/health/../token",
    "/usher/health/live/../../token",
    "/usher/static/../token",
    "/usher/token/.",
    "/usher/token/..",
    "/usher/token%00",
    "/usher/token%20",
    "/usher/%20token",
    "/usher/token%0a",
    "/usher/token.json",
    "/usher/token.",
    "/usher\\token",
    "/usher/%5ctoken",
    "/usher/tok\u0435n",
    "/usher/\uff54oken",
    "/usher/token%c0%af",
    "/usher/static/token",
    "/usher/static//token",
    "/usher/static/..%2ftoken",
    "/usher/static/%2e%2e/%2e%2e/token",
    "/usher/static/../../../settings.py",
    "/usher/static/..%2f..%2fsettings.py",
    "/usher/health/token",
    "/token",
    "/usher",
    "/usher/",
    "/usher/usher/token",
]


def as_sent(path: str) -> dict[str, str]:
    """Return what a server makes of a path: decoded once, and nothing else."""
    return {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "REQUEST_URI": path}


@pytest.mark.parametrize("path", NEARLY)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_row_183_addresses_that_are_nearly_right(
    service: Service, path: str, method: str
) -> None:
    answer = service.signed_in().ask(
        "", method=method, environ_overrides=as_sent(path), headers={"Origin": None}
    )
    # There is another method below a doubled slash and in the folder of files.
    assert answer.status_code in ({404, 405} if "//" in path or "static" in path else {404})
    assert "Location" not in answer.headers
    assert service.issued() == []


@pytest.mark.parametrize("path", ["//usher/token", "///usher/token", "/usher//token", "//"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_row_183_no_redirect_to_the_address_that_may_have_been_meant(
    service: Service, path: str, method: str
) -> None:
    environ = as_sent(path) | {"HTTP_HOST": "evil.test"}
    answer = service.browser().ask("", method=method, environ_overrides=environ)
    assert answer.status_code in {400, 404, 405}
    assert "evil.test" not in str(answer.headers) + answer.text
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["//usher/token", "///usher/token", "/usher/%74oken", "/%75sher/token", "/usher%2ftoken"],
)
def test_row_183_the_same_address_written_otherwise_has_the_same_guard(
    service: Service, path: str
) -> None:
    browser, sent = service.signed_in(), as_sent(path)
    assert browser.ask("", environ_overrides=sent).status_code == 200
    foreign = browser.ask("", environ_overrides=sent, headers={"Origin": "https://evil.test"})
    assert_refused(foreign, 403, "cross-origin")
    plain = browser.ask("", environ_overrides=sent, headers={"X-Usher-Client": None})
    assert_refused(plain, 403, "client-header-required")
    stranger = service.browser().ask("", environ_overrides=sent)
    assert_refused(stranger, 401, "no-session")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("path", ["/nowhere", "/", "/oidc/start", "/token/x"])
def test_what_is_not_there_is_a_problem_too(service: Service, method: str, path: str) -> None:
    answer = service.signed_in().ask(path, method=method)
    if method == "HEAD":
        assert_sealed(answer, 404)
    else:
        assert_refused(answer, 404, "not-found", event="request")


def test_a_static_file_that_is_not_there(service: Service) -> None:
    answer = service.browser().get("/usher/static/nothing.js")
    assert answer.status_code == 404
    assert answer.members["code"] == "not-found"


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "shop.example.evil.test",
        "evil.shop.example",
        "shop.example:8080",
        "shop.example.",
        "shop.example@evil.test",
        "evil.test, shop.example",
        "shop.example, evil.test",
        "shop.example,shop.example",
        "shop.example evil.test",
        "shop.example/evil",
        "shop.example?evil",
        "shop.example#evil",
        "shop.example:",
        "shop.example:x",
        "shop.example:-1",
        "shop.example:99999",
        "shop.example:443x",
        " ",
        "127.0.0.1",
        "[::1]",
        "[::1",
        "[shop.example]",
        "sh\u00f6p.example",
        "shop.example\0",
        "a" * 300 + ".example",
        "a" * 5000,
        ".",
        "..",
        "shop..example",
        "*",
        "shop.example\r\nX-Evil: 1",
    ],
)
@pytest.mark.parametrize("path", ["/token", "/sign-in", "/sign-out", "/session", "/nowhere"])
def test_row_162_other_hosts(service: Service, host: str, path: str) -> None:
    sent = host.encode().decode("latin-1")
    browser = service.browser(use_cookies=False)
    cookie = {"Cookie": f"{service.cookie_name}={service.signed_in().cookie()}"}
    answer = browser.ask(path, headers=cookie, environ_overrides={"HTTP_HOST": sent})
    event = path[1:] if path in {"/token", "/sign-in", "/sign-out"} else "request"
    assert_refused(answer, 400, "host-not-allowed", event=event)
    assert "evil" not in str(answer.headers) + answer.text


@pytest.mark.parametrize("host", ["", None])
def test_row_162_no_host(service: Service, host: str | None) -> None:
    overrides = {"SERVER_NAME": "10.0.0.1", "SERVER_PORT": "443", "HTTP_HOST": host or ""}
    answer = service.signed_in().ask(environ_overrides=overrides)
    assert_refused(answer, 400, "host-not-allowed")


@pytest.mark.parametrize("host", ["shop.example", "shop.example:443"])
def test_row_162_the_host_itself(service: Service, host: str) -> None:
    answer = service.signed_in().ask(environ_overrides={"HTTP_HOST": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-Host"]
)
@pytest.mark.parametrize("path", ["/sign-in", "/sign-in?next=/x", "/nowhere"])
def test_row_162_no_link_is_built_from_what_a_client_sends(
    service: Service, header: str, path: str
) -> None:
    answer = service.browser().get(
        service.prefix + path, headers={header: "host=evil.test", "Referer": "//evil.test"}
    )
    assert "evil.test" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Path",
        "X-Script-Name",
    ],
)
def test_row_183_headers_do_not_change_the_address(service: Service, header: str) -> None:
    browser = service.signed_in()
    answer = browser.ask("/health/live", headers={header: "/usher/token"})
    assert_refused(answer, 405, "method-not-allowed", event="request")
    assert browser.ask(headers={header: "/usher/health/live"}).status_code == 200


@pytest.fixture(scope="module")
def proxied(
    tmp_path_factory: pytest.TempPathFactory,
    key_files: KeyFiles,
    password_hash: str,
    sqlite_template: Path,
) -> Iterator[Service]:
    """A service behind proxies of which the settings know."""
    folder = tmp_path_factory.mktemp("proxied")
    workshop = Workshop(folder, key_files, password_hash, sqlite_template)
    service = workshop.make(
        proxy={"trusted_addresses": ["10.0.0.0/8", "2001:db8::/64"]},
        limits={"tokens_per_person": "1000 per 60 seconds"},
    )
    yield service
    service.state.close()


def ask_through(service: Service, peer: str, **headers: str) -> Answer:
    """Ask over plain http from a peer, as a proxy in front does."""
    return service.signed_in().ask(
        base_url="http://shop.example",
        environ_overrides={"REMOTE_ADDR": peer},
        headers=headers,
    )


@pytest.mark.parametrize("peer", ["10.0.0.7", "2001:db8::7", "::ffff:10.0.0.7"])
def test_row_157_the_proxy_says_how_the_visitor_came(proxied: Service, peer: str) -> None:
    answer = ask_through(
        proxied,
        peer,
        **{"X-Forwarded-For": "6.6.6.6, 203.0.113.5", "X-Forwarded-Proto": "https"},
    )
    assert answer.status_code == 200
    assert answer.audit_lines[0]["address"] == "203.0.113.5"


@pytest.mark.parametrize("peer", ["203.0.113.9", "2001:db8:0:1::7", "", "unix", "10.0.0.7x"])
def test_row_157_nobody_else_does(proxied: Service, peer: str) -> None:
    forged = {
        "X-Forwarded-For": "203.0.113.5",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "Forwarded": "for=203.0.113.5;proto=https",
    }
    answer = ask_through(proxied, peer, **forged)
    assert_refused(answer, 403, "https-required")
    assert answer.audit_lines[0]["address"] == peer


def test_row_157_without_a_proxy_in_the_settings_nobody_is_believed(service: Service) -> None:
    forged = {"X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"}
    assert_refused(ask_through(service, "127.0.0.1", **forged), 403, "https-required")


@pytest.mark.parametrize("host", ["evil.test", "shop.example, evil.test", ""])
def test_row_157_the_proxys_host_is_checked_too(proxied: Service, host: str) -> None:
    sent = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": host}
    answer = ask_through(proxied, "10.0.0.7", **sent)
    if host:
        assert_refused(answer, 400, "host-not-allowed")
    else:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "claimed",
    [
        "",
        " ",
        ",",
        "garbage",
        "6.6.6.6,",
        "6.6.6.6, unknown",
        "6.6.6.6 203.0.113.5",
        "x" * 5000,
        "6.6.6.6, a\x0bb",
        "6.6.6.6, 203.0.113.5:1234",
        "6.6.6.6, 203.0.113.5%eth0",
        '6.6.6.6, "203.0.113.5"',
    ],
)
def test_row_157_a_proxy_that_sends_nonsense(proxied: Service, claimed: str) -> None:
    sent = {"X-Forwarded-For": claimed, "X-Forwarded-Proto": "https"}
    answer = ask_through(proxied, "10.0.0.7", **sent)
    assert answer.status_code == 200
    assert answer.audit_lines[0]["address"] == "10.0.0.7"


@pytest.mark.parametrize(
    "claimed", ['"{}', '"{}"', '"', "\\", '"\\', "{}", "{};", "for={}", "[{}", "{}\t", "'{}"]
)
def test_row_157_what_a_client_puts_before_the_proxys_entry_changes_nothing(
    proxied: Service, claimed: str
) -> None:
    sent = {
        "X-Forwarded-For": claimed.format("6.6.6.6") + ", 203.0.113.5",
        "X-Forwarded-Proto": "https",
    }
    answer = ask_through(proxied, "10.0.0.7", **sent)
    assert answer.status_code == 200
    assert answer.audit_lines[0]["address"] == "203.0.113.5"


UNPRINTABLE = ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\x7f", "\u00e9", "\u2028", "%0d%0aX-Evil:1"]


@pytest.mark.parametrize("text", UNPRINTABLE)
def test_row_184_nothing_that_a_visitor_writes_gets_into_a_header(
    service: Service, text: str
) -> None:
    service.add_account("jane")
    browser = service.browser()
    fields = {"next": f"/{text}", "X-Request-ID": text}
    answers = [
        browser.get("/usher/sign-in", query_string=fields),
        browser.sign_in(text, next=f"/{text}"),
        browser.sign_in("jane", next=f"/{text}"),
        browser.get("/usher/sign-in", query_string=fields),
        browser.ask(f"/oidc/{text}/start", method="GET"),
        browser.ask("/health/live", method="GET", query_string=fields),
        browser.post("/usher/sign-out", data=fields),
    ]
    for answer in answers:
        assert "X-Evil" not in answer.headers
        for name, value in answer.headers:
            assert value.isascii(), name
            assert value.isprintable(), name
        assert len(answer.headers.getlist("Location")) == (answer.status_code == 303)
        names = [name for name, _ in answer.cookies]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "text", ["a\tb", "\x7f", "\u00e9\u00ff", "a" * 9000, '"quoted"', "\x1b[31m"]
)
def test_row_184_headers_of_the_request_stay_out_of_the_answer(
    service: Service, text: str
) -> None:
    sent = {"X-Request-ID": text, "X-Usher-Client": text, "Referer": text, "User-Agent": text}
    answer = service.browser().ask(headers=sent | {"Origin": ORIGIN})
    assert_refused(answer, 403, "client-header-required")
    assert text not in str(answer.headers) + answer.text


@pytest.mark.parametrize(
    "origin", ["\x1b[31m", "\u00e9", "a" * 9000, '"}\\n{"code": "issued"}']
)
def test_row_184_what_is_logged_is_one_short_line(service: Service, origin: str) -> None:
    answer = service.browser().ask(headers={"Origin": origin})
    assert_refused(answer, 403, "cross-origin")
    assert len(answer.audit_lines[0]["site"]) <= 256
    assert service.audit_file.read_bytes().isascii()
