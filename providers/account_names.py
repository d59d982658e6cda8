"""The one canonical form of an account's name."""

from __future__ import annotations

import unicodedata

from precis_i18n import get_profile

MAX_CHARACTERS = 255
NO_NAME = "(not a name)"
"""Stands for every text that can be no name. It holds spaces, so no account is called this."""

_PROFILE = get_profile("UsernameCaseMapped")
# The most that NFC shortens a text by: anything longer can't come down to MAX_CHARACTERS.
_LONGEST_SPELLING = 4 * MAX_CHARACTERS
# PRECIS reads the whole name again for each of these, which would let a hostile name take long.
_KATAKANA_MIDDLE_DOT = "\u30fb"
_MAX_MIDDLE_DOTS = 16


class UnusableName(ValueError):
    """The text can be no account's name; the message says why, without repeating the text."""


def canonical_name(text: str) -> str:
    """Return the form under which an account of this name is kept, found, counted and logged.

    White space around the name is dropped; the rest is RFC 8265's profile UsernameCaseMapped:
    full-width letters become ordinary ones, capitals small, composed as in NFC.
    Raises `UnusableName`.
    """
    spelling = text.strip()
    if len(spelling) > _LONGEST_SPELLING:
        raise UnusableName(_TOO_LONG)
    composed = unicodedata.normalize("NFC", spelling)
    if len(composed) > MAX_CHARACTERS:
        raise UnusableName(_TOO_LONG)
    if composed.count(_KATAKANA_MIDDLE_DOT) > _MAX_MIDDLE_DOTS:
        raise UnusableName(f"it has more than {_MAX_MIDDLE_DOTS} of {_described('・')}")
    try:
        name = _PROFILE.enforce(composed)
    except UnicodeEncodeError as error:
        raise UnusableName(_explained(error)) from None
    if len(name) > MAX_CHARACTERS:
        raise UnusableName(_TOO_LONG)
    return name


_TOO_LONG = f"it is longer than {MAX_CHARACTERS} characters"


def _explained(error: UnicodeEncodeError) -> str:
    rule = error.reason.partition("/")[2]
    if rule == "empty":
        return "it is empty"
    if rule == "bidi_rule":
        return "it mixes letters written from right to left with others"
    return f"{_described(error.object[error.start])} is not allowed here in a name (RFC 8265)"


def _described(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'control character')}"
