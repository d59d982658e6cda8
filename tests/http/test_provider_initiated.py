"""A sign-in that the provider begins (OpenID Connect Core 1.0, section 4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.openid_service import (
    OpenIdService,
    OpenIdWorkshop,
    asked,
    assert_rejected,
    user_id,
)
from support.service import ORIGIN, Answer

from flask_usher.testing import JANE

HINT = "jane.doe@hint.example"


def sent_here(shop: OpenIdService, **query: object) -> Answer:
    """Come from the provider's own page."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    return shop.browser().begin(headers=headers, **({"iss": shop.fake.issuer} | query))


def test_rp_3rd_party_init_login(shop: OpenIdService) -> None:
    browser = shop.browser()
    begun = browser.begin(iss=shop.fake.issuer, target_link_uri=f"{ORIGIN}/account?a=b")
    assert begun.headers["Location"].startswith(f"{shop.fake.issuer}/")
    assert browser.come_back(browser.consent(begun)).headers["Location"] == "/account?a=b"
    assert browser.user_id() == user_id(JANE)


def test_the_hint_goes_back_to_the_provider_and_nowhere_else(shop: OpenIdService) -> None:
    shop.service.secrets.add(HINT)
    begun = sent_here(shop, login_hint=HINT)
    assert asked(begun)["login_hint"] == HINT
    assert HINT not in "".join(value for _, value in begun.cookies)


@pytest.mark.parametrize("hint", ["", "x" * 256, "a\r\nb", "a\0b"])
def test_what_is_no_hint_is_not_sent(shop: OpenIdService, hint: str) -> None:
    assert "login_hint" not in asked(sent_here(shop, login_hint=hint))


def test_a_hint_without_the_provider_is_none(shop: OpenIdService) -> None:
    assert "login_hint" not in asked(shop.browser().begin(login_hint=HINT))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda issuer: "", id="empty"),
        pytest.param(lambda issuer: issuer + "/", id="slash"),
        pytest.param(lambda issuer: issuer.upper(), id="upper-case"),
        pytest.param(lambda issuer: issuer.replace("http:", "https:"), id="scheme"),
        pytest.param(lambda issuer: issuer + ".evil.test", id="longer"),
        pytest.param(lambda issuer: [issuer, issuer], id="twice"),
        pytest.param(lambda issuer: [issuer, "https://evil.test"], id="two"),
    ],
)
def test_row_52_only_the_provider_itself_may_begin_one(
    shop: OpenIdService, change: Callable[[str], object]
) -> None:
    assert_rejected(sent_here(shop, iss=change(shop.fake.issuer)))


def test_row_52_not_at_the_address_of_another_provider(openid: OpenIdWorkshop) -> None:
    fakes = [openid.fake("id"), openid.fake("other")]
    shop = openid.make(fakes[0], providers={"other": openid.table(fakes[1])})
    there = OpenIdService(fakes[0], shop.service, "other")
    assert_rejected(sent_here(there))


def test_row_71_at_no_provider_at_all(shop: OpenIdService) -> None:
    nowhere = OpenIdService(shop.fake, shop.service, "nobody")
    assert sent_here(nowhere).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        "",
        ORIGIN,
        f"{ORIGIN}.evil.test/account",
        f"{ORIGIN}@evil.test/account",
        f"{ORIGIN}:8443/account",
        f"{ORIGIN}//evil.test",
        f"{ORIGIN}/\\evil.test",
        f"{ORIGIN}{ORIGIN}/account",
        f"{ORIGIN}/usher/sign-out",
        ORIGIN.upper() + "/account",
        "https://evil.test/",
        "//evil.test",
        "javascript:alert(1)",
    ],
)
def test_row_146_the_target_is_on_this_site_or_the_default(
    shop: OpenIdService, target: str
) -> None:
    browser = shop.browser()
    begun = browser.begin(iss=shop.fake.issuer, target_link_uri=target)
    assert browser.come_back(browser.consent(begun)).headers["Location"] == "/"


def test_row_66_not_by_a_post_from_another_site(shop: OpenIdService) -> None:
    answer = shop.browser().post(
        "/usher/oidc/id/start",
        data={"iss": shop.fake.issuer},
        headers={"Origin": shop.fake.issuer, "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 405
    assert answer.cookies == []
