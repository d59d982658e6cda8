"""Rules at work: what can't be decided refuses, and no claim makes it take long."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.rules import NOW, case, jane, person, ruleset, verdict

from flask_usher.providers.base import Identity
from flask_usher.rules import ruleset as ruleset_module
from flask_usher.rules.ruleset import Ruleset
from flask_usher.rules.variables import MOST_CHARACTERS, MOST_VALUES, Case

LOOKS_AT_ALL = """
    size(identity.groups) < 0 || size(identity.amr) < 0 || identity.subject == 'another'
    || has(identity.acr) && identity.acr == 'another'
    || identity.signed_in_at > timestamp('9999-01-01T00:00:00Z')
"""
TOO_MUCH = "more claims than a rule looks at"
NO_JSON = "a claim that is no text, number, list or table"


@pytest.mark.parametrize(
    ("rule", "refuses"),
    [
        pytest.param("!('staff' in identity.groups)", False, id="row142-in-the-group"),
        pytest.param("!('vip' in identity.groups)", True, id="row142-not-in-the-group"),
        pytest.param("identity.claims.email_verified != true", False, id="claim"),
        pytest.param("identity.claims.age < 31", True, id="number"),
        pytest.param("identity.acr != 'silver'", False, id="acr"),
        pytest.param("!('otp' in identity.amr)", False, id="amr"),
        pytest.param("now - identity.signed_in_at >= duration('0s')", True, id="times"),
        pytest.param("now - account.created_at < duration('25h')", True, id="account"),
        pytest.param("request.address == '192.0.2.1'", True, id="address"),
        pytest.param("request.origin != 'https://www.shop.example'", False, id="origin"),
        pytest.param("identity.provider + identity.subject == 'local42'", True, id="names"),
        pytest.param("identity.groups.exists(g, g == 'staff')", True, id="exists"),
    ],
)
def test_a_rule_refuses_when_it_is_true(rule: str, refuses: bool) -> None:
    found = verdict(rule)
    assert (found.refuses, found.undecided) == (refuses, None)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        pytest.param("identity.claims.none == 'a'", "none", id="row143-claim"),
        pytest.param("!identity.claims.none", "none", id="row143-negated"),
        pytest.param("!(identity.claims.none == 'a')", "none", id="row143-unequal"),
        pytest.param("!('a' in identity.claims.none)", "none", id="row143-not-in"),
        pytest.param("'a' in identity.claims.none", "none", id="row143-in"),
        pytest.param("identity.claims.none.size() > 9", "none", id="row143-size"),
        pytest.param("identity.claims.none.exists(r, r == 'a')", "none", id="row143-exists"),
        pytest.param("identity.claims['none'] == 'a'", "none", id="row143-index"),
        pytest.param("identity.claims.none ? false : false", "none", id="row143-condition"),
        pytest.param("identity.claims.none == 1 || false", "none", id="row143-or-false"),
        pytest.param("false || identity.claims.none == 1", "none", id="row143-false-or"),
        pytest.param("identity.claims.none == 1 && true", "none", id="row143-and-true"),
        pytest.param("true && identity.claims.none == 1", "none", id="row143-true-and"),
        pytest.param("identity.acr == 'gold'", "acr", id="row143-acr"),
        pytest.param("account.name == 'jane'", "name", id="row143-account"),
        pytest.param("request.origin == 'https://a.example'", "origin", id="row143-origin"),
        pytest.param("identity.claims['no' + 'ne'] == 1", "something", id="row143-computed"),
    ],
)
def test_what_is_absent_refuses(rule: str, why: str) -> None:
    found = verdict(rule, case())
    assert (found.refuses, found.undecided) == (True, f"{why} is absent")


def test_an_address_that_is_not_known_is_absent_too() -> None:
    found = verdict("request.address == '192.0.2.9'", case(address=""))
    assert (found.refuses, found.undecided) == (True, "address is absent")


@pytest.mark.parametrize(
    ("rule", "refuses"),
    [
        pytest.param("identity.claims.none == 1 || true", True, id="row143-or-true"),
        pytest.param("true || identity.claims.none == 1", True, id="row143-true-or"),
        pytest.param("identity.claims.none == 1 && false", False, id="row143-and-false"),
        pytest.param("false && identity.claims.none == 1", False, id="row143-false-and"),
        pytest.param("has(identity.claims.none)", False, id="row143-has"),
        pytest.param("has(identity.acr) && identity.acr == 'a'", False, id="row143-guarded"),
        pytest.param("!has(identity.acr) || identity.acr == 'a'", True, id="row143-or-guarded"),
        pytest.param("true ? false : identity.claims.none", False, id="row143-not-chosen"),
    ],
)
def test_what_is_absent_counts_only_where_the_rule_depends_on_it(
    rule: str, refuses: bool
) -> None:
    """CEL decides `error || true` and `error && false`, whichever side comes first."""
    found = verdict(rule, case())
    assert (found.refuses, found.undecided) == (refuses, None)


NEITHER = "it is neither true nor false"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("yes", NEITHER, id="row136-text"),
        pytest.param("false", NEITHER, id="row136-false-as-text"),
        pytest.param("", NEITHER, id="row136-empty"),
        pytest.param(0, NEITHER, id="row136-0"),
        pytest.param(1, NEITHER, id="row136-1"),
        pytest.param(0.0, NEITHER, id="row136-0.0"),
        pytest.param(None, NEITHER, id="row136-null"),
        pytest.param([], NEITHER, id="row136-list"),
        pytest.param({}, NEITHER, id="row136-table"),
        pytest.param([False], NEITHER, id="row136-false-in-a-list"),
    ],
)
def test_only_true_and_false_decide(value: object, why: str) -> None:
    found = verdict("identity.claims.blocked", case(person({"blocked": value})))
    assert (found.refuses, found.undecided) == (True, why)
    assert verdict("identity.claims.blocked", case(person({"blocked": True}))).undecided is None
    assert not verdict("identity.claims.blocked", case(person({"blocked": False}))).refuses


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        pytest.param("identity.claims.x < 18", "17", id="row137-text-for-a-number"),
        pytest.param("identity.claims.x < 18", {"a": 1}, id="row137-table-for-a-number"),
        pytest.param("identity.claims.x.startsWith('a')", {"a": 1}, id="row137-table-for-text"),
        pytest.param("identity.claims.x.startsWith('a')", ["a"], id="row137-list-for-text"),
        pytest.param("identity.claims.x.matches('^a$')", 5, id="row137-number-for-text"),
        pytest.param("'a' in identity.claims.x", "abc", id="row137-text-for-a-list"),
        pytest.param("'a' in identity.claims.x", 7, id="row137-number-for-a-list"),
        pytest.param("identity.claims.x.country == 'FR'", "FR", id="row137-text-for-a-table"),
        pytest.param("identity.claims.x.exists(r, r == 'a')", "a", id="row137-loop-over-text"),
        pytest.param("int(identity.claims.x) < 18", "many", id="row137-no-number"),
        pytest.param("10 / identity.claims.x > 1", 0, id="row137-division"),
        pytest.param("identity.claims.x + 1 > 0", 2**63 - 1, id="row137-overflow"),
        pytest.param("identity.claims.x[5] == 'a'", ["a"], id="row137-index"),
        pytest.param(
            "now + duration('9999999h') * identity.claims.x > now", 3, id="row137-time"
        ),
    ],
)
def test_claims_of_another_type_refuse(rule: str, value: object) -> None:
    found = verdict(rule, case(person({"x": value})))
    assert found.refuses
    assert found.undecided is not None


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


class Odd:
    pass


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        pytest.param({"x": 10**400}, NO_JSON, id="row137-10^400"),
        pytest.param({"x": -(2**63)}, NO_JSON, id="row137-below-the-integers"),
        pytest.param({"x": math.nan}, NO_JSON, id="row137-nan"),
        pytest.param({"x": math.inf}, NO_JSON, id="row137-infinity"),
        pytest.param({"x": b"bytes"}, NO_JSON, id="row137-bytes"),
        pytest.param({"x": {1, 2}}, NO_JSON, id="row137-set"),
        pytest.param({"x": Odd()}, NO_JSON, id="row137-object"),
        pytest.param({"x": Odd}, NO_JSON, id="row137-type"),
        pytest.param({"x": 1j}, NO_JSON, id="row137-complex"),
        pytest.param({1: "x"}, "a claim whose name is no text", id="row137-name"),
        pytest.param({"x": {None: 1}}, "a claim whose name is no text", id="row137-inner-name"),
        pytest.param({"x": ["y" * 1024] * 1024}, TOO_MUCH, id="row137-1-mb-list"),
        pytest.param({"x": "y" * (MOST_CHARACTERS + 1)}, TOO_MUCH, id="row137-long-text"),
        pytest.param({"x": [0] * (MOST_VALUES + 1)}, TOO_MUCH, id="row137-many-values"),
        pytest.param({str(it): 0 for it in range(600)}, TOO_MUCH, id="row137-many-claims"),
        pytest.param({"y" * (MOST_CHARACTERS + 1): 0}, TOO_MUCH, id="row137-long-name"),
        pytest.param({"x": nested(9)}, TOO_MUCH, id="row137-deep"),
        pytest.param({"x": nested(100_000)}, TOO_MUCH, id="row137-very-deep"),
        pytest.param(
            {"x": "\ud800"},
            "a value that is no text, number, list or table",
            id="row137-lone-surrogate",
        ),
        pytest.param(
            {"\udfff": "x"},
            "a value that is no text, number, list or table",
            id="row137-lone-surrogate-in-a-name",
        ),
    ],
)
def test_claims_that_can_not_be_judged_refuse(claims: dict[Any, Any], why: str) -> None:
    found = verdict("size(identity.claims) < 0", case(person(claims)))
    assert (found.refuses, found.undecided) == (True, why)


def test_claims_that_no_rule_looks_at_are_left_alone() -> None:
    odd = case(person({"x": math.nan, "y": nested(9), "email_verified": True}))
    assert not verdict("!identity.claims.email_verified", odd).refuses
    assert verdict("identity.claims.x == 1.0", odd).undecided == NO_JSON
    assert verdict("identity.claims['email_verified'] != true", odd).undecided == NO_JSON


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"groups": (b"staff",)}, id="row137-bytes-as-a-group"),
        pytest.param({"groups": ("a",) * 600}, id="row137-many-groups"),
        pytest.param({"amr": (object(),)}, id="row137-object-as-a-method"),
        pytest.param({"subject": "\ud800"}, id="row137-surrogate-in-the-subject"),
        pytest.param({"acr": "\ud800"}, id="row137-surrogate-in-the-context"),
        pytest.param({"signed_in_at": math.inf}, id="row137-never"),
        pytest.param({"signed_in_at": math.nan}, id="row137-no-time"),
        pytest.param({"signed_in_at": 1e300}, id="row137-far-future"),
    ],
)
def test_people_who_can_not_be_judged_are_refused(members: dict[str, Any]) -> None:
    found = verdict(LOOKS_AT_ALL, case(person(**members)))
    assert found.refuses
    assert found.undecided is not None


def test_row_143_an_empty_group_is_no_group() -> None:
    nobody = case(person(groups=("", "*")))
    assert verdict("!('staff' in identity.groups)", nobody).refuses
    assert not verdict("'staff' in identity.groups", nobody).refuses


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)
RULES = ruleset(
    "!identity.claims.x",
    "identity.claims.x == 'a' || identity.claims.x > 5",
    "!('a' in identity.claims.x)",
    "identity.claims.x.exists(r, r in identity.groups)",
    "identity.claims.x.all(r, r.size() > 1)",
    "identity.claims.x.a.b.c == 1",
    "identity.claims.x.startsWith('a') ? true : identity.claims.x.size() > 1",
    "identity.claims.x.matches('^a$')",
    "identity.claims.x[0] == identity.claims.x['a']",
    "int(identity.claims.x) + size(identity.claims.x) == 1",
    "double(identity.claims.x) / 0.0 > 1.0 && string(identity.claims.x) == ''",
    "-identity.claims.x % 3 == identity.claims.x * identity.claims.x",
    "now - identity.claims.x > duration('1h')",
    "identity.claims.x.filter(r, r != null).size() == 1",
)


@settings(max_examples=300, deadline=None)
@given(value=JSON, groups=st.lists(st.text(max_size=10), max_size=4))
@example(value="\ud800", groups=[])
@example(value=-(2**63) + 1, groups=["\udfff"])
def test_no_claim_makes_a_rule_raise(value: object, groups: list[str]) -> None:
    verdicts = list(RULES.verdicts(case(person({"x": value}, groups=tuple(groups)))))
    assert len(verdicts) == 14
    assert all(type(it.refuses) is bool for it in verdicts)
    assert all(it.refuses for it in verdicts if it.undecided)


@pytest.mark.parametrize(
    "rule",
    [
        "identity.claims.x.all(r, r in identity.claims.x)",
        "identity.claims.x.filter(r, r != 'a').filter(r, r in identity.claims.x).size() < 1",
        "identity.groups.exists(g, g in identity.claims.x && (g + g).contains('aaa'))",
        "(identity.claims.x + identity.claims.x).all(r, (r + r + r).contains(r + r))",
    ],
)
def test_row_137_the_largest_claims_are_judged_in_time(rule: str) -> None:
    """The limit on the rules' processor time would refuse: it is not reached."""
    texts = [f"{number:03}" + "y" * 50 for number in range(490)]
    largest = case(person({"x": texts}, groups=tuple(texts)))
    assert verdict(rule, largest).undecided is None


