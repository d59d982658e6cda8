"""What a rule looks at, with its values: for those who ask why it refused somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from .cel import compile_program
from .syntax import tokens_of
from .variables import NAMES, Case, NotJudgeable, context_of

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


def paths(text: str) -> list[str]:
    """Return the variables and fields that an expression names, each once."""
    tokens = tokens_of(text)
    found: dict[str, None] = {}
    for index, token in enumerate(tokens):
        if token.text not in NAMES or (index > 0 and tokens[index - 1].text == "."):
            continue
        end = index + 1
        while end + 1 < len(tokens) and tokens[end].text == "." != tokens[end + 1].text:
            end += 2
        is_call = end < len(tokens) and tokens[end].text == "("
        names = [it.text for it in tokens[index:end:2]]
        found[".".join(names[:-1] if is_call else names)] = None
    return list(found)


def _value(path: str, context: Context) -> object:
    try:
        return compile_program(path).execute(context)
    except (KeyError, RuntimeError, TypeError, ValueError):
        return None
