"""Logging out over the back channel: the provider says who is out, and they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.databases import KINDS
from support.openid_service import (
    CLIENT_ID,
    OpenIdBrowser,
    OpenIdService,
    OpenIdWorkshop,
    assert_rejected,
    assert_signed_out,
    user_id,
)
from support.refusals import assert_refused
from support.service import ALLOWED_ORIGIN, Answer, LogText
from support.threads import together

from flask_usher.testing import (
    JANE,
    JOHN,
    FixedSignature,
    Forgery,
    Session,
    SignedWith,
    SigningKey,
)
from flask_usher.testing.openid_tokens import LOGOUT_EVENT

PATH = "/usher/oidc/id/back-channel-logout"
EVENT = "provider-logout"


def assert_accepted(answer: Answer, count: int) -> None:
    """Check that a notice was believed, and how many sign-ins it ended."""
    assert answer.status_code == 200, answer.text
    assert answer.headers.getlist("Cache-Control") == ["no-store"]
    assert answer.get_data() == b""
    (line,) = answer.audit_lines
    assert (line["event"], line["code"], line["count"]) == (EVENT, "sign-ins-ended", count)
    assert line["provider"] == "id"


def assert_not_believed(answer: Answer, reason: str) -> None:
    """Check that a notice was turned away, and why."""
    assert_refused(answer, 400, "malformed-request", event=EVENT)
    assert answer.audit_lines[0]["reason"] == reason


def session_of(shop: OpenIdService) -> Session:
    """Return the session at the provider that the next sign-in belongs to."""
    return shop.fake.current_session()


class TestWhoIsOut:
    def test_row_104_one_session(self, shop: OpenIdService) -> None:
        first = shop.signed_in()
        sid = session_of(shop).sid
        shop.fake.sign_in(JANE)
        second = shop.signed_in()
        assert_accepted(shop.notify(sid=sid), 1)
        assert_signed_out(first)
        assert second.user_id() == user_id(JANE)

    def test_row_104_all_of_a_person(self, shop: OpenIdService) -> None:
        browsers = []
        for _ in range(3):
            shop.fake.sign_in(JANE)
            browsers.append(shop.signed_in())
        shop.fake.sign_in(JOHN)
        john = shop.signed_in()
        assert_accepted(shop.notify(subject=JANE.subject), 3)
        for browser in browsers:
            assert_signed_out(browser)
        assert john.user_id() == user_id(JOHN)

    def test_row_104_a_person_and_the_session(self, shop: OpenIdService) -> None:
        first = shop.signed_in()
        sid = session_of(shop).sid
        shop.fake.sign_in(JANE)
        second = shop.signed_in()
        assert_accepted(shop.notify(subject=JANE.subject, sid=sid), 1)
        assert_signed_out(first)
        assert second.user_id() == user_id(JANE)

    def test_row_104_a_session_that_was_never_named_to_us(self, shop: OpenIdService) -> None:
        shop.behave(id_token=Forgery(claims={"sid": ...}))
        browser = shop.signed_in()
        # It may be the one that is meant.
        answer = shop.notify(subject=JANE.subject, sid=session_of(shop).sid)
        assert_accepted(answer, 1)
        assert_signed_out(browser)

    def test_row_104_several_browsers_in_one_session(self, shop: OpenIdService) -> None:
        browsers = [shop.signed_in(), shop.signed_in()]
        assert_accepted(shop.notify(sid=session_of(shop).sid), 2)
        for browser in browsers:
            assert_signed_out(browser)

    def test_row_104_again_for_what_has_ended(self, shop: OpenIdService) -> None:
        shop.signed_in()
        sid = session_of(shop).sid
        assert_accepted(shop.notify(sid=sid), 1)
        assert_accepted(shop.notify(sid=sid), 0)
        assert_accepted(shop.notify(subject=JANE.subject), 0)
        assert_accepted(shop.notify(subject="nobody-known"), 0)

    def test_row_104_at_every_worker(self, openid: OpenIdWorkshop, database_url: str) -> None:
        here, there = openid.two_workers(database_url)
        browsers = [here.signed_in(), there.signed_in()]
        for browser in browsers:
            # Each worker has seen each visitor.
            for shop in (here, there):
                browser.move_to(shop)
                assert browser.user_id() == user_id(JANE)
        assert_accepted(there.notify(subject=JANE.subject), 2)
        for browser in browsers:
            for shop in (here, there):
                browser.move_to(shop)
                assert_signed_out(browser)

    def test_row_109_the_same_id_at_another_issuer(self, openid: OpenIdWorkshop) -> None:
        fakes = [openid.fake("id"), openid.fake("other")]
        shop = openid.make(fakes[0], providers={"other": openid.table(fakes[1])})
        there = OpenIdService(fakes[1], shop.service, "other")
        here, elsewhere = shop.signed_in(), there.signed_in()
        session = elsewhere.shop.fake.current_session()
        fakes[0].session = Session(JANE, session.sid, session.began_at)
        assert_accepted(shop.notify(subject=JANE.subject), 1)
        assert_signed_out(here)
        assert_accepted(shop.notify(sid=session.sid), 0)
        assert elsewhere.user_id() == user_id(JANE, "other")
        # Nor does one provider speak for the other.
        token = fakes[0].logout_token(CLIENT_ID, subject=JANE.subject)
        assert_not_believed(there.notify(token), "issuer-mismatch")
        assert elsewhere.user_id() == user_id(JANE, "other")

    def test_people_of_other_providers_stay(self, openid: OpenIdWorkshop) -> None:
        shop = openid.make(providers={"local": {"type": "local"}})
        local = shop.service.signed_in("jane")
        account = shop.service.provider.accounts.by_name("jane")
        assert account is not None
        assert_accepted(shop.notify(subject=account.id), 0)
        assert local.user_id() == f"local:{account.id}"

    def test_one_may_sign_in_again(self, shop: OpenIdService) -> None:
        shop.signed_in()
        assert_accepted(shop.notify(subject=JANE.subject), 1)
        shop.service.clock.advance(1)
        assert shop.signed_in().user_id() == user_id(JANE)

    def test_what_is_logged_names_nobody(self, shop: OpenIdService, log: LogText) -> None:
        shop.signed_in()
        sid = session_of(shop).sid
        shop.notify(subject=JANE.subject, sid=sid)
        shop.notify(sid=sid, forgery=Forgery(claims={"jti": ...}))
        written = shop.service.audit_file.read_text() + log.text
        assert JANE.subject not in written
        assert sid not in written


NOW = 1_800_000_000
NOT_BELIEVED = [
    pytest.param({"iat": ...}, {}, "time-malformed", id="row106-no-iat"),
    pytest.param({"exp": ...}, {}, "time-malformed", id="row106-no-exp"),
    pytest.param({"jti": ...}, {}, "token-id-malformed", id="row106-no-jti"),
    pytest.param({"jti": ""}, {}, "token-id-malformed", id="row106-empty-jti"),
    pytest.param({"jti": 1}, {}, "token-id-malformed", id="row106-jti-number"),
    pytest.param({"jti": "x" * 256}, {}, "token-id-malformed", id="row106-long-jti"),
    pytest.param({"sub": ..., "sid": ...}, {}, "subject-malformed", id="row106-nobody"),
    pytest.param({"sub": "", "sid": ""}, {}, "subject-malformed", id="row106-empty"),
    pytest.param({"sub": "a\0b"}, {}, "subject-malformed", id="row106-nul"),
    pytest.param({"sid": ["a"]}, {}, "subject-malformed", id="row106-sid-list"),
    pytest.param({"events": ...}, {}, "event-malformed", id="row106-no-events"),
    pytest.param({"events": {}}, {}, "event-malformed", id="row106-other-event"),
    pytest.param({"events": [LOGOUT_EVENT]}, {}, "event-malformed", id="row106-event-list"),
    pytest.param({"events": {LOGOUT_EVENT: 1}}, {}, "event-malformed", id="row106-event-value"),
    pytest.param({"nonce": "n"}, {}, "nonce-present", id="row106-nonce"),
    pytest.param({"iss": "https://other.example"}, {}, "issuer-mismatch", id="row106-issuer"),
    pytest.param({"aud": "other"}, {}, "audience-mismatch", id="row106-audience"),
    pytest.param({}, {"typ": "at+jwt"}, "token-type", id="row106-access-token"),
    pytest.param({}, {"alg": "none"}, "algorithm-refused", id="row106-alg-none"),
    pytest.param({}, {"alg": "HS256"}, "algorithm-refused", id="row106-hs256"),
]


class TestNotBelieved:
    @pytest.fixture
    def jane(self, shop: OpenIdService) -> Iterator[OpenIdBrowser]:
        """A browser that stays signed in, whatever the notice says."""
        browser = shop.signed_in()
        yield browser
        assert browser.user_id() == user_id(JANE)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(("claims", "header", "reason"), NOT_BELIEVED)
    def test_wrong_notices(
        self, shop: OpenIdService, claims: Any, header: Any, reason: str
    ) -> None:
        forgery = Forgery(claims=claims, header=header)
        assert_not_believed(shop.notify(subject=JANE.subject, forgery=forgery), reason)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(
        ("age", "reason"),
        [
            pytest.param(151, "token-too-old", id="row106-old"),
            pytest.param(-31, "issued-in-the-future", id="row106-ahead"),
        ],
    )
    def test_wrong_times(self, shop: OpenIdService, age: int, reason: str) -> None:
        issued_at = int(shop.service.clock.now) - age
        forgery = Forgery(claims={"iat": issued_at, "exp": issued_at + 3600})
        assert_not_believed(shop.notify(subject=JANE.subject, forgery=forgery), reason)

    @pytest.mark.usefixtures("jane")
    def test_row_106_an_id_token(self, shop: OpenIdService) -> None:
        token = shop.fake.id_token(CLIENT_ID)
        assert_not_believed(shop.notify(token), "token-id-malformed")

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(
        "signing",
        [FixedSignature(), SignedWith(SigningKey.generate(key_id="first"))],
        ids=["row106-no-signature", "row106-another-key"],
    )
    def test_wrong_signatures(self, shop: OpenIdService, signing: Any) -> None:
        answer = shop.notify(subject=JANE.subject, forgery=Forgery(signing=signing))
        assert_refused(answer, 400, "malformed-request", event=EVENT)

    @pytest.mark.usefixtures("jane")
    @pytest.mark.parametrize(
        "token", ["", "x", "a.b.c", "..", "\0", "{}", "x" * 9000, "\u202e", "é", "a.b.c.d.e"]
    )
    def test_row_109_no_token_at_all(self, shop: OpenIdService, token: str) -> None:
        answer = shop.service.browser().post(PATH, data={"logout_token": token})
        assert_refused(answer, 400, "malformed-request", event=EVENT)

    def test_row_106_only_typed_tokens_if_the_operator_says_so(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make(table={"typed_logout_tokens": True})
        browser = shop.signed_in()
        untyped = Forgery(header={"typ": "JWT"})
        answer = shop.notify(subject=JANE.subject, forgery=untyped)
        assert_not_believed(answer, "token-type")
        assert browser.user_id() == user_id(JANE)
        assert_accepted(shop.notify(subject=JANE.subject), 1)

    def test_row_106_untyped_tokens_else(self, shop: OpenIdService) -> None:
        shop.signed_in()
        untyped = Forgery(header={"typ": "JWT"})
        assert_accepted(shop.notify(subject=JANE.subject, forgery=untyped), 1)


class TestReplays:
    def test_row_107_the_same_notice_again(self, shop: OpenIdService) -> None:
        token = shop.fake.logout_token(CLIENT_ID, subject=JANE.subject)
        assert_accepted(shop.notify(token), 0)
        browser = shop.signed_in_later()
        assert_not_believed(shop.notify(token), "replayed")
        assert browser.user_id() == user_id(JANE)

    @pytest.mark.parametrize("late", [119, 121, 149])
    def test_row_107_to_the_end_of_the_time_that_it_is_good_for(
        self, shop: OpenIdService, late: int
    ) -> None:
        token = shop.fake.logout_token(CLIENT_ID, subject=JANE.subject)
        assert_accepted(shop.notify(token), 0)
        browser = shop.signed_in_later()
        shop.service.clock.advance(late - 1)
        # Another notice, which clears away what is no longer needed.
        assert_accepted(shop.notify(subject="somebody-else"), 0)
        assert_not_believed(shop.notify(token), "replayed")
        assert browser.user_id() == user_id(JANE)

    def test_row_107_another_providers_notice_may_have_the_same_id(
        self, openid: OpenIdWorkshop
    ) -> None:
        fakes = [openid.fake("id"), openid.fake("other")]
        shop = openid.make(fakes[0], providers={"other": openid.table(fakes[1])})
        there = OpenIdService(fakes[1], shop.service, "other")
        same = Forgery(claims={"jti": "1"})
        assert_accepted(shop.notify(subject=JANE.subject, forgery=same), 0)
        assert there.notify(subject=JANE.subject, forgery=same).status_code == 200

    def test_row_107_a_hundred_at_the_same_time(
        self, openid: OpenIdWorkshop, database_url: str
    ) -> None:
        shops = openid.two_workers(database_url)
        # Each worker knows the provider's keys.
        browser, *_ = [shop.signed_in() for shop in shops]
        token = shops[0].fake.logout_token(CLIENT_ID, subject=JANE.subject)

        def notify(number: int) -> list[int]:
            return [shops[number % 2].notify(token).status_code for _ in range(5)]

        statuses = [status for some in together(20, notify) for status in some]
        assert sorted(statuses) == [200] + [400] * 99
        assert_signed_out(browser)

    def test_row_107_what_can_not_be_remembered_is_not_believed(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make()
        browser = shop.signed_in()
        with shop.service.state.database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE usher_replays")
        answer = shop.notify(subject=JANE.subject)
        assert_refused(answer, 503, "store-unavailable", event=EVENT)
        assert browser.user_id() == user_id(JANE)


WHO = ["sub", "sid", "both"]


def named(shop: OpenIdService, who: str) -> dict[str, str]:
    """Return how a notice names the session at the provider."""
    sid, subject = session_of(shop).sid, JANE.subject
    return {"sub": {"subject": subject}, "sid": {"sid": sid}}.get(
        who, {"subject": subject, "sid": sid}
    )


class TestWhileSomebodySignsIn:
    """A logout that arrives between the beginning of an attempt and its end."""

    @pytest.fixture(params=KINDS)
    def race(
        self, request: pytest.FixtureRequest, openid: OpenIdWorkshop
    ) -> tuple[OpenIdService, OpenIdService]:
        """Two workers on one database, once of each kind."""
        url: str = request.getfixturevalue(f"{request.param}_url")
        return openid.two_workers(url)

    @pytest.mark.parametrize("who", WHO)
    def test_row_108_before_the_code_is_redeemed(
        self, race: tuple[OpenIdService, OpenIdService], who: str
    ) -> None:
        here, there = race
        browser = here.browser()
        back = browser.consent(browser.begin())
        here.service.clock.advance(1)
        assert_accepted(there.notify(**named(here, who)), 0)
        # A provider that is slow to forget redeems the code all the same.
        here.service.clock.advance(1)
        assert_rejected(browser.come_back(back), "ended-meanwhile")
        assert_signed_out(browser)

    @pytest.mark.parametrize("who", WHO)
    def test_row_108_while_the_code_is_redeemed(
        self, race: tuple[OpenIdService, OpenIdService], who: str
    ) -> None:
        here, there = race
        here.signed_in()
        browser = here.browser()
        back = browser.consent(browser.begin())
        here.fake.hold()
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(browser.come_back(back)))
        thread.start()
        here.fake.arrived.acquire()
        assert_accepted(there.notify(**named(here, who)), 1)
        here.fake.let_go()
        thread.join()
        assert answers[0].status_code == 400
        assert_signed_out(browser)

    @pytest.mark.parametrize("who", WHO)
    def test_row_108_though_the_hosts_clocks_differ(
        self, race: tuple[OpenIdService, OpenIdService], who: str
    ) -> None:
        here, there = race
        browser = here.browser()
        # The provider's own times tell what came first.
        here.service.clock.advance(30)
        back = browser.consent(browser.begin())
        here.service.clock.advance(-30)
        assert_accepted(there.notify(**named(here, who)), 0)
        assert_rejected(browser.come_back(back), "ended-meanwhile")

    @pytest.mark.parametrize("who", WHO)
    def test_row_108_after_the_code_is_redeemed(
        self, race: tuple[OpenIdService, OpenIdService], who: str
    ) -> None:
        here, there = race
        browser = here.signed_in()
        assert_accepted(there.notify(**named(here, who)), 1)
        assert_signed_out(browser)

    @pytest.mark.parametrize("who", WHO)
    def test_row_108_a_session_without_a_name(
        self, race: tuple[OpenIdService, OpenIdService], who: str
    ) -> None:
        here, there = race
        here.behave(id_token=Forgery(claims={"sid": ...}))
        browser = here.browser()
        back = browser.consent(browser.begin())
        assert_accepted(there.notify(**named(here, who)), 0)
        # A notice that names the session alone can't be about one without a name.
        assert browser.come_back(back).status_code == (303 if who == "sid" else 400)

    def test_row_108_both_at_once(self, race: tuple[OpenIdService, OpenIdService]) -> None:
        here, there = race
        for _ in range(10):
            shop_browser = here.browser()
            back = shop_browser.consent(shop_browser.begin())
            steps = (
                lambda browser=shop_browser, back=back: browser.come_back(back),
                lambda: there.notify(subject=JANE.subject),
            )
            answers = together(2, lambda number, steps=steps: steps[number]())
            assert answers[0].status_code in {303, 400}
            assert answers[1].status_code == 200
            assert_signed_out(shop_browser)
            here.service.clock.advance(1)

    def test_row_108_somebody_elses_logout_is_none_of_theirs(
        self, race: tuple[OpenIdService, OpenIdService]
    ) -> None:
        here, there = race
        browser = here.browser()
        back = browser.consent(browser.begin())
        assert_accepted(there.notify(subject=JOHN.subject), 0)
        assert_accepted(there.notify(sid="another"), 0)
        assert_accepted(there.notify(subject=JANE.subject, sid="another"), 0)
        assert browser.come_back(back).status_code == 303

    def test_row_108_an_attempt_that_begins_afterwards(
        self, race: tuple[OpenIdService, OpenIdService]
    ) -> None:
        here, there = race
        # Even in the same session, if the provider keeps it: it vouches for it once more.
        assert_accepted(there.notify(**named(here, "both")), 0)
        assert_accepted(there.notify(subject=JANE.subject), 0)
        here.service.clock.advance(1)
        assert here.signed_in().user_id() == user_id(JANE)


class TestTheAddress:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
    def test_row_109_other_methods(self, shop: OpenIdService, method: str) -> None:
        answer = shop.service.browser().open(PATH, method=method)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "OPTIONS, POST"

    def test_row_109_the_parameter(self, shop: OpenIdService) -> None:
        browser, token = shop.service.browser(), shop.fake.logout_token(CLIENT_ID, sid="1")
        for sent in (
            {},
            {"data": {"other": token}},
            {"data": {"logout_token": [token, token]}},
            {"data": {"logout_token": [token, ""]}},
            {"query_string": {"logout_token": token}},
            {"json": {"logout_token": token}},
            {"data": token, "content_type": "application/logout+jwt"},
        ):
            answer = browser.post(PATH, **sent)
            assert_refused(answer, 400, "malformed-request", event=EVENT)

    @pytest.mark.parametrize("size", [16 * 1024, 1024 * 1024])
    def test_row_109_too_large(self, shop: OpenIdService, size: int) -> None:
        answer = shop.service.browser().post(PATH, data={"logout_token": "x" * size})
        assert answer.status_code == 413

    def test_row_109_a_flood_is_cut_off_without_a_look_at_the_keys(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make(limits={"refused_credentials_per_address": "20 per 60 seconds"})
        shop.signed_in()
        shop.fake.requests.clear()
        stranger = SigningKey.generate()
        answers = [
            shop.notify(
                sid=str(number),
                forgery=Forgery(
                    header={"kid": f"unknown-{number}"}, signing=SignedWith(stranger)
                ),
            )
            for number in range(100)
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [400] * 20 + [429] * 80
        assert int(answers[-1].headers["Retry-After"]) <= 60
        assert len(shop.fake.requests) <= 1
        # Tokens go on, and the provider itself from its own address.
        genuine = shop.fake.logout_token(CLIENT_ID, subject=JANE.subject)
        answer = shop.service.browser().post(
            PATH,
            data={"logout_token": genuine},
            environ_overrides={"REMOTE_ADDR": "198.51.100.7"},
        )
        assert_accepted(answer, 1)

    @pytest.mark.parametrize("origin", ["https://evil.test", "null"])
    def test_a_page_of_another_site_can_not_post_here(
        self, shop: OpenIdService, origin: str
    ) -> None:
        token = shop.fake.logout_token(CLIENT_ID, sid="1")
        answer = shop.service.browser().post(
            PATH, data={"logout_token": token}, headers={"Origin": origin}
        )
        assert_refused(answer, 403, "cross-origin", event="request")

    def test_no_cookie_and_no_origin_is_needed(self, shop: OpenIdService) -> None:
        browser = shop.signed_in()
        answer = shop.notify(subject=JANE.subject)
        assert answer.cookies == []
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert_signed_out(browser)
        assert ALLOWED_ORIGIN not in str(answer.headers)

    def test_row_165_a_logout_that_can_not_be_recorded_is_told_so(
        self, openid: OpenIdWorkshop
    ) -> None:
        shop = openid.make()
        browser = shop.signed_in()
        shop.service.audit_file.unlink()
        shop.service.audit_file.mkdir()
        answer = shop.notify(subject=JANE.subject)
        assert answer.status_code == 503
        shop.service.audit_file.rmdir()
        # The next line is behind one that says how many were lost.
        shop.browser().ask()
        # Nobody gets back in because of that.
        assert_signed_out(browser)
