"""Rules at work: what each of them says of somebody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .cel import compile_program
from .expressions import Undecided
from .syntax import paths
from .tables import ISSUED, RuleTable
from .variables import NAMES, Case, NotJudgeable, context_of

if TYPE_CHECKING:
    from cel import Context

SLOWEST_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says. `undecided` says why it could not tell, which refuses."""

    rule: RuleTable
    refuses: bool
    undecided: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """Something that a rule looks at, with its value for one case; `None` where it is absent."""

    path: str
    value: object


class Ruleset:
    """The rules of one policy, in order. `zone` is for wall-clock times."""

    def __init__(self, rules: tuple[RuleTable, ...], zone: ZoneInfo) -> None:
        self._rules = rules
        self._zone = zone

    def refusal(self, case: Case) -> Verdict | None:
        """Return the first verdict that refuses, `None` when there is none. Never raises."""
        return next((it for it in self.verdicts(case) if it.refuses), None)

    def answer(self, case: Case) -> str:
        """Return the code of the refusal, or `issued`."""
        refusal = self.refusal(case)
        return ISSUED if refusal is None else refusal.rule.code

    def verdicts(self, case: Case) -> Iterator[Verdict]:
        """Yield what each rule says. All of them together have 0.2 s of processor time."""
        if not self._rules:
            return
        try:
            context = context_of(case, self._zone)
        except NotJudgeable as error:
            yield from (Verdict(rule, True, str(error)) for rule in self._rules)
            return
        until = time.thread_time() + SLOWEST_SECONDS
        for rule in self._rules:
            verdict = _verdict(rule, context)
            is_late = time.thread_time() > until
            yield Verdict(rule, True, "the rules took too long") if is_late else verdict


def inputs_of(rule: RuleTable, case: Case, zone: ZoneInfo) -> list[Input]:
    """Return what a rule looks at, for those who ask why. Raises `NotJudgeable`."""
    context = context_of(case, zone)
    return [
        Input(path, _value_at(path, context))
        for path in paths(rule.refuse_when.text)
        if path.partition(".")[0] in NAMES
    ]


def _value_at(path: str, context: Context) -> object:
    try:
        return compile_program(path).execute(context)
    except (KeyError, RuntimeError, TypeError, ValueError):
        return None


def _verdict(rule: RuleTable, context: Context) -> Verdict:
    try:
        return Verdict(rule, rule.refuse_when.holds(context))
    except Undecided as error:
        return Verdict(rule, True, str(error))
