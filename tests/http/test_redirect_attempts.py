"""Attempts to sign in elsewhere: how many there are, how long, and for which browser."""

from __future__ import annotations

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
from support.threads import together

from flask_usher.testing import FLAWLESS, JANE, JOHN, Endpoint, Forgery, Reply

MINUTE = 60


class TestAttempts:
    @pytest.mark.parametrize("target", ["/", "/" + "x" * 1023], ids=["short", "longest"])
    def test_row_46_thirty_tabs(self, shop: OpenIdService, target: str) -> None:
        browser = shop.browser()
        backs = []
        for _ in range(30):
            shop.service.clock.advance(1)
            backs.append(browser.consent(browser.begin(next=target)))
            cookies = browser.attempts()
            assert 1 <= len(cookies) <= 5
            assert len("; ".join(f"{name}={cookies[name]}" for name in cookies)) <= 4093
        kept = len(browser.attempts())
        for number, back in enumerate(reversed(backs)):
            answer = browser.come_back(back)
            if number < kept:
                assert answer.headers["Location"] == target
            else:
                assert_rejected(answer)
        assert shop.tokens_asked_for() == kept
        assert browser.attempts() == {}

    def test_row_46_the_rest_of_the_cookies_is_left_alone(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        browser.show("mine", "__Host-usher-attempt-of-mine")
        browser.show("theirs", "session")
        for _ in range(7):
            browser.begin()
        assert browser.cookie("__Host-usher-attempt-of-mine") == "mine"
        assert browser.cookie("session") == "theirs"

    def test_row_67_fifty_flows_end_in_reverse_order(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        backs = [browser.consent(browser.begin(next=f"/{n}")) for n in range(50)]
        statuses = [browser.come_back(back).status_code for back in reversed(backs)]
        assert set(statuses) <= {303, 400}
        assert statuses.count(303) == 5

    def test_row_67_fifty_browsers_at_once(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(sign_ins={"per_person": 100})
        browsers = [shop.browser() for _ in range(50)]
        backs = [browser.consent(browser.begin()) for browser in browsers]
        answers = together(50, lambda n: browsers[-n].come_back(backs[-n]).status_code)
        # The provider is not asked by more than a few at once.
        assert set(answers) <= {303, 503}
        assert answers.count(303) >= 1

    def test_an_attempt_takes_fifteen_minutes_at_most(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        begun = [browser.begin(next="/a"), browser.begin(next="/b")]
        shop.service.clock.advance(15 * MINUTE)
        assert browser.come_back(browser.consent(begun[0])).headers["Location"] == "/a"
        shop.service.clock.advance(1)
        assert_rejected(browser.come_back(browser.consent(begun[1])))

    def test_row_149_the_attempt_says_where_to(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin(next="/account"))
        answer = browser.come_back(back, next="https://evil.test/", lang="de", silent="1")
        assert answer.headers.getlist("Location") == ["/account"]

    def test_row_149_a_changed_attempt_is_none(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin(next="/account"))
        ((name, value),) = browser.attempts().items()
        for place in range(0, len(value), 7):
            changed = "B" if value[place] == "A" else "A"
            browser.show(value[:place] + changed + value[place + 1 :], name)
            assert_rejected(browser.come_back(back))
            browser.show(value, name)
        assert shop.tokens_asked_for() == 0
        assert browser.come_back(back).status_code == 303

    @pytest.mark.parametrize(
        "value", ["", "x", "gAAAAA", "\u00e9", "eyJhbGciOiJub25lIn0", "A" * 4000]
    )
    def test_row_56_an_attempt_that_never_was(self, shop: OpenIdService, value: str) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        ((name, _),) = browser.attempts().items()
        browser.show(value, name)
        assert_rejected(browser.come_back(back))

    def test_row_56_no_cookie(self, shop: OpenIdService) -> None:
        back = shop.browser().consent(shop.browser().begin())
        assert_rejected(shop.browser().come_back(back))
        assert shop.tokens_asked_for() == 0

    def test_row_56_the_cookie_of_another_tab(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        first, second = browser.begin(), browser.begin()
        backs = [browser.consent(first), browser.consent(second)]
        (name, _), (other_name, other_value) = browser.attempts().items()
        del other_name
        browser.show(other_value, name)
        assert {browser.come_back(back).status_code for back in backs} == {303, 400}
        assert shop.tokens_asked_for() == 1

    def test_row_41_the_cookie_of_another_installation(self, openid: OpenIdWorkshop) -> None:
        fake = openid.fake()
        here, there = openid.make(fake), openid.make(fake)
        browser, other = here.browser(), there.browser()
        back = other.consent(other.begin())
        for name, value in other.attempts().items():
            browser.show(value, name)
        assert_rejected(browser.come_back(back))
        assert other.come_back(back).status_code == 303

    def test_row_57_a_code_that_an_attacker_has_planted(self, shop: OpenIdService) -> None:
        attacker, victim = shop.browser(), shop.browser()
        shop.fake.sign_in(JOHN)
        planted = attacker.consent(attacker.begin())
        shop.fake.sign_in(JANE)
        own = victim.consent(victim.begin())
        answer = victim.come_back(own, code=planted["code"])
        assert_rejected(answer, "code-refused")
        assert_signed_out(victim)
        # Nor has the victim's browser any part in the attacker's attempt.
        assert_rejected(victim.come_back(planted))

    def test_row_57_a_nonce_of_another_attempt(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        shop.behave(id_token=Forgery(claims={"nonce": asked(browser.begin())["nonce"]}))
        assert_rejected(browser.sign_in_elsewhere(), "nonce-mismatch")
        assert_signed_out(browser)


class TestReplays:
    def test_row_51_the_same_address_again(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin(next="/account"))
        assert browser.come_back(back).status_code == 303
        answer = browser.come_back(back)
        assert_rejected(answer)
        assert shop.tokens_asked_for() == 1
        # The visitor is signed in, and the page's way on ends where they are.
        assert browser.user_id() == user_id(JANE)
        (link,) = re.findall(r'class="button" href="([^"]+)"', answer.text)
        assert browser.get(link).headers["Location"] == "/"

    def test_row_51_with_a_copy_of_the_cookie(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        twin = browser.twin()
        assert browser.come_back(back).status_code == 303
        assert_rejected(twin.come_back(back), "attempt-replayed")
        assert shop.tokens_asked_for() == 1

    def test_row_51_after_a_failure_too(self, shop: OpenIdService) -> None:
        browser = shop.browser()
        back = browser.consent(browser.begin())
        twin = browser.twin()
        shop.fail_at(Endpoint.TOKEN, Reply(500))
        assert browser.come_back(back).status_code == 503
        shop.behave(FLAWLESS)
        assert_rejected(twin.come_back(back), "attempt-replayed")
        assert shop.tokens_asked_for() == 1

    def test_row_51_at_the_same_time_at_two_workers(
        self, openid: OpenIdWorkshop, database_url: str
    ) -> None:
        shops = openid.two_workers(database_url)
        browser = shops[0].browser()
        back = browser.consent(browser.begin())
        twins = [browser.twin() for _ in range(20)]
        for number, twin in enumerate(twins):
            twin.move_to(shops[number % 2])
        statuses = together(20, lambda number: twins[number].come_back(back).status_code)
        assert sorted(statuses) == [303] + [400] * 19
        assert shops[0].tokens_asked_for() == 1

    def test_another_worker_may_finish_it(
        self, openid: OpenIdWorkshop, sqlite_url: str
    ) -> None:
        shops = openid.two_workers(sqlite_url)
        browser = shops[0].browser()
        back = browser.consent(browser.begin(next="/account"))
        browser.move_to(shops[1])
        assert browser.come_back(back).headers["Location"] == "/account"
        browser.move_to(shops[0])
        assert browser.user_id() == user_id(JANE)

    def test_row_69_a_person_comes_for_the_first_time_twice(
        self, openid: OpenIdWorkshop, database_url: str
    ) -> None:
        shop = openid.make(database={"url": database_url})
        browsers = [shop.browser(), shop.browser()]
        backs = [browser.consent(browser.begin()) for browser in browsers]
        answers = together(2, lambda n: browsers[n].come_back(backs[n]).status_code)
        assert answers == [303, 303]
        assert [browser.user_id() for browser in browsers] == [user_id(JANE), user_id(JANE)]
