"""Rules at work: what each of them says of somebody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .expressions import Undecided
from .tables import ISSUED, RuleTable
from .variables import Case, NotJudgeable, context_of

if TYPE_CHECKING:
    from cel import Context

SLOWEST_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says. `undecided` says why it could not tell, which refuses."""

    rule: RuleTable
    refuses: bool
    undecided: str | None = None


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


def _verdict(rule: RuleTable, context: Context) -> Verdict:
    try:
        return Verdict(rule, rule.refuse_when.holds(context))
    except Undecided as error:
        return Verdict(rule, True, str(error))
