"""The fault suite can fail: its judge and its table notice what must not be."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from faults.judge import Books, Judge, Verdict, compare
from faults.page_views import Asked
from faults.people import Person
from faults.report import Fault, Record, Result, as_table, judged, percentile, recovery
from joserfc.jwk import RSAKey
from support.keys import private_key, private_pem, public_key, public_pem, rsa_key
from support.minting import ISSUER

from flask_usher.minter import Minter
from flask_usher.policy import Issue
from flask_usher.providers.base import Identity
from flask_usher.user_ids import UserId

NOW = time.time() - time.monotonic()
JANE = Person("local:jane", "cookie-of-jane", "127.0.1.1")
JOHN = Person("local:john", "cookie-of-john", "127.0.1.2")
JUDGE = Judge(
    RSAKey.import_key(private_pem(rsa_key("recipient"))),
    [RSAKey.import_key(public_pem(rsa_key("signing").public_key()))],
    ISSUER,
    60,
    NOW,
)


def token(
    person: Person = JANE, *, key: str = "signing", ago: float = 0.0, issuer: str = ISSUER
) -> str:
    minter = Minter(
        issuer=issuer,
        signing_key=private_key(key),
        recipient_key=public_key("recipient"),
        lifetime_seconds=60,
        clock=lambda: time.time() - ago,
    )
    identity = Identity(provider="local", subject="-", signed_in_at=0)
    return minter.mint(Issue(identity, UserId(person.user_id))).value


def asked(person: Person = JANE, text: str = "", **members: Any) -> Asked:
    now = time.monotonic()
    good = Asked(person, now - 0.01, now, 200, "", text, "support-id")
    return replace(good, **members)


def line(it: Asked, **changes: Any) -> dict[str, Any]:
    return {
        "event": "token",
        "code": "issued",
        "support_id": it.support_id,
        "subject": f"pseudonym of {it.person.user_id}",
        "token_sha256": hashlib.sha256(it.token.encode()).hexdigest(),
    } | changes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Verdict.GOOD, id="good"),
        pytest.param({"person": JOHN}, Verdict.WRONG, id="another-person"),
        pytest.param({"key": "other"}, Verdict.WRONG, id="another-key"),
        pytest.param({"issuer": "https://evil.test"}, Verdict.WRONG, id="another-issuer"),
        pytest.param({"ago": 61}, Verdict.OUT_OF_TIME, id="expired"),
        pytest.param({"ago": -10}, Verdict.OUT_OF_TIME, id="good-for-too-long"),
    ],
)
def test_the_judge_opens_each_token(changes: dict[str, Any], expected: Verdict) -> None:
    assert JUDGE.verdict(asked(text=token(**changes))) is expected


def test_what_is_no_token_is_a_wrong_one() -> None:
    assert JUDGE.verdict(asked(text="x")) is Verdict.WRONG
    assert JUDGE.verdict(asked(text=token()[:-4] + "AAAA")) is Verdict.WRONG


def test_whoever_asks_after_the_sign_out_may_have_no_token() -> None:
    answer = asked(text=token())
    before = replace(JUDGE, signed_out={JANE: answer.started + 0.001})
    after = replace(JUDGE, signed_out={JANE: answer.started - 0.001})
    assert before.verdict(answer) is Verdict.GOOD
    assert after.verdict(answer) is Verdict.WRONG


def test_each_token_has_one_line() -> None:
    answers = [asked(text="one"), asked(JOHN, "two")]
    lines = [line(it) for it in answers]
    assert compare(answers, lines) == Books(0, 0)
    assert compare(answers, lines[:1]) == Books(1, 0)
    assert compare(answers, [*lines, lines[0]]) == Books(1, 1)
    assert compare(answers[:1], lines) == Books(0, 1)
    assert compare([], []) == Books(0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"support_id": "another"}, id="of-another-answer"),
        pytest.param({"code": "paused"}, id="of-a-refusal"),
        pytest.param({"token_sha256": "0"}, id="of-another-token"),
        pytest.param({"subject": f"pseudonym of {JANE.user_id}"}, id="of-another-person"),
    ],
)
def test_a_line_that_says_something_else_is_none(changes: dict[str, Any]) -> None:
    answers = [asked(text="one"), asked(JOHN, "two")]
    assert compare(answers, [line(answers[0]), line(answers[1], **changes)]).unaudited == 1


def result(*answers: Asked, faults: tuple[Fault, ...] = (), **members: Any) -> Result:
    record = Record(answers, faults, **members)
    return judged("name", record, JUDGE, [line(it) for it in answers if it.token])


def test_what_is_well_breaks_nothing() -> None:
    found = result(asked(text=token()))
    assert list(found.broken(timed=True)) == []
    assert "| name " in as_table([found])


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"status": 502}, id="bad-gateway"),
        pytest.param({"status": 0, "code": "TimeoutError"}, id="no-answer"),
        pytest.param({"status": 503, "code": "store-unavailable"}, id="refused"),
    ],
)
def test_what_no_fault_explains_is_broken(members: dict[str, Any]) -> None:
    found = result(asked(text=token()), asked(**members))
    assert "1 failed without need" in " ".join(found.broken(timed=False))


def test_tokens_that_nobody_should_have_got_are_broken() -> None:
    expired = result(asked(text=token()), asked(text=token(ago=61)))
    assert "1 failed without need" in " ".join(expired.broken(timed=False))
    wrong = result(asked(text=token()), asked(text=token(JOHN)))
    assert "1 wrong tokens" in list(wrong.broken(timed=False))


def test_a_scenario_without_any_token_is_broken() -> None:
    assert list(result().broken(timed=False))


def test_a_token_without_its_line_is_broken() -> None:
    found = judged("name", Record([asked(text=token())], []), JUDGE, [])
    assert "without their audit line" in " ".join(found.broken(timed=False))


def test_what_a_fault_explains() -> None:
    now = time.monotonic()
    fault = Fault(now - 20, now - 10)
    answers = [
        asked(text=token()),
        asked(status=502, started=now - 15, ended=now - 14),
        asked(status=503, code="store-unavailable", started=now - 8, ended=now - 8),
    ]
    found = result(*answers, faults=(fault,))
    assert found.inevitable == Counter({"502": 1})
    assert found.refused == Counter({"store-unavailable": 1})
    assert not found.failed
    assert found.recovery_seconds == pytest.approx(2)
    assert list(found.broken(timed=True)) == []
    late = asked(status=502, started=now - 8, ended=now - 7)
    assert result(*answers, late, faults=(fault,)).failed == Counter({"502": 1})


def test_recovery_counts_from_the_end_of_the_last_fault() -> None:
    faults = [Fault(0, 10), Fault(50, 60)]
    assert recovery([], []) is None
    assert recovery([], faults) == 0
    bad = [asked(started=it, ended=it + 0.1) for it in (5, 12, 55, 61)]
    assert recovery(bad, faults) == 2
    assert recovery([asked(started=75, ended=75)], faults) == 15


def test_a_slow_recovery_is_broken_where_times_count() -> None:
    now = time.monotonic()
    late = asked(status=503, code="store-unavailable", started=now - 5, ended=now - 5)
    found = result(asked(text=token()), late, faults=(Fault(now - 30, now - 20),))
    assert "well again after 15.0 s only" in list(found.broken(timed=True))
    assert "well again" not in " ".join(found.broken(timed=False))


def test_p99_is_compared_with_the_calm() -> None:
    good = token()
    start = time.monotonic() - 20
    calm = [
        asked(text=good, started=start + n / 10, ended=start + n / 10 + 0.01) for n in range(99)
    ]
    hard = [asked(text=good, started=start + 10, ended=start + 10.03)]
    found = result(*calm, *hard, faults=(Fault(start + 10, start + 15),), p99_limit=2.0)
    assert found.p99_ratio == pytest.approx(3)
    assert "p99 is 3.0 times the calm one" in list(found.broken(timed=True))


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        pytest.param([1.0], 99, 1.0, id="one"),
        pytest.param(list(range(1, 101)), 99, 99, id="hundred"),
        pytest.param(list(range(1, 101)), 50, 50, id="median"),
        pytest.param([3, 1, 2], 100, 3, id="most"),
        pytest.param([3, 1, 2], 0, 1, id="least"),
    ],
)
def test_percentiles(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected
