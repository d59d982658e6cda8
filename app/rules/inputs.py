"""What a rule looks at, with its values: for those who ask why it refused somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .cel import compile_program
from .paths import paths
from .variables import Case, NotJudgeable, context_of

if TYPE_CHECKING:
    from cel import Context

    from .tables import RuleTable


@dataclass(frozen=True, slots=True)
class Input:
    """Something that a rule looks at, such as `identity.claims.email`.

    `value` is what it is for one person, `None` where it is not known.
    """

    path: str
    value: object


def inputs_of(rule: RuleTable, case: Case, zone: ZoneInfo) -> list[Input]:
    """Return what a rule looks at, in the order of its expression. Never raises."""
    try:
        context = context_of(case, zone)
    except NotJudgeable:
        return []
    return [Input(path, _value(path, context)) for path in paths(rule.refuse_when.text)]


def _value(path: str, context: Context) -> object:
    try:
        return compile_program(path).execute(context)
    except (KeyError, RuntimeError, TypeError, ValueError):
        return None
