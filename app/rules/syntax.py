"""The text of an expression, as far as its checks need it: tokens, and the operands in it.

The interpreter has parsed the text before, so whatever comes here is well formed. It keeps its
syntax tree to itself, and runs only as much of an expression as the values call for: without
this, half of what is wrong in a rule would show on the day that it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>[bB]?[rR](?:\"\"\".*?\"\"\"|'''.*?'''|"[^"]*"|'[^']*')
      |[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
        |"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\.\d+|\d+)(?:[eE][+-]?\d+)?[uU]?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<operator>&&|\|\||[=!<>]=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENING, _CLOSING = "([{", ")]}"
MACROS = frozenset({"all", "exists", "exists_one", "filter"})
"""What runs an expression for each element of a list."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the expression; `start` and `end` count characters."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Operand:
    """A part that can be run by itself; `is_logical` where it must give true or false."""

    start: int
    end: int
    is_logical: bool


def tokens_of(text: str) -> list[Token]:
    """Return the words of an expression, without white space and comments."""
    return [
        Token(match.lastgroup or "", match[0], match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if match.lastgroup != "space"
    ]


def position(text: str, offset: int) -> str:
    """Return where a character stands, for people."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    return f"line {line}, column {column}"


def macro_calls(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Yield where each macro's brackets open and close, as indices into the tokens."""
    for index in range(2, len(tokens)):
        name, dot = tokens[index - 1], tokens[index - 2]
        if tokens[index].text == "(" and name.text in MACROS and dot.text == ".":
            yield index, _closing(tokens, index)


def operands(tokens: Sequence[Token], is_logical: bool = True) -> Iterator[Operand]:
    """Yield the parts between the logical operators, in whatever brackets they are."""
    question = _at_top(tokens, {"?"})
    if question:
        colon = question[0] + 1 + _matching_colon(tokens[question[0] + 1 :])
        yield from operands(tokens[: question[0]], True)
        yield from operands(tokens[question[0] + 1 : colon], is_logical)
        yield from operands(tokens[colon + 1 :], is_logical)
        return
    places = _at_top(tokens, {"||"}) or _at_top(tokens, {"&&"})
    if places:
        for begin, end in zip([-1, *places], [*places, len(tokens)], strict=True):
            yield from operands(tokens[begin + 1 : end], True)
        return
    negated = 0
    while negated < len(tokens) and tokens[negated].text == "!":
        negated += 1
    inside = tokens[negated:]
    if inside and inside[0].text == "(" and _closing(inside, 0) == len(inside) - 1:
        yield from operands(inside[1:-1], is_logical or negated > 0)
        return
    yield Operand(tokens[0].start, tokens[-1].end, is_logical)
    yield from _in_brackets(tokens)


def comparisons(text: str) -> list[Token]:
    """Return the `==`, `!=` and `in` of an operand that are in no brackets."""
    tokens = tokens_of(text)
    return [tokens[index] for index in _at_top(tokens, {"==", "!=", "in"})]


def _in_brackets(tokens: Sequence[Token]) -> Iterator[Operand]:
    """Yield the operands in brackets that group, not in those of calls and literals."""
    index = 0
    while index < len(tokens):
        if tokens[index].text in _OPENING:
            closing = _closing(tokens, index)
            is_call = index > 0 and tokens[index - 1].kind == "name"
            if tokens[index].text == "(" and not is_call:
                yield from operands(tokens[index + 1 : closing], False)
            index = closing
        index += 1


def _at_top(tokens: Sequence[Token], wanted: set[str]) -> list[int]:
    depth, found = 0, []
    for index, token in enumerate(tokens):
        if token.kind == "operator":
            depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if depth == 0 and token.text in wanted:
            found.append(index)
    return found


def _matching_colon(tokens: Sequence[Token]) -> int:
    inner = 0
    for index in _at_top(tokens, {"?", ":"}):
        if tokens[index].text == ":" and inner == 0:
            return index
        inner += 1 if tokens[index].text == "?" else -1
    raise ValueError("a conditional without a colon")


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        if tokens[index].kind == "operator":
            depth += (tokens[index].text in _OPENING) - (tokens[index].text in _CLOSING)
        if depth == 0:
            return index
    raise ValueError("a bracket that is not closed")
