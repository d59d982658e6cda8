"""`[policy]`: the operator's policy. A tree that exists has passed its own tests."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from ..errors import PROBLEMS, Activation
from ..setting_types import ExistingFile, Frozen, Table, fault, key_among
from .paths import wanted_by
from .ruleset import Ruleset
from .tables import ISSUED, Rules, RuleTable, TestTable, TimeZone

UTC = ZoneInfo("UTC")
ProblemCode = Annotated[str, key_among(PROBLEMS)]


def _passed(test: TestTable, info: ValidationInfo) -> TestTable:
    rules, zone = info.data.get("rules"), info.data.get("time_zone")
    if rules is None or zone is None:
        return test
    if test.now is None and wanted_by(it.refuse_when.text for it in rules).needs_moment:
        raise fault(f"a moment as `now` of the test {test.name!r}: its rules look at the clock")
    refusal = Ruleset(rules, zone).refusal(test.case())
    answer = ISSUED if refusal is None else refusal.rule.code
    if test.expect not in {ISSUED, *(rule.code for rule in rules)}:
        raise fault(f'the test {test.name!r} to expect "{ISSUED}" or the code of a rule')
    if answer != test.expect:
        why = f" ({refusal.undecided})" if refusal and refusal.undecided else ""
        raise fault(
            f"the test {test.name!r} to pass: it expects {test.expect!r}, the rules say "
            f"{answer!r}{why}"
        )
    return test


class RulesTable(Table):
    """Rules, and their tests."""

    time_zone: TimeZone = UTC
    """The time zone of `local`, such as `Europe/Paris`."""
    rules: Rules = ()
    """The rules, in order: the first that refuses gives the code."""
    tests: tuple[Annotated[TestTable, AfterValidator(_passed)], ...] = ()
    """What the rules must say of whom. A policy whose tests fail is not loaded."""

    @field_validator("rules")
    @classmethod
    def _have_codes_of_their_own(cls, rules: tuple[RuleTable, ...]) -> tuple[RuleTable, ...]:
        codes = [rule.code for rule in rules]
        twice = next((code for code in codes if codes.count(code) > 1), None)
        if twice is not None:
            raise fault(f"one rule with the code {twice!r}")
        return rules

    @property
    def version(self) -> str:
        """What names these rules in the audit log: a digest of all that decides."""
        return _digest(self._content())

    def _content(self) -> list[Any]:
        return [str(self.time_zone), *map(_rule_content, self.rules)]

    def ruleset(self) -> Ruleset:
        """Return the rules, ready to judge."""
        return Ruleset(self.rules, self.time_zone)


class PolicySettings(RulesTable):
    """`[policy]`: who is refused a token, and what a refusal makes the page do."""

    file: ExistingFile | None = None
    """Path of a TOML file that holds all the other keys of this table."""
    activation: Frozen[ProblemCode, Activation] = Field(default_factory=dict)
    """For a built-in code: `none` (when absent) or `anonymous`."""
    shadow: RulesTable | None = None
    """Rules that are tried beside the others and never answer."""

    def _content(self) -> list[Any]:
        shadow = self.shadow._content() if self.shadow is not None else None
        return [*super()._content(), dict(self.activation), shadow]


def _rule_content(rule: RuleTable) -> dict[str, Any]:
    return {**rule.model_dump(exclude={"refuse_when"}), "refuse_when": rule.refuse_when.text}


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
