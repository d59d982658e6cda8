"""Requests from other sites' pages: who may ask, and what their browsers are told."""

from __future__ import annotations

import pytest
from support.refusals import assert_refused, assert_sealed
from support.service import ALLOWED_ORIGIN as ALLOWED
from support.service import ORIGIN, Answer, Browser, MakeService, Service

FOREIGN = [
    "null",
    "NULL",
    "",
    "*",
    " ",
    "http://shop.example",
    "https://shop.example:444",
    "https://shop.example:442",
    "https://shop.example:443",
    "https://shop.example:0443",
    "https://shop.example:",
    "https://shop.example/",
    "https://shop.example/usher/token",
    "https://shop.example?",
    "https://shop.example#",
    "https://shop.example\\",
    "https://shop.example.",
    "https://shop.example.evil.test",
    "https://shop.example-evil.test",
    "https://shop.example%2eevil.test",
    "https://shop.example%00.evil.test",
    "https://shop.example@evil.test",
    "https://evil.test@shop.example",
    "https://user:password@shop.example",
    "https://evilshop.example",
    "https://evil.shop.example",
    "https://shop.exampl",
    "https://shop.example.com",
    "https://SHOP.example",
    "HTTPS://shop.example",
    "https:shop.example",
    "https:/shop.example",
    "https:///shop.example",
    "//shop.example",
    "shop.example",
    "wss://shop.example",
    "file://",
    "file://shop.example",
    "chrome-extension://shop.example",
    "https://sh\u043ep.example",
    "https://xn--shp-hmd.example",
    "https://shop\u3002example",
    "https://shop.example https://evil.test",
    "https://evil.test https://shop.example",
    "https://shop.example,https://evil.test",
    "https://shop.example, https://shop.example",
    "https://127.0.0.1",
    "https://[::1]",
    "https://localhost",
    "x" * 8000,
]


def grants(answer: Answer) -> set[str]:
    return {name for name, _ in answer.headers if name.startswith("Access-Control-")}


def preflight(browser: Browser, path: str, origin: str, **headers: str) -> Answer:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-usher-client",
    }
    return browser.open(
        browser.service.prefix + path, method="OPTIONS", headers=asked | headers
    )


@pytest.mark.parametrize("origin", FOREIGN)
def test_row_6_tokens_for_other_sites(service: Service, origin: str) -> None:
    answer = service.signed_in().ask(headers={"Origin": origin})
    assert_refused(answer, 403, "cross-origin")
    assert grants(answer) == set()


@pytest.mark.parametrize("origin", FOREIGN)
def test_row_6_a_preflight_grants_other_sites_nothing(service: Service, origin: str) -> None:
    answer = preflight(service.signed_in(), "/token", origin)
    assert grants(answer) == set()
    assert service.issued() == []


def test_row_6_two_origin_headers(service: Service) -> None:
    for pair in ([ORIGIN, ORIGIN], [ORIGIN, "https://evil.test"], ["null", ORIGIN]):
        headers = {"Origin": None, "Sec-Fetch-Site": None}
        answer = service.signed_in().ask(
            headers=headers, environ_overrides={"HTTP_ORIGIN": ",".join(pair)}
        )
        assert_refused(answer, 403, "cross-origin")
        assert grants(answer) == set()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize("origin", ["null", "https://evil.test", "http://shop.example"])
def test_row_6_other_sites_sign_nobody_in_or_out(
    service: Service, path: str, origin: str
) -> None:
    browser = service.signed_in()
    answer = browser.post(service.prefix + path, headers={"Origin": origin})
    assert_refused(answer, 403, "cross-origin", event=path[1:])
    assert browser.ask().status_code == 200


@pytest.mark.parametrize("origin", [ORIGIN, ALLOWED])
def test_row_7_tokens_for_allowed_origins(service: Service, origin: str) -> None:
    answer = service.signed_in().ask(headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert answer.headers.getlist("Access-Control-Allow-Credentials") == ["true"]
    assert answer.headers.getlist("Vary") == ["Origin, Cookie"]
    assert answer.audit_lines[0]["site"] == origin


@pytest.mark.parametrize(
    ("path", "status"), [("/token", 401), ("/nowhere", 404), ("/session", 405)]
)
def test_row_7_refusals_can_be_read_by_allowed_origins(
    service: Service, path: str, status: int
) -> None:
    answer = service.browser().ask(path, headers={"Origin": ALLOWED})
    assert answer.status_code == status
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [ALLOWED]
    exposed = answer.headers.getlist("Access-Control-Expose-Headers")
    assert exposed == ["Retry-After, RateLimit, RateLimit-Policy"]


def test_row_7_a_preflight_of_an_allowed_origin(service: Service) -> None:
    answer = preflight(service.browser(), "/token", ALLOWED)
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type, X-Usher-Client"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Origin, Cookie"


@pytest.mark.parametrize("path", ["/token", "/session", "/sign-in", "/sign-out", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("origin", [None, ORIGIN, ALLOWED, "https://evil.test", "*"])
def test_row_7_never_everybody(
    service: Service, path: str, method: str, origin: str | None
) -> None:
    answer = service.signed_in().ask(path, method=method, headers={"Origin": origin})
    allowed = answer.headers.getlist("Access-Control-Allow-Origin")
    assert allowed == ([origin] if origin in {ORIGIN, ALLOWED} else [])


@pytest.mark.parametrize(
    "path", ["/token", "/sign-in", "/sign-out", "/session", "/health/live"]
)
def test_row_8_a_preflight_does_nothing(service: Service, path: str) -> None:
    browser = service.signed_in()
    before = browser.cookie()
    for origin in (ORIGIN, "https://evil.test"):
        answer = preflight(browser, path, origin)
        assert answer.status_code == 204
        assert answer.audit_lines == []
        assert "Set-Cookie" not in answer.headers
    assert browser.cookie() == before
    assert browser.ask().status_code == 200


@pytest.mark.parametrize("origin", [ORIGIN, "https://evil.test"])
def test_row_8_private_networks_are_not_granted(service: Service, origin: str) -> None:
    asked = {
        "Access-Control-Request-Private-Network": "true",
        "Access-Control-Request-Local-Network": "true",
    }
    granted = grants(preflight(service.browser(), "/token", origin, **asked))
    assert not any("Network" in name for name in granted)


def test_row_8_a_preflight_that_is_none_mints_nothing(service: Service) -> None:
    answer = service.signed_in().ask(method="OPTIONS")
    assert answer.status_code == 204
    assert service.audit_lines() == []


@pytest.mark.parametrize("path", ["/token", "/session", "/sign-in", "/health/live", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_row_9_no_cache_keeps_anything(
    service: Service, path: str, method: str, signed_in: bool
) -> None:
    browser = service.signed_in() if signed_in else service.browser()
    answer = browser.ask(path, method=method)
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.headers.getlist("Vary") == ["Origin, Cookie"]
    assert "ETag" not in answer.headers
    assert "Last-Modified" not in answer.headers


def test_row_9_files_that_are_the_same_for_all_may_be_kept(service: Service) -> None:
    answer = service.signed_in().get(f"{service.prefix}/static/usher.js")
    assert answer.status_code == 200
    assert "no-store" not in answer.headers.get("Cache-Control", "")
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_row_12_two_tabs_at_once(service: Service) -> None:
    browser = service.signed_in()
    first, second = browser.ask(), browser.ask()
    assert first.members["token"] != second.members["token"]
    claims = [service.open_token(answer.members["token"]) for answer in (first, second)]
    assert claims[0] == claims[1]


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in?next=/x", "/sign-in?next=%00"])
def test_row_17_pages_can_not_be_framed(service: Service, path: str) -> None:
    answer = service.browser().get(service.prefix + path)
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_row_17_an_image_gets_no_token(service: Service) -> None:
    headers = {"Sec-Fetch-Dest": "image", "Sec-Fetch-Mode": "no-cors", "Origin": None}
    answer = service.signed_in().ask(method="GET", headers=headers)
    assert_refused(answer, 405, "method-not-allowed")


def test_row_18_visitors_are_told_to_come_by_https(service: Service) -> None:
    answer = service.browser().ask()
    assert_sealed(answer, 401)
    policy = answer.headers["Strict-Transport-Security"]
    assert policy == "max-age=31536000; includeSubDomains"


def test_row_18_not_on_this_machine(make_service: MakeService) -> None:
    local = make_service(public_url="http://127.0.0.1:8000")
    assert "Strict-Transport-Security" not in local.browser().ask().headers
