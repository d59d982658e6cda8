"""What is wrong with an expression, in words for whoever writes it."""

from __future__ import annotations

import re

from .syntax import position

_PARSER_MESSAGE = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]+)")
LONGEST_PARSER_MESSAGE = 100


class ExpressionFault(ValueError):
    """The expression can't be a rule; the message completes the sentence "expected …"."""


def faulty(text: str, offset: int, expected: str) -> ExpressionFault:
    """Return the fault at a character of the expression."""
    return ExpressionFault(f"{expected} (at {position(text, offset)})")


def faulty_syntax(text: str, message: str) -> ExpressionFault:
    """Return the fault that the parser has found."""
    found = _PARSER_MESSAGE.search(message)
    if found is None or "Recursion limit" in message:
        return ExpressionFault("an expression of CEL, with fewer brackets in one another")
    line, column, words = found.groups()
    short = words if len(words) <= LONGEST_PARSER_MESSAGE else words.partition(" expecting ")[0]
    place = f"line {line}, column {column}"
    return ExpressionFault(
        f"an expression of CEL; {short[:LONGEST_PARSER_MESSAGE]} (at {place})"
    )
