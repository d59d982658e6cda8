"""The error of all keys."""

from __future__ import annotations


class KeyFault(ValueError):
    """A key that can't be used: `source` is where it is, `remedy` what to do."""

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        super().__init__(f"{source}: {problem}. {remedy}")
        self.source = source
        self.problem = problem
        self.remedy = remedy


class PinFault(KeyFault):
    """A PIN that a token has refused: whoever tries it again may lock the token."""
