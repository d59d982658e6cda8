"""Sign-ins: what the cookie is, what it is good for, and when that ends."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from support.databases import KINDS
from support.refusals import assert_page_refused, assert_refused
from support.service import PASSWORD, Answer, Browser, MakeService, Service
from support.threads import together

from flask_usher.providers.base import Completion
from flask_usher.sign_ins import SignIn
from flask_usher.sign_ins import records as sign_in_records

MINUTE = 60
HOUR = 60 * MINUTE
LOOPBACK = "http://127.0.0.1:8000"


def records(service: Service) -> list[Any]:
    with service.state.database.reading() as connection:
        return list(connection.execute(sa.select(sign_in_records.table)))


def change_record(service: Service, **values: Any) -> None:
    with service.state.database.writing() as connection:
        connection.execute(sa.update(sign_in_records.table).values(**values))


def raw_change_record(service: Service, column: str, value: str) -> None:
    """Write what SQLAlchemy would not."""
    with service.state.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE usher_sign_ins SET {column} = {value}")


@pytest.mark.parametrize(
    ("origin", "signed_in", "form_gone"),
    [
        pytest.param(
            "https://shop.example",
            "__Host-usher={value}; Secure; HttpOnly; Path=/; SameSite=Lax",
            "__Host-usher-form=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; "
            "Secure; HttpOnly; Path=/; SameSite=Lax",
            id="row38-https",
        ),
        pytest.param(
            LOOPBACK,
            "usher={value}; HttpOnly; Path=/; SameSite=Lax",
            "usher-form=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; "
            "HttpOnly; Path=/; SameSite=Lax",
            id="row38-loopback",
        ),
    ],
)
def test_cookies_are_as_they_must_be(
    make_service: MakeService, origin: str, signed_in: str, form_gone: str
) -> None:
    service = make_service(public_url=origin)
    service.add_account("jane")
    browser = service.browser()
    page = browser.get("/usher/sign-in")
    (form_cookie,) = page.headers.getlist("Set-Cookie")
    name, value = page.cookies[0]
    assert re.fullmatch("[A-Za-z0-9_-]{22}", value)
    assert form_cookie == signed_in.format(value=value).replace("usher=", "usher-form=")
    answer = browser.sign_in("jane")
    assert re.fullmatch("[A-Za-z0-9_-]{43}", browser.cookie() or "")
    assert answer.headers.getlist("Set-Cookie") == [
        signed_in.format(value=browser.cookie()),
        form_gone,
    ]
    out = browser.sign_out()
    assert out.headers.getlist("Set-Cookie") == [form_gone.replace("-form=", "=")]
    assert name == service.cookie_name + "-form"


def test_row_38_asking_for_a_token_sets_no_cookie(service: Service) -> None:
    browser = service.signed_in()
    for path in ("/token", "/session", "/health/live", "/nowhere"):
        assert browser.ask(path).headers.getlist("Set-Cookie") == []


def _bent(value: str) -> dict[str, str]:
    """Return the cookie's value in every form that is not the cookie's value."""
    forms = {
        "empty": "",
        "prefix": value[:-1],
        "suffix": value[1:],
        "longer": value + "A",
        "padded": value + "=",
        "double": value + value,
        "4-kb": value * 95,
        "reversed": value[::-1],
        "upper": value.upper(),
        "half-quoted": f'"{value}',
        "space-before": f" {value} x",
        "nul": value[:-1] + "\0",
        "line-break": value + "\\012",
        "encoded": "".join(f"%{ord(c):02X}" for c in value),
        "signed": f"{value}.{value}",
        "not-ascii": value[:-1] + "\u00e9",
    }
    for index, letter in enumerate(value):
        for bit in range(8):
            flipped = chr(ord(letter) ^ 1 << bit)
            if flipped not in "\0\r\n;":
                forms[f"byte-{index}-bit-{bit}"] = value[:index] + flipped + value[index + 1 :]
    return forms


def with_cookies(service: Service, header: str) -> Answer:
    """Ask for a token with exactly this Cookie header."""
    return service.browser(use_cookies=False).ask(headers={"Cookie": header})


def test_row_39_a_cookie_that_is_not_quite_right(service: Service) -> None:
    value = service.signed_in().cookie() or ""
    name = service.cookie_name
    assert with_cookies(service, f"{name}={value}").status_code == 200
    for how, bent in _bent(value).items():
        header = f"{name}={bent}".encode().decode("latin-1")
        assert with_cookies(service, header).status_code == 401, how
    assert len(service.issued()) == 1


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("={name}={value}", id="nameless"),
        pytest.param("=={name}={value}", id="nameless-twice"),
        pytest.param("{value}", id="no-name"),
        pytest.param("{name}", id="no-value"),
        pytest.param("{name}={value}; {name}={value}", id="twice"),
        pytest.param("{name}={value}; {name}=bad", id="a-second-one"),
        pytest.param("{name}=bad; {name}={value}", id="a-first-one"),
        pytest.param("{name}=; {name}={value}", id="an-empty-first-one"),
        pytest.param("usher={value}", id="without-prefix"),
        pytest.param("__Secure-usher={value}", id="weaker-prefix"),
        pytest.param("__host-usher={value}", id="lower-case"),
        pytest.param("__HOST-USHER={value}", id="upper-case"),
        pytest.param("{name}-form={value}", id="the-forms"),
        pytest.param("x{name}={value}", id="longer-name"),
        pytest.param("session={value}; token={value}", id="other-names"),
        pytest.param("{name}={value},{name}={value}", id="comma"),
        pytest.param('{name}="{value}', id="half-quoted"),
        pytest.param("{name}\0={value}", id="nul-in-name"),
        pytest.param("\u00a0{name}={value}", id="no-break-space"),
        pytest.param("x" * 4096 + "={value}", id="4-kb-name"),
    ],
)
def test_row_39_cookies_that_are_not_the_cookie(service: Service, header: str) -> None:
    value = service.signed_in().cookie()
    text = header.format(name=service.cookie_name, value=value)
    assert_refused(with_cookies(service, text), 401, "no-session")
    assert with_cookies(service, f"{service.cookie_name}={value}").status_code == 200


def test_row_39_4096_other_cookies_change_nothing(service: Service) -> None:
    value = service.signed_in().cookie()
    others = "; ".join(f"c{number}=v" for number in range(4096))
    header = f"{others}; {service.cookie_name}={value}"
    assert with_cookies(service, header).status_code == 200


@pytest.mark.parametrize("what", ["secret", "signing-key", "whole"])
def test_row_41_a_cookie_of_another_installation(make_service: MakeService, what: str) -> None:
    service, other = make_service(), make_service()
    cookie = service.signed_in("jane").cookie() or ""
    if what == "secret":
        # The same database, so that the record is there to be found.
        other = make_service(database={"url": service.config["database"]["url"]})
    elif what == "signing-key":
        other.signed_in("jane")
    stranger = other.browser()
    stranger.show(cookie)
    assert_refused(stranger.ask(), 401, "no-session")


def test_row_41_the_value_in_the_table_is_not_the_cookie(service: Service) -> None:
    browser = service.signed_in()
    cookie = browser.cookie() or ""
    (record,) = records(service)
    assert cookie not in "".join(map(str, record))
    thief = service.browser()
    for value in (record.id, record.id[:43]):
        thief.show(value)
        assert_refused(thief.ask(), 401, "no-session")


def end_by_password(service: Service) -> None:
    account = service.provider.accounts.by_name("jane")
    assert account is not None
    service.set_password(account, "another-password-of-hers")


def end_by_disabling(service: Service) -> None:
    account = service.provider.accounts.by_name("jane")
    assert account is not None
    service.provider.accounts.set_active(account.id, False)


def end_by_disabling_and_enabling(service: Service) -> None:
    end_by_disabling(service)
    account = service.provider.accounts.by_name("jane")
    assert account is not None
    service.provider.accounts.set_active(account.id, True)


def end_by_deleting(service: Service) -> None:
    account = service.provider.accounts.by_name("jane")
    assert account is not None
    service.provider.accounts.delete(account.id)


def end_by_deleting_and_adding(service: Service) -> None:
    end_by_deleting(service)
    service.add_account("jane")


def end_by_revoking(service: Service) -> None:
    account = service.provider.accounts.by_name("jane")
    assert account is not None
    assert service.state.sign_ins.end_all_of("local", account.id) == 2


def end_by_revoking_all(service: Service) -> None:
    assert service.state.sign_ins.end_all() == 3


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        (end_by_password, 403, "account-inactive"),
        (end_by_disabling, 403, "account-inactive"),
        (end_by_disabling_and_enabling, 403, "account-inactive"),
        (end_by_deleting, 403, "account-inactive"),
        (end_by_deleting_and_adding, 403, "account-inactive"),
        (end_by_revoking, 401, "no-session"),
        (end_by_revoking_all, 401, "no-session"),
    ],
)
def test_row_42_what_ends_a_persons_sign_ins_ends_all_of_them_at_once(
    service: Service, end: Callable[[Service], None], status: int, code: str
) -> None:
    browsers = [service.signed_in("jane"), service.signed_in("jane")]
    bystander = service.signed_in("sam")
    for browser in (*browsers, bystander):
        assert browser.ask().status_code == 200
    end(service)
    for browser in browsers:
        assert_refused(browser.ask(), status, code)
        page = browser.get(f"{service.prefix}/session")
        assert page.members == {"signed_in": False}
    expected = 401 if end is end_by_revoking_all else 200
    assert bystander.ask().status_code == expected


def test_row_42_whoever_may_not_come_in_any_more_sees_the_form(service: Service) -> None:
    browser = service.signed_in("jane")
    end_by_password(service)
    answer = browser.get(f"{service.prefix}/sign-in?next=/account")
    assert answer.status_code == 200
    assert 'name="password"' in answer.text


def test_row_43_signing_everyone_out(service: Service) -> None:
    browsers = [service.signed_in(name) for name in ("jane", "jane", "sam", "kim")]
    assert service.state.sign_ins.end_all() == 4
    for browser in browsers:
        assert_refused(browser.ask(), 401, "no-session")
    assert browsers[0].sign_in("jane").status_code == 303


def test_row_43_too_many_devices_end_the_one_unseen_for_longest(
    make_service: MakeService,
) -> None:
    service = make_service(sign_ins={"per_person": 3})
    oldest, newer, newest = (service.signed_in("jane") for _ in range(3))
    other = service.signed_in("sam")
    service.clock.advance(2 * MINUTE)
    for browser in (oldest, newest):
        assert browser.ask().status_code == 200
    service.clock.advance(1)
    assert service.browser().sign_in("jane").status_code == 303
    assert_refused(newer.ask(), 401, "no-session")
    for browser in (oldest, newest, other):
        assert browser.ask().status_code == 200


def test_row_43_or_too_many_devices_are_refused(make_service: MakeService) -> None:
    service = make_service(sign_ins={"per_person": 2, "when_full": "refuse"})
    browsers = [service.signed_in("jane") for _ in range(2)]
    late = service.browser()
    assert_page_refused(late.sign_in("jane"), 403, "session-limit")
    assert late.cookie() is None
    assert all(browser.ask().status_code == 200 for browser in browsers)
    browsers[0].sign_out()
    assert late.sign_in("jane").status_code == 303


@pytest.mark.parametrize("passed", [30 * MINUTE + 1, 12 * HOUR + 1])
def test_row_43_sign_ins_that_have_lapsed_take_no_place(
    make_service: MakeService, passed: int
) -> None:
    service = make_service(sign_ins={"per_person": 1, "when_full": "refuse"})
    service.signed_in("jane")
    service.clock.advance(passed)
    assert service.browser().sign_in("jane").status_code == 303


def test_row_43_signing_in_again_in_the_same_browser_takes_no_second_place(
    make_service: MakeService,
) -> None:
    service = make_service(sign_ins={"per_person": 1, "when_full": "refuse"})
    service.add_account("jane")
    browser = service.browser()
    token = browser.form_token()
    browser.show(service.signed_in("jane").cookie() or "")
    answer = browser.send_form(token, username="jane", password=PASSWORD)
    assert answer.status_code == 303


@pytest.fixture(params=KINDS)
def full(request: pytest.FixtureRequest) -> Service:
    """A service on each kind of database, where a person may sign in three times."""
    make: MakeService = request.getfixturevalue("make_service")
    changes: dict[str, Any] = {"sign_ins": {"per_person": 3}}
    if request.param == "postgresql":
        changes["database"] = {"url": request.getfixturevalue("postgresql_url")}
    return make(**changes)


def test_row_43_the_limit_holds_for_sign_ins_at_the_same_time(full: Service) -> None:
    people = [full.signed_in("jane") for _ in range(8)]
    identity = full.state.sign_ins.find(people[-1].cookie())
    assert isinstance(identity, SignIn)
    full.state.sign_ins.end_all()

    def sign_in(_: int) -> str:
        return full.state.sign_ins.create(Completion(identity.identity))

    assert len(set(together(12, sign_in))) == 12
    assert len(records(full)) == 3


def test_row_43_people_who_sign_in_at_the_same_time_clear_up_together(full: Service) -> None:
    browsers = [full.signed_in(f"name-{number}") for number in range(12)]
    found = [full.state.sign_ins.find(browser.cookie()) for browser in browsers]
    identities = [it.identity for it in found if isinstance(it, SignIn)]
    for identity in identities * 2:
        full.state.sign_ins.create(Completion(identity))
    full.clock.advance(48 * HOUR)
    together(12, lambda number: full.state.sign_ins.create(Completion(identities[number])))
    assert len(records(full)) == 12


def use_for(browser: Browser, seconds: int) -> set[int]:
    """Ask for a token every twenty minutes; return the statuses."""
    statuses = set()
    for _ in range(seconds // (20 * MINUTE)):
        browser.service.clock.advance(20 * MINUTE)
        statuses.add(browser.ask().status_code)
    return statuses


@pytest.mark.parametrize(
    ("passed", "status"),
    [
        pytest.param(0, 200, id="row44-at-once"),
        pytest.param(30 * MINUTE - 1, 200, id="row44-just-before"),
        pytest.param(30 * MINUTE, 401, id="row44-on-the-second"),
        pytest.param(30 * MINUTE + 1, 401, id="row44-just-after"),
        pytest.param(48 * HOUR, 401, id="row44-two-days"),
        pytest.param(-30, 200, id="row44-another-host-is-behind"),
        pytest.param(-HOUR, 401, id="row44-clock-set-back"),
        pytest.param(-365 * 24 * HOUR, 401, id="row44-clock-set-back-a-year"),
    ],
)
def test_an_idle_sign_in_ends(service: Service, passed: int, status: int) -> None:
    browser = service.signed_in()
    service.clock.advance(passed)
    answer = browser.ask()
    if status == 200:
        assert answer.status_code == 200
    else:
        assert_refused(answer, 401, "session-expired")


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (1, 401)])
def test_row_44_no_activity_lasts_longer_than_half_a_day(
    service: Service, more: int, status: int
) -> None:
    browser = service.signed_in()
    assert use_for(browser, 12 * HOUR - 20 * MINUTE) == {200}
    service.clock.advance(20 * MINUTE + more)
    assert browser.ask().status_code == status


def test_row_44_what_has_expired_does_not_come_back(service: Service) -> None:
    browser = service.signed_in()
    service.clock.advance(31 * MINUTE)
    assert_refused(browser.ask(), 401, "session-expired")
    service.clock.advance(-31 * MINUTE - HOUR)
    assert_refused(browser.ask(), 401, "session-expired")


def test_row_44_nothing_that_a_client_does_makes_it_last_longer(service: Service) -> None:
    browser = service.signed_in()
    (before,) = records(service)
    use_for(browser, 4 * HOUR)
    browser.get(f"{service.prefix}/session")
    browser.get(f"{service.prefix}/sign-in")
    (after,) = records(service)
    assert after.expires_at == before.expires_at == before.signed_in_at + 12 * HOUR
    assert after.signed_in_at == before.signed_in_at


def test_row_44_looking_in_is_noted_once_a_minute(service: Service) -> None:
    browser = service.signed_in()
    seen = []
    for _ in range(120):
        service.clock.advance(1)
        browser.ask()
        seen.append(records(service)[0].last_seen_at)
    assert len(set(seen)) == 3


def test_row_44_refused_requests_do_not_keep_it_alive(service: Service) -> None:
    browser = service.signed_in()
    for _ in range(40):
        service.clock.advance(MINUTE)
        browser.ask(headers={"Origin": "https://evil.test"})
        browser.ask(headers={"X-Usher-Client": None})
        browser.ask(data=b"[]")
    assert_refused(browser.ask(), 401, "session-expired")


def test_row_47_no_cookie_says_anything(service: Service) -> None:
    service.add_account("jane")
    browser = service.browser()
    set_cookies = [
        *browser.get(f"{service.prefix}/sign-in?next=/account").cookies,
        *browser.sign_in("jane", "wrong-password-1", next="/account").cookies,
        *browser.sign_in("jane").cookies,
        *browser.ask().cookies,
        *browser.sign_out().cookies,
    ]
    values = [value for _, value in set_cookies if value]
    assert len(values) == len(set(values)) == 3
    for value in values:
        assert re.fullmatch("[A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{43}", value)
        decoded = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
        for telling in (b"jane", b"eyJ", b"@", b"{", b"local", b"account"):
            assert telling not in value.encode()
            assert telling in (b"@", b"{") or telling not in decoded


@pytest.mark.parametrize(
    "identity",
    [
        "",
        " ",
        "{}",
        "[]",
        "null",
        "0",
        "true",
        '"x"',
        '"sevenit"',
        "[1]",
        "[" * 5000,
        "[NaN, 1]",
        "\ufffd\0",
        "[1, null, null, null, null, null, null]",
        "[1, [], {}, [], {}, [], [], [], []]",
        '[1, 0, [], [], null, ["pwd"], 0]',
        '[1, 0, {}, null, null, ["pwd"], 0]',
        '[1, 0, {}, {}, null, ["pwd"], 0]',
        '[1, 0, {}, "ab", null, ["pwd"], 0]',
        '[1, 0, {}, [5], null, ["pwd"], 0]',
        '[1, 0, {}, [["a"]], null, ["pwd"], 0]',
        '[1, 0, {}, [], 5, ["pwd"], 0]',
        '[1, 0, {}, [], null, "pwd", 0]',
        "[1, 0, {}, [], null, [null], 0]",
        '[1, 0, {}, [], null, ["pwd"], "0"]',
        '[1, 0, {}, [], null, ["pwd"], null]',
        '[1, 0, {}, [], null, ["pwd"], 0.0]',
        '[1, "0", {}, [], null, ["pwd"], 0]',
        '[1, 0, {}, [], null, ["pwd"], 0, "more"]',
        '["1", 0, {}, [], null, ["pwd"], 0]',
        '[2, 0, {}, [], null, ["pwd"], 0]',
        '[0, 0, {}, [], null, ["pwd"], 0]',
        '{"version": 1, "provider": "local"}',
    ],
)
def test_row_48_a_damaged_record_is_dropped(service: Service, identity: str) -> None:
    browser = service.signed_in("jane")
    change_record(service, identity=identity)
    assert_refused(browser.ask(), 401, "no-session")
    assert records(service) == []


def test_row_48_a_record_of_the_right_form_is_good(service: Service) -> None:
    browser = service.signed_in("jane")
    change_record(service, identity='[1, 0, {}, [], null, ["pwd"], 0]')
    assert browser.user_id() == service.user_id_of("jane")


@pytest.mark.parametrize("column", ["provider", "subject"])
@pytest.mark.parametrize("value", ["", "nobody", "\0", "local:", "x" * 64])
def test_row_48_a_record_of_nobody_we_know(service: Service, column: str, value: str) -> None:
    browser = service.signed_in("jane")
    change_record(service, **{column: value})
    assert_refused(browser.ask(), 403, "account-inactive")


TIMES = ["signed_in_at", "last_seen_at", "expires_at"]


@pytest.mark.parametrize("column", TIMES)
@pytest.mark.parametrize("value", ["'x'", "''", "x'00'", "'9e999'", "9e999", "-9e999"])
def test_row_48_times_that_are_none(service: Service, column: str, value: str) -> None:
    browser = service.signed_in("jane")
    raw_change_record(service, column, value)
    assert_refused(browser.ask(), 401, "no-session")
    assert records(service) == []


@pytest.mark.postgresql
@pytest.mark.parametrize("column", TIMES)
def test_row_48_times_that_only_postgresql_knows(
    postgresql_service: Service, column: str
) -> None:
    for value in ("'NaN'", "'Infinity'", "'-Infinity'"):
        browser = postgresql_service.signed_in("jane")
        raw_change_record(postgresql_service, column, value)
        assert_refused(browser.ask(), 401, "no-session")
        assert records(postgresql_service) == []


@pytest.mark.parametrize("column", TIMES[:2])
@pytest.mark.parametrize("value", ["1e300", "1e12", "-1e300", "0"])
def test_row_48_times_that_are_far_away(service: Service, column: str, value: str) -> None:
    browser = service.signed_in("jane")
    raw_change_record(service, column, value)
    assert_refused(browser.ask(), 401, "session-expired")


def test_row_48_a_record_that_lasts_too_long_ends_in_time(service: Service) -> None:
    browser = service.signed_in("jane")
    raw_change_record(service, "expires_at", "1e300")
    assert use_for(browser, 12 * HOUR - 20 * MINUTE) == {200}
    service.clock.advance(20 * MINUTE)
    assert_refused(browser.ask(), 401, "session-expired")


def test_row_49_many_requests_of_one_sign_in(make_service: MakeService) -> None:
    service = make_service(limits={"tokens_per_person": "2000 per 60 seconds"})
    cookie = service.signed_in("jane").cookie() or ""
    expected = service.user_id_of("jane")

    def ask(_: int) -> list[str]:
        browser = service.browser()
        browser.show(cookie)
        user_ids = []
        for number in range(25):
            service.clock.now += 1 if number % 5 == 0 else 0
            user_ids.append(browser.user_id())
        return user_ids

    results = together(40, ask)
    assert {user_id for user_ids in results for user_id in user_ids} == {expected}
    (record,) = records(service)
    assert record.last_seen_at > record.signed_in_at


def test_row_49_no_token_after_the_sign_out_has_answered(make_service: MakeService) -> None:
    service = make_service(limits={"tokens_per_person": "9000 per 60 seconds"})
    rounds = [statuses_after_sign_out(service) for _ in range(5)]
    assert set().union(*rounds) == {401}


def statuses_after_sign_out(service: Service) -> set[int]:
    """Sign out in one thread; return how those that asked later in others were answered."""
    signed_in = service.signed_in("jane")
    cookie = signed_in.cookie() or ""
    is_out = threading.Event()

    def ask(number: int) -> set[int]:
        if number == 0:
            assert signed_in.sign_out().status_code == 204
            is_out.set()
            return set()
        browser = service.browser()
        browser.show(cookie)
        statuses = set()
        for _ in range(30):
            was_out = is_out.is_set()
            status = browser.ask().status_code
            if was_out:
                statuses.add(status)
        return statuses

    return set().union(*together(7, ask))