def test_rules_that_take_too_long_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.1, 0.21, 0.3])
    monkeypatch.setattr(ruleset_module.time, "thread_time", lambda: next(times))
    verdicts = list(ruleset("false", "false", "false").verdicts(jane()))
    assert [it.refuses for it in verdicts] == [False, True, True]
    assert [it.undecided for it in verdicts] == [None, *["the rules took too long"] * 2]


def test_a_thousand_rules_decide_in_order() -> None:
    rules = ruleset(*[f"identity.claims.age == {number}" for number in range(1000)])
    assert rules.answer(case(person({"age": 999}))) == "rule-999"
    assert rules.answer(case(person({"age": 0}))) == "rule-0"
    assert rules.answer(case(person({"age": 1000}))) == "issued"


def test_no_rules_have_nothing_against_anybody() -> None:
    unjudgeable = case(person({"x": math.nan}))
    assert Ruleset((), ZoneInfo("UTC")).answer(unjudgeable) == "issued"


ORDERED = {
    "passes": "identity.provider == 'another'",
    "refuses": "identity.provider == 'local'",
    "absent": "identity.claims.none == 1",
    "undecided": "identity.claims.blocked",
}


@pytest.mark.parametrize("order", list(permutations(ORDERED)), ids="-".join)
def test_row_142_one_refusal_refuses_in_every_order(order: tuple[str, ...]) -> None:
    for length in range(len(order) + 1):
        first = order[:length]
        whom = case(person({"blocked": "yes"}))
        answer = ruleset(*(ORDERED[it] for it in first)).answer(whom)
        refusing = [number for number, it in enumerate(first) if it != "passes"]
        assert answer == (f"rule-{refusing[0]}" if refusing else "issued")


