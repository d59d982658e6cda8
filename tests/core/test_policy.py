"""The policy: everything that is not plainly allowed is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from flask_usher.errors import Code
from flask_usher.minter import Minter
from flask_usher.policy import AppRules, Facts, Issue, Policy, Refuse
from flask_usher.providers.base import Identity
from flask_usher.sign_ins import Absence, SignIn
from flask_usher.user_ids import UserId, derivation

JANE = Identity(provider="local", subject="42", signed_in_at=0.0)
SIGN_IN = SignIn("id", JANE, 1.0)
NOW = 1_800_000_000.0
SIGNED_IN = Facts(SIGN_IN, JANE, NOW)
SUBJECT = derivation("subject", None)


def decide(*rules: Any, facts: Facts = SIGNED_IN) -> Issue | Refuse:
    return Policy(SUBJECT, AppRules(rules) if rules else None).decide(facts)


def test_somebody_who_is_signed_in_and_active_gets_a_token() -> None:
    assert decide() == Issue(JANE, UserId("local:42"))


def test_the_identity_is_the_current_one_not_that_of_the_sign_in() -> None:
    now = Identity(provider="local", subject="42", signed_in_at=0.0, groups=("new",))
    assert decide(facts=Facts(SIGN_IN, now, NOW)) == Issue(now, UserId("local:42"))


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        pytest.param(Facts(Absence.NONE, None, NOW), Code.NO_SESSION, id="no-sign-in"),
        pytest.param(Facts(Absence.EXPIRED, None, NOW), Code.SESSION_EXPIRED, id="expired"),
        pytest.param(Facts(Absence.NONE, JANE, NOW), Code.NO_SESSION, id="identity-only"),
        pytest.param(Facts(Absence.EXPIRED, JANE, NOW), Code.SESSION_EXPIRED, id="too-late"),
        pytest.param(Facts(SIGN_IN, None, NOW), Code.ACCOUNT_INACTIVE, id="inactive"),
    ],
)
def test_what_is_missing_refuses(facts: Facts, code: Code) -> None:
    assert decide(facts=facts) == Refuse(code)


class Truthy:
    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class LooksLikeRefuse:
    code: Code = Code.NOT_ALLOWED
    reason: str | None = None
    retry_after: int | None = None


NO_DECISIONS = [
    pytest.param(1, id="row136-1"),
    pytest.param(0, id="row136-0"),
    pytest.param("yes", id="row136-yes"),
    pytest.param("", id="row136-empty"),
    pytest.param(True, id="row136-true"),
    pytest.param(False, id="row136-false"),
    pytest.param([], id="row136-list"),
    pytest.param(Truthy(), id="row136-truthy"),
    pytest.param(NotImplemented, id="row136-not-implemented"),
    pytest.param(Issue, id="row136-the-type-issue"),
    pytest.param(Refuse, id="row136-the-type-refuse"),
    pytest.param(Issue(JANE, UserId("local:42")), id="row136-issue"),
    pytest.param(Issue(JANE, UserId("somebody-else")), id="row136-issue-for-another"),
    pytest.param(Code.NOT_ALLOWED, id="row136-code"),
    pytest.param(LooksLikeRefuse(), id="row136-looks-like-refuse"),
    pytest.param(Refuse("no"), id="row136-refuse-without-code"),  # type: ignore[arg-type]
    pytest.param(Refuse(None), id="row136-refuse-none"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("returned", NO_DECISIONS)
def test_only_none_and_refuse_are_answers_of_a_rule(returned: object) -> None:
    def odd(_facts: Facts) -> Any:
        return returned

    decision = decide(odd)
    reason = "the rule odd gave no decision"
    assert decision == Refuse(Code.NOT_ALLOWED, reason, rule="odd")
    assert type(decision) is Refuse


def test_row_136_a_rule_that_has_nothing_against_it_does_not_allow_by_itself() -> None:
    def silent(_facts: Facts) -> None:
        return None

    assert decide(silent, facts=Facts(Absence.NONE, None, NOW)) == Refuse(Code.NO_SESSION)
    assert decide(silent) == Issue(JANE, UserId("local:42"))


class Failing:
    def __call__(self, _facts: Facts) -> None:
        raise ValueError("eyJhbGciOi jane@shop.example")


def failing(_facts: Facts, error: Exception) -> None:
    raise error


async def asynchronous(_facts: Facts) -> None:
    return None


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Failing(), id="row136-object-without-a-name"),
        pytest.param(partial(failing, error=ValueError()), id="row136-partial"),
        pytest.param(lambda facts: 1 / 0, id="row136-arithmetic"),
        pytest.param(lambda facts: facts.identity.claims["groups"], id="row143-no-claim"),
        pytest.param(lambda: None, id="row136-no-parameter"),
        pytest.param(partial(failing, error=RecursionError()), id="row136-recursion"),
        pytest.param(partial(failing, error=MemoryError()), id="row136-memory"),
        pytest.param(partial(failing, error=StopIteration()), id="row136-stop-iteration"),
        pytest.param(None, id="row136-none"),
    ],
)
def test_a_rule_that_raises_refuses(
    rule: Callable[[Facts], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        decision = decide(rule)
    assert isinstance(decision, Refuse)
    assert decision.code is Code.NOT_ALLOWED
    assert decision.reason is not None
    assert decision.reason.endswith("failed")
    assert "jane" not in decision.reason
    (record,) = caplog.records
    assert record.exc_info is not None


@pytest.mark.filterwarnings("ignore:coroutine")
def test_row_136_an_asynchronous_rule_refuses() -> None:
    assert decide(asynchronous).code is Code.NOT_ALLOWED  # type: ignore[union-attr]


def test_a_rule_that_would_end_the_process_refuses_and_is_on_record() -> None:
    refusal = decide(partial(failing, error=SystemExit(1)))  # type: ignore[arg-type]
    assert refusal == Refuse(Code.NOT_ALLOWED, "the rule partial failed", rule="partial")


def allows(_facts: Facts) -> None:
    return None


def denies(_facts: Facts) -> Refuse:
    return Refuse(Code.NOT_ALLOWED, "denied")


def raises(_facts: Facts) -> None:
    raise ValueError


def answers_yes(_facts: Facts) -> str:
    return "yes"


@pytest.mark.parametrize("order", list(permutations([allows, denies, raises, answers_yes])))
def test_row_142_one_refusal_refuses_in_every_order(order: Any) -> None:
    for length in range(1, len(order) + 1):
        rules = order[:length]
        refused = isinstance(decide(*rules), Refuse)
        assert refused is (set(rules) != {allows})


def test_rules_of_the_operator_come_after_the_built_in_ones() -> None:
    asked: list[Facts] = []
    decide(asked.append, facts=Facts(Absence.NONE, None, NOW))
    decide(asked.append, facts=Facts(SIGN_IN, None, NOW))
    assert asked == []
    decide(asked.append)
    assert asked == [SIGNED_IN]


def test_the_first_refusal_counts_with_all_that_it_says() -> None:
    refusal = Refuse(Code.TOO_MANY_REQUESTS, "closed at night", retry_after=60)

    def closed(_facts: Facts) -> Refuse:
        return refusal

    assert decide(allows, closed, denies) == replace(refusal, rule="closed")


HOSTILE_CLAIMS = [
    pytest.param({"groups": {"a": 1}}, id="row137-dict-for-list"),
    pytest.param({"groups": ["x" * 1024] * 1024}, id="row137-1-mb-list"),
    pytest.param({"groups": 10**400}, id="row137-huge-integer"),
    pytest.param({"groups": float("nan")}, id="row137-nan"),
    pytest.param({"groups": [""]}, id="row143-empty-group"),
    pytest.param({"groups": "*"}, id="row143-star"),
    pytest.param({}, id="row143-no-groups"),
]


@pytest.mark.parametrize("claims", HOSTILE_CLAIMS)
def test_hostile_claims_do_not_pass_a_rule_that_asks_for_a_group(
    claims: dict[str, object],
) -> None:
    def is_customer(facts: Facts) -> Refuse | None:
        assert facts.identity is not None
        groups = facts.identity.claims["groups"]
        if isinstance(groups, list) and "customers" in groups:
            return None
        return Refuse(Code.NOT_ALLOWED)

    hostile = Identity(provider="local", subject="42", signed_in_at=0.0, claims=claims)
    decision = decide(is_customer, facts=Facts(SIGN_IN, hostile, NOW))
    assert isinstance(decision, Refuse)


def test_decisions_cannot_be_changed() -> None:
    issue = decide()
    assert isinstance(issue, Issue)
    with pytest.raises(FrozenInstanceError):
        issue.user_id = UserId("local:43")  # type: ignore[misc]


@pytest.mark.parametrize(
    "decision",
    [
        pytest.param(Refuse(Code.NOT_ALLOWED), id="refuse"),
        pytest.param(SIGNED_IN, id="facts"),
        pytest.param(JANE, id="identity"),
        pytest.param("local:42", id="text"),
        pytest.param(None, id="none"),
        pytest.param(True, id="true"),
    ],
)
def test_nothing_but_issue_can_be_minted(minter: Minter, decision: Any) -> None:
    with pytest.raises(TypeError):
        minter.mint(decision)
