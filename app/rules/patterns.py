"""Regular expressions in rules: they match the whole of a text, or they are refused.

They are of the kind that never backtracks (RE2), so none of them takes long.
"""

from __future__ import annotations

from . import cel

IGNORE_CASE = "(?i)"


def pattern_fault(literal: str) -> str | None:
    """Return what is expected instead of this pattern, a string literal of CEL."""
    try:
        cel.compile_program(f"''.matches({literal})").execute()
    except RuntimeError:
        return "a regular expression"
    pattern = str(cel.compile_program(literal).execute()).removeprefix(IGNORE_CASE)
    if "(?" in pattern.replace("(?:", ""):
        return f"a regular expression with no flags but {IGNORE_CASE} at its beginning"
    if not _is_whole(pattern):
        return (
            "a regular expression for the whole text: from ^ to $, alternatives in brackets, "
            r"and \[ and \] in a class"
        )
    return None


def _is_whole(pattern: str) -> bool:
    if not pattern.startswith("^"):
        return False
    depth, in_class, is_escaped, ends = 0, False, False, False
    previous = ""
    for character in pattern:
        ends = character == "$" and depth == 0 and not (in_class or is_escaped)
        if is_escaped or character == "\\":
            is_escaped = not is_escaped
            previous = ""
            continue
        if in_class:
            # A bracket that belongs to the class would hide where it ends.
            if character == "[" or (character == "]" and previous in {"[", "[^"}):
                return False
            in_class = character != "]"
        elif character == "|" and depth == 0:
            return False
        else:
            in_class = character == "["
            depth += (character == "(") - (character == ")")
        previous = "[^" if (previous, character) == ("[", "^") else character
    return ends
