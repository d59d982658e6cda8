"""Providers that are slow or down, and faults of our own, while somebody signs in."""

from __future__ import annotations

import json
import threading

from support.openid_service import (
    OpenIdBrowser,
    OpenIdService,
    OpenIdWorkshop,
    assert_signed_out,
    user_id,
)
from support.refusals import assert_page_refused
from support.service import Answer

from flask_usher.testing import FLAWLESS, JANE, Behaviour, Endpoint, HangUp, Reply

CALLBACK = "/usher/oidc/id/callback"


class TestProvidersThatFail:
    def test_row_61_a_provider_that_hangs_holds_up_nobody_else(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make()
        visitor = shop.signed_in()
        browsers = [shop.browser() for _ in range(50)]
        backs = [browser.consent(browser.begin()) for browser in browsers]
        shop.fake.hold()
        waiting: list[Waiting] = []
        # One after the other comes in, until there is no room and one is turned away.
        while all(one.is_held for one in waiting):
            number = len(waiting)
            waiting.append(Waiting(browsers[number], backs[number]))
        *held, turned_away = waiting
        assert_page_refused(turned_away.answer(), 503, "provider-unavailable")
        assert visitor.user_id() == user_id(JANE)
        shop.fake.let_go()
        assert [one.answer().status_code for one in held] == [303] * len(held)
        assert held

    def test_row_177_one_that_is_down_keeps_nobody_else_out(
        self, openid: OpenIdWorkshop
    ) -> None:
        down = openid.fake("down")
        down.behaviour = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})
        shop = openid.make(providers={"down": openid.table(down), "local": {"type": "local"}})
        shop.service.add_account("jane")
        refused = shop.browser().begin("down")
        assert_page_refused(refused, 503, "provider-unavailable")
        assert 'href="/usher/sign-in"' in refused.text
        assert shop.signed_in().user_id() == user_id(JANE)
        assert shop.service.browser().sign_in("jane").status_code == 303
        page = shop.browser().get("/usher/sign-in").text
        assert "/usher/oidc/down/start" in page
        # Some time later it is up again.
        down.behaviour = FLAWLESS
        shop.service.clock.advance(10)
        there = OpenIdService(down, shop.service, "down")
        assert there.signed_in().user_id() == f"down:{JANE.subject}"

    def test_row_177_the_service_starts_and_says_who_is_down(
        self, openid: OpenIdWorkshop
    ) -> None:
        down = openid.fake("down")
        down.behaviour = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})
        shop = openid.make(providers={"down": openid.table(down)})
        assert down.requests == shop.fake.requests == []
        shop.signed_in()
        shop.browser().begin("down")
        answer = shop.service.browser().get("/usher/health/ready")
        assert answer.status_code == 200
        assert answer.members["status"] == "ready"
        assert answer.members["providers"] == {"id": "ok", "down": "unavailable"}
        assert shop.fake.issuer not in json.dumps(answer.members)


class Waiting:
    """A browser that comes back while the provider is held."""

    def __init__(self, browser: OpenIdBrowser, back: dict[str, list[str]]) -> None:
        self._browser, self._back = browser, back
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=self._come_back)
        self._thread.start()
        browser.shop.fake.arrived.acquire()
        self.is_held = not self._answers

    def answer(self) -> Answer:
        """Wait for the answer."""
        self._thread.join()
        return self._answers[0]

    def _come_back(self) -> None:
        self._answers.append(self._browser.come_back(self._back))
        self._browser.shop.fake.arrived.release()


class TestFaultsOfOurs:
    def test_row_165_without_an_audit_line_nobody_is_signed_in(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make()
        browser = shop.browser()
        back = browser.consent(browser.begin())
        shop.service.audit_file.unlink(missing_ok=True)
        shop.service.audit_file.mkdir()
        answer = browser.come_back(back)
        assert (answer.status_code, answer.mimetype) == (503, "text/html")
        assert "audit" in answer.text or "recorded" in answer.text
        shop.service.audit_file.rmdir()
        # The next line is behind one that says how many were lost.
        shop.browser().ask()
        assert_signed_out(browser)

    def test_row_163_without_the_database_nobody_is_signed_in(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make()
        browser = shop.browser()
        back = browser.consent(browser.begin())
        with shop.service.state.database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE usher_replays")
        answer = browser.come_back(back)
        assert_page_refused(answer, 503, "store-unavailable")
        # Whether the attempt was used before can't be told, so the provider is not asked.
        assert shop.tokens_asked_for() == 0


class TestLimits:
    def test_answers_that_are_refused_are_limited_for_each_address(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make(limits={"refused_credentials_per_address": "5 per 60 seconds"})
        shop.fail_at(Endpoint.TOKEN, Reply(400, b'{"error": "invalid_grant"}'))
        answers = [shop.browser().sign_in_elsewhere().status_code for _ in range(6)]
        assert answers == [400] * 5 + [429]
        assert shop.tokens_asked_for() == 5
        shop.behave(FLAWLESS)
        browser = shop.browser()
        back = browser.consent(browser.begin())
        elsewhere = {"REMOTE_ADDR": "198.51.100.7"}
        query = {name: values[0] for name, values in back.items()}
        answer = browser.get(CALLBACK, query_string=query, environ_overrides=elsewhere)
        assert answer.status_code == 303
        shop.service.clock.advance(60)
        assert shop.browser().sign_in_elsewhere().status_code == 303

    def test_saying_no_is_no_failure(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(limits={"refused_credentials_per_address": "5 per 60 seconds"})
        shop.fake.sign_out()
        for _ in range(10):
            assert shop.browser().sign_in_elsewhere(silent="1").status_code == 303
        shop.fake.sign_in(JANE)
        assert shop.browser().sign_in_elsewhere().status_code == 303
