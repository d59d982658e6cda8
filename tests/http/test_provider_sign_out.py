"""Signing out here and at the OpenID provider."""

from __future__ import annotations

import requests
from support.openid_service import (
    OpenIdService,
    OpenIdWorkshop,
    asked,
    assert_signed_out,
    user_id,
)
from support.refusals import assert_refused

from flask_usher.testing import JANE, Endpoint, HangUp


class TestSigningOut:
    def test_a_form_goes_on_to_the_providers_own_sign_out_rp_init_logout_no_state(
        self, shop: OpenIdService
    ) -> None:
        browser = shop.signed_in()
        answer = browser.post(
            "/usher/sign-out", data={"next": "/bye"}, headers={"Origin": browser.origin}
        )
        assert answer.status_code == 303
        target = answer.headers["Location"]
        assert target.startswith(shop.fake.url(Endpoint.END_SESSION) + "?")
        query = asked(answer)
        assert query.keys() == {"client_id", "id_token_hint", "post_logout_redirect_uri"}
        # Providers know this one address, wherever the visitor wanted to go.
        assert query["post_logout_redirect_uri"] == "https://shop.example/"
        assert_signed_out(browser)
        # The provider believes the hint and sends the visitor back.
        shop.fake.requests.clear()
        end = requests.get(target, allow_redirects=False, timeout=5)
        assert (end.status_code, end.headers["Location"]) == (303, "https://shop.example/")
        assert shop.fake.session is None

    def test_a_program_is_told_where_to_go(self, shop: OpenIdService) -> None:
        browser = shop.signed_in()
        answer = browser.sign_out()
        assert answer.status_code == 200
        assert answer.members.keys() == {"sign_out_url"}
        assert answer.members["sign_out_url"].startswith(shop.fake.url(Endpoint.END_SESSION))
        assert_signed_out(browser)
        # A second time there is nothing to end.
        assert browser.sign_out().status_code == 204

    def test_the_provider_has_no_sign_out(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make()
        shop.behave(metadata={"end_session_endpoint": ...})
        browser = shop.signed_in()
        assert browser.sign_out().status_code == 204
        assert_signed_out(browser)

    def test_the_provider_is_down(self, openid: OpenIdWorkshop, sqlite_url: str) -> None:
        shop, other_worker = openid.two_workers(sqlite_url)
        browser = shop.signed_in()
        shop.fail_at(Endpoint.DISCOVERY, HangUp())
        browser.move_to(other_worker)
        assert browser.sign_out().status_code == 204
        assert_signed_out(browser)

    def test_a_page_of_another_site_can_not_ask(self, shop: OpenIdService) -> None:
        browser = shop.signed_in()
        answer = browser.post("/usher/sign-out", headers={"Origin": "https://evil.test"})
        assert_refused(answer, 403, "cross-origin", event="sign-out")
        assert browser.user_id() == user_id(JANE)
