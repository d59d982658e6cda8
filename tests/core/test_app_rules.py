"""Rules that the app brings as functions: they may hang, and nobody else notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest
from flask import Flask, current_app
from support.rules import NOW, person

from flask_usher.errors import PROBLEMS, Code
from flask_usher.policy import AppRules, Facts, Refuse, app_rules
from flask_usher.policy.app_rules import THREADS
from flask_usher.sign_ins import SignIn

HUNG = Refuse(Code.NOT_ALLOWED, "the app's rules took too long")
DENIED = Refuse(Code.NOT_ALLOWED, "denied")


def facts(subject: str = "42") -> Facts:
    identity = person(subject=subject)
    return Facts(SignIn("id", identity, 1.0), identity, NOW)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What hanging rules wait for. They are refused after a hundredth of the usual time."""
    monkeypatch.setattr(app_rules, "LONGEST_SECONDS", 0.05)
    event = threading.Event()
    yield event
    event.set()


def hang_for_slow_people(gate: threading.Event) -> AppRules:
    def hangs(asked: Facts) -> None:
        if asked.identity is not None and asked.identity.subject == "slow":
            gate.wait(60)

    return AppRules((hangs,))


def test_the_time_limit_is_a_second() -> None:
    assert app_rules.LONGEST_SECONDS == 1.0


def test_row_139_a_rule_that_hangs_refuses_and_others_are_served(gate: threading.Event) -> None:
    rules = hang_for_slow_people(gate)
    assert rules(facts("slow")) == HUNG
    assert rules(facts("quick")) is None


def test_row_139_while_all_threads_hang_everybody_is_refused_until_they_end(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = hang_for_slow_people(gate)
    assert [rules(facts("slow")) for _ in range(THREADS)] == [HUNG] * THREADS
    assert rules(facts("quick")) == HUNG
    monkeypatch.setattr(app_rules, "LONGEST_SECONDS", 60)
    gate.set()
    assert rules(facts("quick")) is None


def test_row_139_a_rule_that_ends_too_late_does_not_allow(gate: threading.Event) -> None:
    ended = threading.Event()

    def late(_facts: Facts) -> None:
        gate.wait(60)
        ended.set()

    rules = AppRules((late,))
    assert rules(facts()) == HUNG
    gate.set()
    assert ended.wait(60)


def test_the_time_is_for_all_rules_together(gate: threading.Event) -> None:
    asked: list[Facts] = []

    def hangs(_facts: Facts) -> None:
        gate.wait(60)

    assert AppRules((hangs, asked.append))(facts()) == HUNG
    assert asked == []


LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE")


def test_rules_see_the_app_and_the_request() -> None:
    app = Flask("host")
    app.config["CLOSED"] = True
    seen = []

    def closed(_facts: Facts) -> Refuse | None:
        seen.append(LANGUAGE.get())
        return DENIED if current_app.config["CLOSED"] else None

    rules = AppRules((closed,))
    with app.app_context():
        LANGUAGE.set("fr")
        refusal = rules(facts())
    assert refusal == Refuse(Code.NOT_ALLOWED, "denied", rule="closed")
    assert seen == ["fr"]


def test_row_136_a_rule_that_raises_refuses_and_the_next_person_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fussy(asked: Facts) -> None:
        if asked.identity is not None and asked.identity.subject == "odd":
            raise ValueError("eyJ")

    rules = AppRules((fussy,))
    refusal = rules(facts("odd"))
    assert refusal == Refuse(Code.NOT_ALLOWED, "the rule fussy failed", rule="fussy")
    assert [record.message for record in caplog.records] == [
        "the policy rule fussy failed, which refuses"
    ]
    assert rules(facts("even")) is None


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Refuse("issued", own_problem=PROBLEMS[Code.NOT_ALLOWED]), id="as-issued"),
        pytest.param(Refuse(Code.NOT_ALLOWED, reason=5), id="reason"),  # type: ignore[arg-type]
        pytest.param(Refuse("other"), id="code"),
    ],
)
def test_a_refusal_that_can_not_be_recorded(given: Refuse) -> None:
    def odd(_facts: Facts) -> Refuse:
        return given

    expected = Refuse(Code.NOT_ALLOWED, "the rule odd gave no decision", rule="odd")
    assert AppRules((odd,))(facts()) == expected


def test_no_thread_to_be_had_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    rules = AppRules((lambda _facts: None,))
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert rules(facts()) == Refuse(Code.NOT_ALLOWED, "the app's rules can't run")