def test_a_reason_holds_no_value() -> None:
    whom = case(person({"which": "jane-secret", "x": {"jane-secret": 1}}))
    found = verdict("identity.claims.x[identity.claims.which + '!'] == 1", whom)
    assert found.undecided == "something is absent"
    found = verdict("int(identity.claims.which) == 1", whom)
    assert "jane" not in str(found.undecided)


def percentile(identity: Identity) -> float:
    for top in range(1, 101):
        if verdict(f"identity.percentile < {top}", case(identity)).refuses:
            return top
    raise AssertionError("no percentile")


def test_a_percentile_is_the_same_for_good() -> None:
    everywhere = {
        percentile(person()),
        percentile(person({"email": "jane@shop.example"}, groups=("staff",), acr="a")),
        percentile(person(signed_in_at=0.0)),
    }
    assert everywhere == {3}


def test_percentiles_are_uniform_and_a_larger_share_holds_the_smaller() -> None:
    shares = {
        top: {
            number
            for number in range(2000)
            if verdict(
                f"identity.percentile < {top}.0", case(person(subject=str(number)))
            ).refuses
        }
        for top in (0, 10, 50, 100)
    }
    assert shares[0] < shares[10] < shares[50] < shares[100]
    assert [len(it) for it in shares.values()] == pytest.approx([0, 200, 1000, 2000], abs=80)


def test_people_of_two_providers_have_percentiles_of_their_own() -> None:
    one = percentile(person(provider="a", subject="bc"))
    other = percentile(person(provider="ab", subject="c"))
    assert one != other


def local(whom: Case, zone: str, expression: str) -> bool:
    found = verdict(expression, whom, zone=zone)
    assert found.undecided is None
    return found.refuses


@pytest.mark.parametrize(
    ("moment", "zone", "time", "date", "weekday"),
    [
        pytest.param(NOW, "UTC", "08:00", "2027-01-15", 5, id="row139-utc"),
        pytest.param(NOW, "Europe/Paris", "09:00", "2027-01-15", 5, id="row139-winter"),
        pytest.param(NOW, "Pacific/Kiritimati", "22:00", "2027-01-15", 5, id="row139-ahead"),
        pytest.param(NOW, "Pacific/Niue", "21:00", "2027-01-14", 4, id="row139-day-before"),
        pytest.param(NOW, "Asia/Kathmandu", "13:45", "2027-01-15", 5, id="row139-quarters"),
        # Clocks in Paris: 01:59 -> 03:00 on 28 March 2027, 02:59 -> 02:00 on 31 October.
        pytest.param(1806195599, "Europe/Paris", "01:59", "2027-03-28", 7, id="row139-gap"),
        pytest.param(1806195600, "Europe/Paris", "03:00", "2027-03-28", 7, id="row139-behind"),
        pytest.param(1824944399, "Europe/Paris", "02:59", "2027-10-31", 7, id="row139-first"),
        pytest.param(1824944400, "Europe/Paris", "02:00", "2027-10-31", 7, id="row139-again"),
        pytest.param(0, "UTC", "00:00", "1970-01-01", 4, id="row139-epoch"),
        pytest.param(-1, "UTC", "23:59", "1969-12-31", 3, id="row139-before-the-epoch"),
    ],
)
def test_wall_clocks_show_one_time_at_every_moment(
    moment: float, zone: str, time: str, date: str, weekday: int
) -> None:
    whom = case(now=moment)
    assert local(whom, zone, f"local.time == '{time}'")
    assert local(whom, zone, f"local.date == '{date}'")
    assert local(whom, zone, f"local.weekday == {weekday}")
