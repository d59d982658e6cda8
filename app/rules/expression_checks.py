"""What an expression must be beside well formed. Each check raises `ExpressionFault`."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask_usher.providers.base import AccountFacts, Identity

from . import cel
from .expression_faults import faulty
from .patterns import pattern_fault
from .syntax import MACROS, Token, equalities, macro_calls, operands, tokens_of
from .variables import FIELDS, NAMES, Asker, Case, context_of

if TYPE_CHECKING:
    from cel import Context, Program

FUNCTIONS = frozenset(
    {
        *("contains", "endsWith", "matches", "size", "startsWith"),
        *("double", "duration", "int", "string", "timestamp"),
    }
)
LITERAL_ONLY = frozenset({"duration", "timestamp"})
NEVER_A_MEMBER = frozenset({"", "*"})
_WORDS = frozenset({"true", "false", "null", "in"})

_SAMPLE = Case(
    identity=Identity(
        provider="sample",
        subject="sample",
        signed_in_at=1_800_000_000.0,
        claims={
            **dict.fromkeys(("name", "given_name", "family_name", "nickname"), "Jane"),
            "preferred_username": "jane",
            "email": "jane@shop.example",
            "email_verified": True,
            "phone_number": "+33123456789",
            "phone_number_verified": True,
            "locale": "fr-FR",
            "zoneinfo": "Europe/Paris",
            "birthdate": "1990-01-31",
            "updated_at": 1_800_000_000,
            "address": {"country": "FR", "locality": "Paris", "postal_code": "75001"},
        },
        groups=("sample",),
        acr="sample",
        amr=("pwd",),
        account=AccountFacts(name="jane", created_at=1_700_000_000.0),
    ),
    now=1_800_003_600.0,
    request=Asker("192.0.2.1", "https://shop.example"),
)


def check(text: str, program: Program) -> None:
    """Look at the whole of an expression that the interpreter has parsed."""
    tokens = tokens_of(text)
    calls = list(macro_calls(tokens))
    _check_macros(text, tokens, calls)
    _check_names(text, tokens, calls)
    _check_functions(text, tokens)
    _check_fields(text, tokens)
    _check_literals(text, tokens)
    _check_members(text, tokens)
    for operand in operands(tokens):
        _check_value(text, operand.start, operand.end, operand.is_logical)
        _check_equality(text, operand.start, operand.end)


def _check_macros(text: str, tokens: Sequence[Token], calls: Sequence[tuple[int, int]]) -> None:
    for opening, closing in calls:
        if any(opening < inner < closing for inner, _ in calls):
            start = tokens[opening].start
            raise faulty(text, start, f"one of {_listed(MACROS)} at a time, not one in another")
        if tokens[opening + 1].text in NAMES:
            raise faulty(text, tokens[opening + 1].start, "a name that is not taken")


def _check_names(text: str, tokens: Sequence[Token], calls: Sequence[tuple[int, int]]) -> None:
    for index, token in enumerate(tokens):
        if token.kind != "name" or token.text in _WORDS or _follows(tokens, index, "."):
            continue
        if _precedes(tokens, index, "("):
            continue
        bound = {tokens[it + 1].text for it, end in calls if it < index < end}
        if token.text not in NAMES | bound:
            raise faulty(text, token.start, f"{_meant(token.text, NAMES)}, not {token.text!r}")


def _check_functions(text: str, tokens: Sequence[Token]) -> None:
    known = FUNCTIONS | MACROS | {"has"}
    for index, token in enumerate(tokens):
        is_call = token.kind == "name" and _precedes(tokens, index, "(")
        if is_call and token.text not in known | _WORDS:
            raise faulty(text, token.start, f"{_meant(token.text, known)}, not {token.text!r}")


def _check_fields(text: str, tokens: Sequence[Token]) -> None:
    for index, token in enumerate(tokens):
        if token.text not in FIELDS or token.kind != "name" or _follows(tokens, index, "."):
            continue
        fields = FIELDS[token.text]
        if not _precedes(tokens, index, "."):
            raise faulty(text, token.end, f"a field of it, such as {token.text}.{min(fields)}")
        field = tokens[index + 2]
        if field.text not in fields:
            meant = _meant(field.text, fields)
            raise faulty(text, field.start, f"{meant}, not {field.text!r}")


def _check_literals(text: str, tokens: Sequence[Token]) -> None:
    for index, token in enumerate(tokens):
        if token.kind != "name" or not _precedes(tokens, index, "("):
            continue
        if token.text not in LITERAL_ONLY | {"matches"}:
            continue
        literal = tokens[index + 2]
        if literal.kind != "string" or not _precedes(tokens, index + 2, ")"):
            raise faulty(text, literal.start, f"{token.text}() of a text that is written out")
        if token.text == "matches":
            expected = pattern_fault(literal.text)
            if expected is not None:
                raise faulty(text, literal.start, expected)
        else:
            _check_value(text, token.start, tokens[index + 3].end, is_logical=False)


def _check_members(text: str, tokens: Sequence[Token]) -> None:
    for index, token in enumerate(tokens):
        if token.text == "[" and _precedes(tokens, index, "]"):
            raise faulty(text, token.start, "a list with something in it")
        if token.text != "in":
            continue
        suspects = [tokens[index - 1]]
        if tokens[index + 1].text == "[":
            suspects += tokens[index + 2 :]
        for suspect in suspects:
            if suspect.text == "]":
                break
            if suspect.kind == "string" and _value_of(suspect.text) in NEVER_A_MEMBER:
                raise faulty(text, suspect.start, "a name: there are no wildcards")


def _check_value(text: str, start: int, end: int, is_logical: bool) -> None:
    part = text[start:end]
    try:
        value = cel.compile_program(part).execute(_sample())
    except KeyError:
        # It may be there for other people.
        return
    except TypeError:
        raise faulty(text, start, f"types that go together in {part!r}") from None
    except Exception:
        if "claims" in part:
            return
        raise faulty(text, start, f"something that can be computed, unlike {part!r}") from None
    if is_logical and not isinstance(value, bool):
        raise faulty(text, start, f"something true or false, unlike {part!r}")


def _check_equality(text: str, start: int, end: int) -> None:
    """Refuse what can never be equal: CEL takes it for `false`, and the rule for a yes."""
    for operator in equalities(text[start:end]):
        sides = (text[start : start + operator.start], text[start + operator.end : end])
        try:
            left, right = (cel.compile_program(it).execute(_sample()) for it in sides)
        except Exception:  # noqa: S112
            continue
        if _kind(left) != _kind(right) and left is not None and right is not None:
            raise faulty(text, start, f"types that go together in {text[start:end]!r}")


def _kind(value: object) -> type:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float if is_number else type(value)


@cache
def _sample() -> Context:
    return context_of(_SAMPLE, ZoneInfo("UTC"))


def _value_of(literal: str) -> object:
    return cel.compile_program(literal).execute()


def _follows(tokens: Sequence[Token], index: int, text: str) -> bool:
    return index > 0 and tokens[index - 1].text == text


def _precedes(tokens: Sequence[Token], index: int, text: str) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1].text == text


def _meant(given: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(given, sorted(known), n=1)
    return repr(close[0]) if close else f"one of {_listed(known)}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
