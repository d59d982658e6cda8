"""What an expression must be beside well formed. Each check raises `ExpressionFault`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile

from . import cel
from .expression_faults import faulty
from .patterns import pattern_fault
from .probes import check_equality, check_value
from .syntax import MACROS, Token, macro_calls, operands, tokens_of
from .variables import FIELDS, NAMES

FUNCTIONS = frozenset(
    {
        *("contains", "endsWith", "matches", "size", "startsWith"),
        *("double", "duration", "int", "string", "timestamp"),
    }
)
LITERAL_ONLY = frozenset({"duration", "timestamp"})
NEVER_A_MEMBER = frozenset({"", "*"})
LISTS = frozenset({"amr", "claims", "groups"})
LOCAL_LITERALS = {
    "time": (re.compile(r"([01]\d|2[0-3]):[0-5]\d"), "a time such as '09:30'"),
    "date": (
        re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"),
        "a date such as '2026-01-31'",
    ),
    "weekday": (re.compile(r"[1-7]"), "a weekday, from 1 for Monday to 7 for Sunday"),
}
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_WORDS = frozenset({"true", "false", "null", "in"})


def check(text: str) -> None:
    """Look at the whole of an expression that the interpreter has parsed."""
    tokens = tokens_of(text)
    calls = list(macro_calls(tokens))
    _check_macros(text, tokens, calls)
    _check_functions(text, tokens)
    _check_names(text, tokens, calls)
    _check_fields(text, tokens)
    _check_local(text, tokens)
    _check_literals(text, tokens)
    _check_members(text, tokens)
    _check_truths(text, tokens)
    for operand in operands(tokens):
        check_value(text, operand.start, operand.end, operand.is_logical)
        check_equality(text, operand.start, operand.end)


def _check_macros(text: str, tokens: Sequence[Token], calls: Sequence[tuple[int, int]]) -> None:
    for opening, closing in calls:
        if any(opening < inner < closing for inner, _ in calls):
            start = tokens[opening].start
            raise faulty(text, start, f"one of {_listed(MACROS)} at a time, not one in another")
        if tokens[opening + 1].text in NAMES:
            raise faulty(text, tokens[opening + 1].start, "a name that is not taken")
    _check_work(text, tokens, calls)


def _check_work(text: str, tokens: Sequence[Token], calls: Sequence[tuple[int, int]]) -> None:
    """Keep what runs for each element small: how long a claim's list is, others decide."""
    has_list = False
    for opening, closing in calls:
        macro = tokens[opening - 1].text
        for index in range(opening, closing):
            token = tokens[index]
            if token.text == "matches" and _precedes(tokens, index, "("):
                what = f"startsWith, endsWith or contains in {macro}(), which are quick"
                raise faulty(text, token.start, what)
            if token.text not in LISTS or tokens[index - 2].text != "identity":
                continue
            if has_list:
                what = "groups, amr and claims only once in all that runs for each element"
                raise faulty(text, token.start, what)
            has_list = True


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


def _check_local(text: str, tokens: Sequence[Token]) -> None:
    """Refuse times that are written so that they compare wrongly, such as '9:00'."""
    for index, token in enumerate(tokens):
        if token.text != "local" or _follows(tokens, index, "."):
            continue
        pattern, expected = LOCAL_LITERALS[tokens[index + 2].text]
        for literal in _compared_with(tokens, index, index + 2):
            if literal.kind == "string" and not pattern.fullmatch(_text_of(literal)):
                raise faulty(text, literal.start, expected)
            if literal.kind == "number" and not pattern.fullmatch(literal.text):
                raise faulty(text, literal.start, expected)


def _compared_with(tokens: Sequence[Token], first: int, last: int) -> Iterator[Token]:
    if first > 1 and tokens[first - 1].text in _COMPARISONS:
        yield tokens[first - 2]
    if last + 2 >= len(tokens) or tokens[last + 1].text not in _COMPARISONS:
        return
    yield tokens[last + 2]
    if tokens[last + 2].text == "[":
        yield from takewhile(lambda it: it.text != "]", tokens[last + 3 :])


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
            check_value(text, token.start, tokens[index + 3].end, is_logical=False)


def _check_truths(text: str, tokens: Sequence[Token]) -> None:
    """Refuse `claim == false`: it has nothing against a claim that is not even a truth."""
    for index, token in enumerate(tokens):
        sides = (tokens[index - 1], tokens[index + 1]) if token.text == "==" else ()
        if any(side.text == "false" for side in sides):
            raise faulty(text, token.start, "!= true, which refuses everything else")


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


def _text_of(literal: Token) -> str:
    return str(_value_of(literal.text))


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
