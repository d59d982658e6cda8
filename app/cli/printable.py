"""Text of other people's in the operator's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text with everything escaped that could move the cursor or hide something."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
