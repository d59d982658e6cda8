"""Signing in at an OpenID provider, as the visitor's browser goes through it."""

from __future__ import annotations

import base64
import logging
import re

import pytest
from support.openid_service import (
    OpenIdService,
    OpenIdWorkshop,
    asked,
    assert_rejected,
    assert_signed_out,
    user_id,
)
from support.refusals import assert_page_refused, assert_refused
from support.service import LogText

from flask_usher.testing import JANE, JOHN, Behaviour, Endpoint, Forgery, HangUp, Person, Reply

CALLBACK = "/usher/oidc/id/callback"


class TestTheWayThere:
    def test_signing_in(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        answer = browser.sign_in_elsewhere(next="/account?a=b#c")
        assert answer.status_code == 303
        assert answer.headers.getlist("Location") == ["/account?a=b#c"]
        assert browser.user_id() == user_id(JANE)
        (line,) = answer.audit_lines
        assert (line["event"], line["code"]) == ("sign-in", "signed-in")
        assert (line["provider"], len(line["subject"])) == ("id", 32)

    def test_what_the_provider_is_asked(self, shop: OpenIdService) -> None:
        begun = shop.browser().begin()
        assert begun.status_code == 303
        assert begun.headers["Location"].startswith(shop.fake.url(Endpoint.AUTHORIZATION))
        query = asked(begun)
        assert query.pop("state")
        assert query.pop("nonce")
        assert query.pop("code_challenge")
        assert query == {
            "client_id": "usher",
            "code_challenge_method": "S256",
            "redirect_uri": "https://shop.example" + CALLBACK,
            "response_type": "code",
            "scope": "openid",
        }
        assert begun.audit_lines == []

    def test_row_38_the_attempts_cookie(self, shop: OpenIdService) -> None:
        (cookie,) = shop.browser().begin().headers.getlist("Set-Cookie")
        name, _, attributes = re.sub("=[^;]+", "", cookie, count=1).partition("; ")
        assert re.fullmatch(r"__Host-usher-attempt-[0-9a-f]{9}-[0-9a-f]{16}", name)
        assert attributes == "Secure; HttpOnly; Path=/; SameSite=Lax"

    def test_row_47_the_attempts_cookie_tells_nothing(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        secrets = [*asked(browser.begin(next="/my/letters")).values(), "/my/letters", "id"]
        (value,) = browser.attempts().values()
        sealed = base64.urlsafe_b64decode(value)
        assert all(secret.encode() not in sealed for secret in secrets if len(secret) > 3)

    def test_row_56_each_attempt_has_secrets_of_its_own(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        queries = [asked(browser.begin()) for _ in range(50)]
        for name in ("state", "nonce", "code_challenge"):
            assert len({query[name] for query in queries}) == 50

    @pytest.mark.parametrize("methods", [["plain"], ["plain", "S256"], []])
    def test_row_56_s256_whatever_the_provider_says(
        self, openid: OpenIdWorkshop, methods: list[str]
    ) -> None:
        shop = openid.make()
        shop.behave(metadata={"code_challenge_methods_supported": methods})
        assert asked(shop.browser().begin())["code_challenge_method"] == "S256"

    def test_the_language_of_the_page_goes_along(self, shop: OpenIdService) -> None:
        headers = {"Accept-Language": "de-CH, en;q=0.7"}
        begin = shop.browser().begin
        assert asked(begin(lang="fr", headers=headers))["ui_locales"] == "fr"
        assert asked(begin(headers=headers))["ui_locales"] == "de-CH"

    @pytest.mark.parametrize(
        "language",
        ["", "*", "x" * 9, "de_CH", "../en", 'en"><script>', "e" * 5000, "en\r\nA: b", "en fr"],
        ids=lambda language: repr(language)[:20],
    )
    def test_row_184_a_language_that_is_none(self, shop: OpenIdService, language: str) -> None:
        assert "ui_locales" not in asked(shop.browser().begin(lang=language))
        header = {"Accept-Language": language.replace("\r\n", " ")}
        assert "ui_locales" not in asked(shop.browser().begin(headers=header))

    @pytest.mark.parametrize(
        "target",
        ["//evil.test", "https://evil.test/", "/\\evil.test", "/usher/sign-out", CALLBACK],
    )
    def test_row_148_where_to_is_looked_at_as_always(
        self, shop: OpenIdService, target: str
    ) -> None:
        answer = shop.browser().sign_in_elsewhere(next=target)
        assert answer.headers.getlist("Location") == ["/"]


class TestSessions:
    def test_row_66_somebody_else_signs_in(self, shop: OpenIdService) -> None:
        browser = shop.signed_in()
        before = browser.twin()
        assert before.user_id() == user_id(JANE)
        shop.fake.sign_in(JOHN)
        assert browser.sign_in_elsewhere().status_code == 303
        assert browser.user_id() == user_id(JOHN)
        assert_signed_out(before)

    def test_row_66_a_failure_leaves_the_sign_in_alone(self, shop: OpenIdService) -> None:
        browser = shop.signed_in()
        shop.behave(id_token=Forgery(claims={"nonce": "x"}))
        assert browser.sign_in_elsewhere().status_code == 400
        assert browser.user_id() == user_id(JANE)

    def test_row_34_a_planted_cookie_is_replaced(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        browser.show("p" * 43)
        browser.sign_in_elsewhere()
        assert browser.cookie() != "p" * 43
        assert browser.user_id() == user_id(JANE)

    def test_row_47_the_cookie_holds_random_bits_only(self, shop: OpenIdService) -> None:
        cookies = shop.browser().sign_in_elsewhere().cookies
        assert [(len(value), "eyJ" in value) for _, value in cookies] == [
            (43, False),
            (0, False),
        ]

    def test_row_121_two_people_of_two_providers_with_one_id(
        self, openid: OpenIdWorkshop
    ) -> None:
        fakes = [openid.fake("id"), openid.fake("other")]
        shop = openid.make(fakes[0], providers={"other": openid.table(fakes[1])})
        there = OpenIdService(fakes[1], shop.service, "other")
        assert shop.signed_in().user_id() == user_id(JANE)
        assert there.signed_in().user_id() == f"other:{JANE.subject}"

    def test_row_83_one_claim_for_all_doors(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(
            table={"claims": {"customer": "customer_number"}},
            token={"user_id": "claim:customer"},
        )
        shop.fake.sign_in(Person(subject="1", claims={"customer_number": "C-1001"}))
        assert shop.signed_in().user_id() == "C-1001"
        shop.fake.sign_in(Person(subject="2"))
        assert_refused(shop.signed_in().ask(), 403, "identity-unusable")

    def test_userinfo_adds_claims(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(
            table={"userinfo": True, "scopes": ["email"]},
            token={"visitor_data": {"email": "email"}},
        )
        browser = shop.signed_in()
        claims = shop.service.open_token(browser.ask().members["token"])
        assert claims["https://iadvize.com/visitorData"] == {"email": "jane@shop.example"}

    def test_row_64_userinfo_of_somebody_else(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(table={"userinfo": True})
        shop.behave(userinfo={"sub": JOHN.subject})
        assert_rejected(shop.browser().sign_in_elsewhere(), "userinfo-mismatch")


class TestSilently:
    def test_whoever_is_signed_in_there_is_signed_in_here(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        begun = browser.begin(silent="1", next="/account")
        assert asked(begun)["prompt"] == "none"
        answer = browser.come_back(browser.consent(begun))
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert browser.user_id() == user_id(JANE)

    def test_whoever_is_not_goes_on_as_before(self, shop: OpenIdService) -> None:
        shop.fake.sign_out()
        browser = shop.browser()
        answer = browser.sign_in_elsewhere(silent="1", next="/account")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        (line,) = answer.audit_lines
        assert (line["code"], line["reason"]) == ("sign-in-declined", "login-required")
        assert browser.attempts() == {}
        assert_signed_out(browser)

    @pytest.mark.parametrize("silent", ["", "0", "true", "yes", "2"])
    def test_only_when_asked_for(self, shop: OpenIdService, silent: str) -> None:
        assert "prompt" not in asked(shop.browser().begin(silent=silent))

    @pytest.mark.parametrize(
        "behaviour",
        [
            Behaviour(answers={Endpoint.TOKEN: Reply(500)}),
            Behaviour(id_token=Forgery(claims={"aud": "other"})),
            Behaviour(callback={"code": ..., "error": "server_error"}),
        ],
        ids=["token-endpoint", "forged", "server-error"],
    )
    def test_no_failure_is_the_visitors_business(
        self, shop: OpenIdService, behaviour: Behaviour
    ) -> None:
        shop.behave(behaviour)
        browser = shop.browser()
        answer = browser.sign_in_elsewhere(silent="1", next="/account")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert answer.audit_lines[0]["code"] != "signed-in"
        assert_signed_out(browser)

    def test_nor_that_the_provider_is_down(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make()
        shop.fail_at(Endpoint.DISCOVERY, HangUp())
        browser = shop.browser()
        answer = browser.begin(silent="1", next="/account")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
        assert answer.audit_lines[0]["code"] == "provider-unavailable"
        assert_page_refused(browser.begin(), 503, "provider-unavailable")

    def test_an_attempt_that_is_not_ours_still_shows_a_page(self, shop: OpenIdService) -> None:
        assert_rejected(shop.browser().come_back({"state": "x", "code": "y", "silent": "1"}))


class TestUnknownProviders:
    LEGS = (("GET", "start"), ("GET", "callback"), ("POST", "back-channel-logout"))

    @pytest.mark.parametrize(("method", "leg"), LEGS)
    @pytest.mark.parametrize(
        "name",
        [
            pytest.param("nobody", id="row71-unknown"),
            pytest.param("local", id="row71-another-kind"),
            pytest.param("ID", id="row71-case"),
            pytest.param("id%00", id="row71-nul"),
            pytest.param("..", id="row71-dots"),
            pytest.param("%2e%2e%2f", id="row71-encoded-dots"),
            pytest.param("id/../id", id="row71-path"),
            pytest.param("%3Cscript%3E", id="row71-markup"),
            pytest.param("%0d%0aSet-Cookie:a=b", id="row71-line-break"),
            pytest.param("x" * 10_000, id="row71-10-kb"),
        ],
    )
    def test_there_is_nothing(
        self, openid: OpenIdWorkshop, method: str, leg: str, name: str
    ) -> None:
        shop = openid.make(providers={"local": {"type": "local"}})
        answer = shop.service.browser().open(f"/usher/oidc/{name}/{leg}", method=method)
        assert answer.status_code == 404
        assert len(answer.audit_lines) == 1
        assert all(len(value) <= 256 for value in answer.audit_lines[0].values())
        assert "script" not in answer.text
        assert shop.fake.requests == []


def test_nothing_of_a_sign_in_is_logged(shop: OpenIdService, log: LogText) -> None:
    logging.getLogger("urllib3").debug("the log is listened to")
    browser = shop.signed_in()
    query = asked(browser.begin())
    browser.sign_out()
    written = log.text + shop.service.audit_file.read_text()
    for secret in (*query.values(), JANE.subject, *map(str, JANE.claims.values())):
        assert len(secret) < 9 or secret not in written
