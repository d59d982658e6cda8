"""Limits: who floods is refused, and nobody else is."""

from __future__ import annotations

from collections import Counter

import pytest
from support.refusals import assert_page_refused, assert_refused
from support.service import PASSWORD, Answer, MakeService, Service
from support.threads import together

WRONG = "not-the-password"


def try_from(
    service: Service, address: str, name: str = "jane", password: str = WRONG
) -> Answer:
    """Try to sign in, in a browser that has just been opened at this address."""
    browser = service.browser()
    form_token = browser.form_token()
    service.secrets.add(password)
    return browser.post(
        f"{service.prefix}/sign-in",
        data={"form_token": form_token, "username": name, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
    )


def assert_limited(answer: Answer) -> None:
    assert_page_refused(answer, 429, "too-many-requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    assert "Please wait" in answer.text


def test_row_13_the_tags_own_retries_pass_and_a_flood_does_not(service: Service) -> None:
    jane, sam = service.signed_in("jane"), service.signed_in("sam")
    for _ in range(100):
        assert jane.ask().status_code == 200
        service.clock.advance(0.5)
    refused = jane.ask()
    assert_refused(refused, 429, "too-many-requests")
    assert refused.headers["Retry-After"] == "10"
    assert service.signed_in("jane").ask().status_code == 429
    assert sam.ask().status_code == 200
    service.clock.advance(10)
    assert jane.ask().status_code == 200


def test_row_13_refused_requests_do_not_make_it_longer(service: Service) -> None:
    jane = service.signed_in("jane")
    for _ in range(300):
        jane.ask()
    service.clock.advance(60)
    assert jane.ask().status_code == 200


def test_row_13_a_minute_of_the_tags_retries_at_every_page_view(service: Service) -> None:
    jane = service.signed_in("jane")
    statuses = []
    for _ in range(3 * 20):
        statuses += [jane.ask().status_code for _ in range(4)]
        service.clock.advance(3)
    assert set(statuses) == {200}


def test_row_13_one_of_several_workers_serves_a_busy_visitor_alone(
    make_service: MakeService,
) -> None:
    jane = make_service(limits={"workers": 4}).signed_in("jane")
    assert {jane.ask().status_code for _ in range(4 * 20)} == {200}


def standing(answer: Answer) -> tuple[str | None, str | None]:
    """Return what an answer says of the limit: the policy, and where the person stands."""
    return answer.headers.get("RateLimit-Policy"), answer.headers.get("RateLimit")


def test_row_13_who_asks_is_told_where_they_stand(service: Service) -> None:
    jane, sam = service.signed_in("jane"), service.signed_in("sam")
    policy = '"tokens";q=100;w=60'
    assert standing(jane.ask()) == (policy, '"tokens";r=99;t=60')
    service.clock.advance(20.5)
    assert standing(jane.ask()) == (policy, '"tokens";r=98;t=40')
    assert standing(service.signed_in("jane").ask()) == (policy, '"tokens";r=97;t=40')
    assert standing(sam.ask()) == (policy, '"tokens";r=99;t=60')
    for _ in range(97):
        jane.ask()
    refused = jane.ask()
    assert_refused(refused, 429, "too-many-requests")
    assert standing(refused) == (policy, '"tokens";r=0;t=40')
    assert refused.headers["Retry-After"] == "40"


def test_nobody_is_told_what_others_have_used(make_service: MakeService) -> None:
    limits = {"tokens_per_address": "2 per 60 seconds", "sign_ins": "1 per 60 seconds"}
    service = make_service(limits=limits)
    assert standing(service.browser().ask()) == (None, None)
    for name in ("jane", "sam"):
        assert service.signed_in(name).ask().status_code == 200
    by_address = service.signed_in("kim").ask()
    assert_refused(by_address, 429, "too-many-requests")
    assert by_address.headers["Retry-After"] == "60"
    assert standing(by_address) == (None, None)
    try_from(service, "192.0.2.1")
    sign_in = try_from(service, "192.0.2.1")
    assert_limited(sign_in)
    assert standing(sign_in) == (None, None)


def test_row_13_a_thousand_a_minute_from_an_address_that_others_share(
    service: Service,
) -> None:
    jane, sam = service.signed_in("jane"), service.signed_in("sam")
    statuses: Counter[int] = Counter()
    for number in range(1000):
        statuses[jane.ask().status_code] += 1
        service.clock.advance(0.06)
        if number % 25 == 0:
            assert sam.ask().status_code == 200
    assert statuses == {200: 100, 429: 900}


def test_tokens_for_one_address(make_service: MakeService) -> None:
    service = make_service(limits={"tokens_per_address": "6 per 60 seconds"})
    people = [service.signed_in(name) for name in ("jane", "sam")]
    for _ in range(3):
        assert [it.ask().status_code for it in people] == [200, 200]
    for browser in people:
        assert_refused(browser.ask(), 429, "too-many-requests")
        elsewhere = browser.ask(environ_overrides={"REMOTE_ADDR": "192.0.2.8"})
        assert elsewhere.status_code == 200
    service.clock.advance(60)
    assert people[0].ask().status_code == 200


def test_row_22_the_eleventh_failure_for_one_account(service: Service) -> None:
    service.add_account("jane")
    for number in range(10):
        answer = try_from(service, f"192.0.2.{number}")
        assert_page_refused(answer, 401, "sign-in-failed")
    assert_limited(try_from(service, "192.0.2.77", password=PASSWORD))
    service.clock.advance(301)
    assert try_from(service, "192.0.2.77", password=PASSWORD).status_code == 303


def test_row_22_the_eleventh_failure_from_one_address(service: Service) -> None:
    service.add_account("jane")
    for number in range(10):
        answer = try_from(service, "192.0.2.1", name=f"name-{number}")
        assert_page_refused(answer, 401, "sign-in-failed")
    assert_limited(try_from(service, "192.0.2.1", password=PASSWORD))
    assert try_from(service, "192.0.2.2", password=PASSWORD).status_code == 303


def test_row_22_tries_all_together(make_service: MakeService) -> None:
    service = make_service(limits={"sign_ins": "5 per 300 seconds"})
    service.add_account("jane")
    for number in range(5):
        answer = try_from(service, f"192.0.2.{number}", name=f"name-{number}")
        assert_page_refused(answer, 401, "sign-in-failed")
    assert_limited(try_from(service, "192.0.2.9", password=PASSWORD))


def test_row_22_all_together_a_thousand_tries_fit(service: Service) -> None:
    assert service.state.settings.limits.sign_ins == "1000 per 300 seconds"


def test_row_22_only_failures_count_for_an_address(service: Service) -> None:
    service.add_account("jane")
    for _ in range(12):
        assert try_from(service, "192.0.2.1", password=PASSWORD).status_code == 303


def test_row_22_tries_at_the_same_time_count_too(service: Service) -> None:
    service.add_account("jane")
    browsers = [service.browser() for _ in range(24)]
    forms = [browser.form_token() for browser in browsers]
    service.secrets.add(WRONG)

    def guess(number: int) -> int:
        answer = browsers[number].send_form(forms[number], username="jane", password=WRONG)
        return answer.status_code

    statuses = Counter(together(len(browsers), guess))
    # 503 is the answer to who has waited too long for a processor to hash on.
    assert 0 < statuses[401] <= 10
    assert statuses[401] + statuses[429] + statuses[503] == len(browsers)


def test_row_22_a_form_that_was_never_sent_is_no_failure(service: Service) -> None:
    service.add_account("jane")
    browser = service.browser()
    for _ in range(15):
        assert browser.send_form("x", username="jane", password=PASSWORD).status_code == 400
    assert browser.sign_in("jane").status_code == 303


def test_row_23_many_addresses_against_one_account(service: Service) -> None:
    service.add_account("jane")
    statuses = Counter(
        try_from(service, f"198.51.{number // 250}.{number % 250}").status_code
        for number in range(60)
    )
    assert statuses == {401: 10, 429: 50}


def test_row_23_one_password_against_many_accounts(service: Service) -> None:
    statuses = Counter(
        try_from(service, "192.0.2.1", name=f"name-{number}").status_code
        for number in range(60)
    )
    assert statuses == {401: 10, 429: 50}


def test_row_24_somebody_who_is_locked_out_goes_on_where_they_are(service: Service) -> None:
    jane = service.signed_in("jane")
    for number in range(40):
        try_from(service, f"192.0.2.{number}")
    assert jane.ask().status_code == 200
    assert_limited(try_from(service, "203.0.113.5", password=PASSWORD))


@pytest.mark.parametrize("steps", [1, 60])
def test_row_24_the_lock_ends_though_the_attack_goes_on(service: Service, steps: int) -> None:
    service.add_account("jane")
    for number in range(10):
        try_from(service, f"192.0.2.{number}")
    for _ in range(steps):
        service.clock.advance(300 / steps)
        answer = try_from(service, "203.0.113.5", password=PASSWORD)
    assert answer.status_code == 303


def test_row_24_the_lock_ends_when_the_clock_is_set_back(service: Service) -> None:
    service.add_account("jane")
    for number in range(10):
        try_from(service, f"192.0.2.{number}")
    service.clock.advance(-3600)
    service.clock.advance(300)
    assert try_from(service, "203.0.113.5", password=PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "spellings",
    [
        pytest.param(["jane", "JANE", "Jane", " jane", "jane ", "\u3000jane"], id="case-space"),
        pytest.param(["\uff4aane", "j\uff41ne", "\uff2aANE"], id="full-width"),
        pytest.param(["ren\u00e9", "rene\u0301", "REN\u00c9"], id="nfc-nfd"),
        pytest.param(["\u05d0\u05d1\u05d2", " \u05d0\u05d1\u05d2 "], id="right-to-left"),
    ],
)
def test_row_26_every_spelling_counts_for_one_account(
    service: Service, spellings: list[str]
) -> None:
    service.add_account(spellings[0])
    accounts = set()
    for number in range(10):
        answer = try_from(service, f"192.0.2.{number}", name=spellings[number % len(spellings)])
        assert_page_refused(answer, 401, "sign-in-failed")
        accounts.add(answer.audit_lines[0]["account"])
        assert answer.audit_lines[0]["reason"] == "wrong-password"
    assert len(accounts) == 1
    for spelling in spellings:
        assert_limited(try_from(service, "192.0.2.99", name=spelling, password=PASSWORD))


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param([f"2001:db8:1:2::{n:x}" for n in range(11)], id="one-64"),
        pytest.param([f"2001:db8:1:2:{n:x}::1" for n in range(11)], id="far-apart-in-it"),
        pytest.param(["192.0.2.9", "::ffff:192.0.2.9", "::ffff:c000:209"] * 4, id="mapped"),
        pytest.param([f"fe80::1%eth{n}" for n in range(11)], id="scoped"),
        pytest.param(["2001:db8::1", "2001:0db8:0:0:0:0:0:1", "2001:DB8::1"] * 4, id="spelt"),
    ],
)
def test_row_158_addresses_that_count_as_one(service: Service, addresses: list[str]) -> None:
    service.add_account("jane")
    for number in range(10):
        answer = try_from(service, addresses[number], name=f"name-{number}")
        assert_page_refused(answer, 401, "sign-in-failed")
    assert_limited(try_from(service, addresses[10], password=PASSWORD))


@pytest.mark.parametrize("other", ["2001:db8:1:3::1", "192.0.2.10", "::ffff:192.0.2.10"])
def test_row_158_addresses_that_do_not(service: Service, other: str) -> None:
    service.add_account("jane")
    for number in range(5):
        try_from(service, "2001:db8:1:2::1", name=f"name-{number}")
        try_from(service, "192.0.2.9", name=f"name-{number + 5}")
    assert try_from(service, other, password=PASSWORD).status_code == 303
