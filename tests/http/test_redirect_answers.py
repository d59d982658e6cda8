"""What comes back from an OpenID provider: with the browser, and from its token endpoint."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from support.openid_service import (
    CLIENT_SECRET,
    OpenIdService,
    OpenIdWorkshop,
    assert_rejected,
    assert_signed_out,
)
from support.refusals import assert_page_refused
from support.service import LogText

from flask_usher.testing import Endpoint, Forgery, HangUp, Reply, SignedWith, SigningKey

MARKER = "what-the-provider-said-41"
CALLBACK = "/usher/oidc/id/callback"
START = "/usher/oidc/id/start"


def another_case(issuer: str) -> str:
    return issuer.replace("http", "HTTP")


class TestTheProvidersAnswer:
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(another_case, id="row52-case"),
            pytest.param(lambda issuer: issuer + "/", id="row52-slash"),
            pytest.param(lambda issuer: issuer.replace("http", "https"), id="row52-https-twin"),
            pytest.param(lambda issuer: issuer + "1", id="row52-longer"),
            pytest.param(lambda issuer: issuer[:-1], id="row52-shorter"),
            pytest.param(lambda issuer: " " + issuer, id="row52-space"),
            pytest.param(lambda issuer: "https://other.example", id="row52-other"),
            pytest.param(lambda issuer: "", id="row52-empty"),
            pytest.param(lambda issuer: ..., id="row52-missing-though-promised"),
        ],
    )
    def test_another_issuer_answers(
        self, shop: OpenIdService, change: Callable[[str], Any]
    ) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        answer = browser.come_back(back, iss=change(shop.fake.issuer))
        assert_rejected(answer, "response-issuer-mismatch")
        assert shop.tokens_asked_for() == 0

    def test_row_52_an_attempt_at_one_provider_ends_at_no_other(
        self, openid: OpenIdWorkshop
    ) -> None:
        fakes = [openid.fake("id"), openid.fake("other")]
        shop = openid.make(fakes[0], providers={"other": openid.table(fakes[1])})
        browser = shop.browser()
        back = browser.consent(browser.begin())
        assert_rejected(browser.come_back(back, provider="other"))
        assert_rejected(browser.come_back(back, provider="other", iss=fakes[1].issuer))
        assert [fake.count(Endpoint.TOKEN) for fake in fakes] == [0, 0]
        assert browser.come_back(back).status_code == 303

    @pytest.mark.parametrize("name", ["state", "code", "iss"])
    @pytest.mark.parametrize("case", ["same", "other", "empty"])
    def test_row_53_a_parameter_comes_twice(
        self, shop: OpenIdService, name: str, case: str
    ) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        second = {"same": back[name][0], "other": "x", "empty": ""}[case]
        for values in ([back[name][0], second], [second, back[name][0]]):
            answer = browser.twin().come_back({**back, name: values})
            assert_page_refused(answer, 400, "sign-in-rejected")
        assert shop.tokens_asked_for() == 0

    def test_row_53_a_code_and_an_error(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        answer = browser.come_back(back, error="access_denied")
        assert_rejected(answer, "response-malformed")
        assert shop.tokens_asked_for() == 0

    @pytest.mark.parametrize("name", ["state", "code"])
    @pytest.mark.parametrize(
        "value", [..., "", "\0", "x" * 10_000, "\u202e", "a b", "'\"><script>", "\ud800"]
    )
    def test_row_53_a_parameter_that_is_none(
        self, shop: OpenIdService, name: str, value: Any
    ) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        if value == "\ud800":
            value = b"\xed\xa0\x80"
        answer = browser.come_back({**back, name: value})
        assert answer.status_code == 400
        assert "script>" not in answer.text.replace("</script>", "")
        assert_signed_out(browser)

    @pytest.mark.parametrize(
        "description",
        [
            pytest.param("", id="row54-none"),
            pytest.param("<script>alert(1)</script>" + MARKER, id="row54-markup"),
            pytest.param(f"{MARKER}\r\nSet-Cookie: a=b", id="row54-line-break"),
            pytest.param(MARKER * 500, id="row54-10-kb"),
            pytest.param(f"\x1b[31m\u202e{MARKER}\u2028", id="row54-terminal"),
        ],
    )
    def test_the_visitor_says_no(
        self, shop: OpenIdService, log: LogText, description: str
    ) -> None:
        browser = shop.browser()
        shop.behave(
            callback={"code": ..., "error": "access_denied", "error_description": description}
        )
        answer = browser.sign_in_elsewhere(next="/account")
        assert_page_refused(answer, 403, "sign-in-declined")
        assert answer.audit_lines[0]["reason"] == "access-denied"
        # What the provider says stands nowhere: neither cut nor escaped need it be.
        assert MARKER not in answer.text + log.text + shop.service.audit_file.read_text()
        assert "alert" not in answer.text
        assert 'href="/usher/sign-in?next=/account"' in answer.text
        assert shop.tokens_asked_for() == 0
        assert_signed_out(browser)

    @pytest.mark.parametrize("state", [..., "", "x", "x" * 10_000])
    def test_row_54_an_error_needs_its_attempt_too(
        self, shop: OpenIdService, state: Any
    ) -> None:
        browser = shop.browser()
        browser.begin()
        answer = browser.come_back({"error": "access_denied"}, state=state)
        assert_page_refused(answer, 400, "sign-in-rejected")
        # Nobody but the provider ends an attempt.
        assert len(browser.attempts()) == 1

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            ("consent_required", 403, "sign-in-declined"),
            ("server_error", 503, "provider-unavailable"),
            ("temporarily_unavailable", 503, "provider-unavailable"),
            ("invalid_scope", 503, "provider-unavailable"),
            ("unauthorized_client", 503, "provider-unavailable"),
            (MARKER, 400, "sign-in-rejected"),
            ("", 400, "sign-in-rejected"),
        ],
    )
    def test_row_54_other_errors(
        self, shop: OpenIdService, log: LogText, error: str, status: int, code: str
    ) -> None:
        shop.behave(callback={"code": ..., "error": error})
        answer = shop.browser().sign_in_elsewhere()
        assert_page_refused(answer, status, code)
        assert MARKER not in answer.text + log.text

    def test_row_66_there_is_no_form_post(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        answer = browser.post(CALLBACK, data=back, headers={"Origin": browser.origin})
        assert answer.status_code == 405
        assert browser.post(START).status_code == 405
        assert browser.come_back(back).status_code == 303


BAD_TOKEN_ANSWERS = [
    pytest.param(Reply(400, b'{"error": "%b"}' % MARKER.encode()), id="row58-400"),
    pytest.param(Reply(400, MARKER.encode()), id="row58-400-text"),
    pytest.param(Reply(401, b'{"error": "invalid_client"}'), id="row71-invalid-client"),
    pytest.param(Reply(401, b"{}"), id="row58-401"),
    pytest.param(Reply(429, MARKER.encode()), id="row58-429"),
    pytest.param(Reply(500, MARKER.encode()), id="row58-500"),
    pytest.param(Reply(302, b"", (("Location", "http://127.0.0.1:9/x"),)), id="row63-302"),
    pytest.param(
        Reply(body=f"<p>{MARKER}</p>".encode(), headers=(("Content-Type", "text/html"),)),
        id="row58-html",
    ),
    pytest.param(Reply(body=b"[]"), id="row58-list"),
    pytest.param(Reply(body=b"{}"), id="row58-nothing"),
    pytest.param(Reply(body=b""), id="row58-empty"),
    pytest.param(Reply(body=b'{"access_token": "%b' % MARKER.encode()), id="row58-cut-off"),
    pytest.param(Reply(body=b"[" * 100_000), id="row58-deep"),
    pytest.param(Reply(body=b"\xff\xfe" + MARKER.encode()), id="row58-no-text"),
    pytest.param(Reply(body=b" " * 50_000_000), id="row59-50-mb"),
    pytest.param(
        Reply(
            body=gzip.compress(b" " * 50_000_000),
            headers=(("Content-Encoding", "gzip"), ("Content-Type", "application/json")),
        ),
        id="row59-gzip-bomb",
    ),
    pytest.param(HangUp(), id="row58-hang-up"),
]


class TestBadAnswers:
    @pytest.mark.parametrize("reply", BAD_TOKEN_ANSWERS)
    def test_the_token_endpoint_fails(
        self, shop: OpenIdService, log: LogText, reply: Any
    ) -> None:
        browser = shop.browser()
        shop.fail_at(Endpoint.TOKEN, reply)
        answer = browser.sign_in_elsewhere()
        assert_page_refused(answer, 503, "provider-unavailable")
        assert answer.headers["Retry-After"] == "5"
        assert MARKER not in answer.text + log.text
        assert_signed_out(browser)

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"id_token": None}, id="row58-id-token-null"),
            pytest.param({"id_token": 1}, id="row58-id-token-number"),
            pytest.param({"id_token": ...}, id="row58-no-id-token"),
            pytest.param({"id_token": {}}, id="row58-id-token-object"),
            pytest.param({"token_type": "mac"}, id="row58-token-type-mac"),
            pytest.param({"token_type": ...}, id="row58-no-token-type"),
            pytest.param({"access_token": ...}, id="row58-no-access-token"),
            pytest.param({"access_token": 1}, id="row58-access-token-number"),
        ],
    )
    def test_the_token_answer_is_wrong(
        self, shop: OpenIdService, changes: dict[str, Any]
    ) -> None:
        browser = shop.browser()
        shop.behave(token_response={"note": MARKER, **changes})
        assert_page_refused(browser.sign_in_elsewhere(), 503, "provider-unavailable")
        assert_signed_out(browser)

    def test_row_58_the_code_is_refused(self, shop: OpenIdService) -> None:
        shop.fail_at(Endpoint.TOKEN, Reply(400, b'{"error": "invalid_grant"}'))
        assert_rejected(shop.browser().sign_in_elsewhere(), "code-refused")

    def test_row_71_the_operator_learns_of_a_changed_secret(
        self, shop: OpenIdService, log: LogText
    ) -> None:
        shop.fail_at(Endpoint.TOKEN, Reply(401, b'{"error": "invalid_client"}'))
        shop.browser().sign_in_elsewhere()
        assert "invalid_client" in log.text
        assert CLIENT_SECRET not in log.text

    @pytest.mark.parametrize(
        ("forgery", "reason"),
        [
            pytest.param(Forgery(header={"alg": "none"}), "algorithm-refused", id="row72"),
            pytest.param(
                Forgery(signing=SignedWith(SigningKey.generate())), "bad-signature", id="row74"
            ),
            pytest.param(Forgery(claims={"iss": "https://x"}), "issuer-mismatch", id="row78"),
            pytest.param(Forgery(claims={"aud": "other"}), "audience-mismatch", id="row79"),
            pytest.param(Forgery(claims={"nonce": ...}), "nonce-mismatch", id="row82"),
            pytest.param(Forgery(claims={"sub": ""}), "subject-malformed", id="row83"),
            pytest.param(
                Forgery(claims={"sub": "x" * 256}), "subject-malformed", id="row83-long"
            ),
            pytest.param(Forgery(header={"typ": "logout+jwt"}), "token-type", id="row89"),
        ],
    )
    def test_a_token_that_is_not_believed(
        self, shop: OpenIdService, forgery: Forgery, reason: str
    ) -> None:
        browser = shop.browser()
        shop.behave(id_token=forgery)
        assert_rejected(browser.sign_in_elsewhere(), reason)
        assert_signed_out(browser)

    @pytest.mark.parametrize("seconds", [25, 30])
    def test_row_68_the_providers_clock_is_a_little_ahead(
        self, shop: OpenIdService, seconds: int
    ) -> None:
        now = int(shop.service.clock.now)
        shop.behave(id_token=Forgery(claims={"iat": now + seconds}))
        assert shop.browser().sign_in_elsewhere().status_code == 303

    def test_row_68_the_providers_clock_is_wrong(
        self, shop: OpenIdService, log: LogText
    ) -> None:
        now = int(shop.service.clock.now)
        shop.behave(id_token=Forgery(claims={"iat": now + 35}))
        assert_rejected(shop.browser().sign_in_elsewhere(), "issued-in-the-future")
        assert "35 s ahead" in log.text
