"""Looking for secrets where none may be."""

from __future__ import annotations

import re

WINDOW = 16
# The header of a signed or encrypted token. Random text may hold the first three letters.
_TOKEN = re.compile(r"(?<![\w-])eyJ[\w-]*\.")


def holds_token(text: str) -> bool:
    """Tell whether a signed or encrypted token is in the text."""
    return _TOKEN.search(text) is not None


def assert_holds_nothing_of(secret: str | bytes, text: str) -> None:
    """Fail if any 16 characters in a row of the secret are in the text.

    The first and last line of a PEM file are no secret.
    """
    decoded = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    for line in decoded.replace("\\n", "\n").splitlines():
        if line.startswith("-----"):
            continue
        pieces = {line[start : start + WINDOW] for start in range(len(line) - WINDOW + 1)}
        leaked = [piece for piece in pieces if piece in text]
        assert not leaked
