"""Whether a new password is worth having. Asked only where passwords are set."""

from __future__ import annotations

import re
import threading

from .passwords import UnusablePassword, prepare

MIN_CHARACTERS = 8
# Beyond this length zxcvbn takes seconds. What is guessable up to here is refused as well.
_MAX_ESTIMATED_CHARACTERS = 72
# Guesses needed: 0 is under a thousand, 1 under a million, 2 under a hundred million.
_MIN_SCORE = 2

# Names shorter than this are found in too many words by chance.
_MIN_NAME_CHARACTERS = 3
# Letters and digits that a password needs besides names: a name and a year are too few.
_MIN_OTHER_CHARACTERS = 5

# zxcvbn keeps the words about the person in a module variable.
_one_at_a_time = threading.Lock()


def weakness(password: str, *, about: tuple[str, ...] = ()) -> str | None:
    """Return in words why this password must not be set, or `None` when it may.

    `about` are texts that an attacker would try first: the site's and the person's names.
    Any characters are allowed and none are required (NIST SP 800-63B, OWASP ASVS 6.2).
    """
    try:
        text = prepare(password).decode()
    except UnusablePassword as error:
        return str(error)
    if len(text) < MIN_CHARACTERS:
        return f"it must have at least {MIN_CHARACTERS} characters"
    names = _names(about)
    if _is_made_of(names, text):
        return _ABOUT
    return _estimated(text, names)


_ABOUT = "it is little more than the name of the site or of the person"


def _names(about: tuple[str, ...]) -> list[str]:
    """Return the texts, their words and what they are without separators, longest first."""
    parts = [part for text in about for part in (text, *_words(text), "".join(_words(text)))]
    names = {part.casefold() for part in parts if len(part) >= _MIN_NAME_CHARACTERS}
    return sorted(names, key=lambda name: (-len(name), name))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _is_made_of(names: list[str], text: str) -> bool:
    rest = text.casefold()
    for name in names:
        rest = rest.replace(name, "")
    has_name = rest != text.casefold()
    return has_name and len("".join(_words(rest))) < _MIN_OTHER_CHARACTERS


def _estimated(text: str, names: list[str]) -> str | None:
    # Loads dictionaries of several megabytes, which the running service has no use for.
    from zxcvbn import zxcvbn

    with _one_at_a_time:
        verdict = zxcvbn(text[:_MAX_ESTIMATED_CHARACTERS], user_inputs=names)
    if verdict["score"] >= _MIN_SCORE:
        return None
    if any(match.get("dictionary_name") == "user_inputs" for match in verdict["sequence"]):
        return _ABOUT
    hint = verdict["feedback"]["warning"]
    return f"it is too easy to guess. {hint}".strip()
