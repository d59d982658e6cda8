"""From an identity to the userId in the token: unique, constant, never recycled.

Nothing is repaired here. A value that is not usable as it stands is refused, because two
people who share a userId read each other's conversations.
"""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import NewType

from flask_usher.providers.base import Identity

from .keyed_digests import keyed_digest
from .keys import Secret

UserId = NewType("UserId", str)
"""A userId that has passed every check. Only this module makes one."""

Derive = Callable[[Identity], UserId]

MAXIMUM_LENGTH = 255
_NOBODY = frozenset(
    {"null", "undefined", "none", "nil", "nan", "true", "false", "[object object]"}
)
# Cc control, Cf format (bidi, zero-width), Cs surrogate, Cn unassigned, Zl Zp line breaks.
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


class IdentityUnusable(ValueError):
    """The identity gives no usable userId; the message names the check, not the value."""


def derivation(mode: str, pairwise_key: Secret | None) -> Derive:
    """Return the function for a mode of the setting `token.user_id`.

    It raises `IdentityUnusable`.
    """
    if mode == "subject":
        return _subject
    if mode == "pairwise" and pairwise_key is not None:
        key = pairwise_key.derive("usher pairwise userId")
        return lambda identity: _pairwise(identity, key)
    claim = mode.removeprefix("claim:")
    return lambda identity: _checked(identity.claims.get(claim))


def _subject(identity: Identity) -> UserId:
    # Without a colon in the provider's name no two pairs give one userId.
    if ":" in identity.provider:
        raise IdentityUnusable("the provider's name holds a colon")
    return _checked(f"{identity.provider}:{_checked(identity.subject)}")


def _pairwise(identity: Identity, key: bytes) -> UserId:
    digest = keyed_digest(key, identity.provider, _checked(identity.subject))
    return UserId(urlsafe_b64encode(digest).decode().rstrip("="))


def _checked(value: object) -> UserId:
    if not isinstance(value, str):
        raise IdentityUnusable("not a string")
    if len(value) > MAXIMUM_LENGTH:
        raise IdentityUnusable(f"longer than {MAXIMUM_LENGTH}")
    if not value.strip() or value.strip().casefold() in _NOBODY:
        raise IdentityUnusable("empty, or the name of nothing")
    if value != value.strip():
        raise IdentityUnusable("white space around it")
    plain = value.isascii() and value.isprintable()
    if not plain and any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES for c in value):
        raise IdentityUnusable("control, bidirectional or unassigned characters")
    if len(value.encode("utf-16-le")) // 2 > MAXIMUM_LENGTH:
        raise IdentityUnusable(f"longer than {MAXIMUM_LENGTH} in UTF-16")
    return UserId(value)
