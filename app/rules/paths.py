"""What expressions name: `identity.claims.email` and the like."""

from __future__ import annotations

from collections.abc import Iterable

from .syntax import tokens_of
from .variables import CLAIMS, NAMES, Wanted


def wanted_by(texts: Iterable[str]) -> Wanted:
    """Return all that these expressions look at."""
    found = [path.split(".") for text in texts for path in paths(text)]
    of_claims = [path for path in found if path[:2] == CLAIMS.split(".")]
    by_name = all(len(path) > 2 for path in of_claims)
    return Wanted(
        frozenset(".".join(path[:2]) for path in found),
        frozenset(path[2] for path in of_claims) if by_name else None,
    )


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
