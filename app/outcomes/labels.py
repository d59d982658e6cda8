"""What iAdvize and pages say, as labels: few, of one line, and without any token."""

from __future__ import annotations

import re

from ..errors import Code
from .tables import LONGEST_LABEL

OTHER = "other"
UNSTATED = "unstated"
REASONS = {
    "a valid authentication option must be provided": "invalid-option",
    "an activation is already ongoing": "already-ongoing",
    "a login is already ongoing": "already-ongoing",
    "can't activate twice, please logout first": "activated-twice",
    "failed to fetch authentication with a server error": "server-error",
    "malformed token": "malformed-token",
    "invalid key": "invalid-key",
    "expired token": "expired-token",
}
"""The reasons that iAdvize documents, in lower case."""
CREDENTIALS = "failed to authenticate visitor from credentials"
CODES_OF_PAGES = frozenset(
    {
        "activation-failed",
        "activation-timeout",
        "bad-response",
        "blocked",
        "network-error",
        "offline",
        "signed-out",
        "tag-missing",
        "timeout",
    }
)
"""Codes that the browser client gives itself."""
KNOWN = frozenset(REASONS.values()) | {"credentials", OTHER, UNSTATED}
KNOWN_CODES = frozenset(map(str, Code)) | CODES_OF_PAGES | {OTHER, UNSTATED}
# Two dots behind a long word, or a JOSE header in Base64.
_TOKEN = re.compile(r"[\w-]{16,}(?:\.[\w-]*){2,}|eyJ[\w.-]*")


def reason_label(reason: str | None) -> str:
    """Return the label of a reason: one of `KNOWN`, or the text in quotation marks."""
    if not reason or not reason.strip():
        return UNSTATED
    plain = reason.strip().replace("\u2019", "'").rstrip(".").casefold()
    if plain.startswith(CREDENTIALS):
        return "credentials"
    return REASONS.get(plain) or _quoted(reason.strip())


def code_label(code: str | None) -> str:
    """Return the label of a code: one of `KNOWN_CODES`, or the text in quotation marks."""
    if not code:
        return UNSTATED
    return code if code in KNOWN_CODES else _quoted(code)


def is_free_text(label: str) -> bool:
    """Tell whether a stranger wrote this label."""
    return label.startswith('"')


def _quoted(text: str) -> str:
    shown = escaped(_TOKEN.sub("[token]", text))
    return f'"{shown[: LONGEST_LABEL - 2]}"'


def escaped(text: str) -> str:
    """Return the text on one line, with everything escaped that nobody would see."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
