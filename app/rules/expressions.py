"""One expression of a rule, in the Common Expression Language (CEL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import cel
from .expression_checks import check
from .expression_faults import ExpressionFault, faulty_syntax

if TYPE_CHECKING:
    from cel import Context, Program

LONGEST = 2000


class Undecided(Exception):
    """The expression gave neither true nor false; the message says why, with no value in it."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that has been compiled and tried. Make it with `parse`."""

    text: str
    program: Program

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Return the expression. Raises `ExpressionFault`, which says what is wrong, and where.

        Names, functions, durations, times, regular expressions and types are looked at here,
        so that a rule fails when it is written and not when it is needed.
        """
        if not text.strip() or len(text) > LONGEST:
            raise ExpressionFault(f"an expression of 1 to {LONGEST} characters")
        try:
            program = cel.compile_program(text)
        except ValueError as error:
            raise faulty_syntax(text, str(error)) from None
        check(text)
        return cls(text, program)

    def holds(self, context: Context) -> bool:
        """Return the truth of it. Raises `Undecided`."""
        try:
            value = self.program.execute(context)
        except KeyError as error:
            name = str(error.args[0]) if error.args else ""
            # A name that was computed may be a value.
            raise Undecided(f"{name if name in self.text else 'something'} is absent") from None
        except Exception as error:
            raise Undecided(f"it can't be computed ({type(error).__name__})") from None
        if value is True or value is False:
            return value
        raise Undecided("it is neither true nor false")
