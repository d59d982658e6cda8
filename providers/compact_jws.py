"""Signed tokens in the compact form of RFC 7515, taken apart without being believed."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from functools import lru_cache

from .strict_json import NotStrictJson, strict_object

MAXIMUM_HEADER_BYTES = 512
MAXIMUM_KEY_ID_CHARACTERS = 256

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# By the length modulo four: the last characters that leave no bits over (RFC 4648, 3.5).
_LAST_CHARACTERS: tuple[frozenset[str], ...] = (
    frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
    frozenset(),
    frozenset("AQgw"),
    frozenset("AEIMQUYcgkosw048"),
)


class InvalidToken(ValueError):
    """The token proves nothing; `reason` (kebab-case) says why, without any of its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """What a token says of itself. `kind` is `typ` in lower case without `application/`."""

    algorithm: str
    key_id: str | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token. Nothing in it is true before its signature is verified."""

    header: Header
    signing_input: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def take_apart(token: str, maximum_characters: int) -> UnverifiedToken:
    """Return the parts of `token`. Raises `InvalidToken` for any form but the one right one.

    Encrypted tokens (five parts) and unsigned ones (an empty third part) have another form.
    """
    if len(token) > maximum_characters:
        raise InvalidToken("token-too-large")
    if _COMPACT.fullmatch(token) is None:
        raise InvalidToken("token-malformed")
    signing_input, _, signature = token.rpartition(".")
    header, _, payload = signing_input.partition(".")
    return UnverifiedToken(
        _header(header), signing_input.encode(), _decoded(payload), _decoded(signature)
    )


# An issuer has few headers, which are the same in all its tokens.
@lru_cache(maxsize=64)
def _header(segment: str) -> Header:
    if len(segment) * 3 // 4 > MAXIMUM_HEADER_BYTES:
        raise InvalidToken("token-too-large")
    try:
        members = strict_object(_decoded(segment))
    except NotStrictJson as error:
        raise InvalidToken("token-malformed") from error
    algorithm, key_id, kind = (members.get(name) for name in ("alg", "kid", "typ"))
    # We understand no extension, so none may be critical (RFC 7515, 4.1.11; RFC 7797, 3).
    if not isinstance(algorithm, str) or "crit" in members or "b64" in members:
        raise InvalidToken("token-malformed")
    if not ("kid" not in members or is_key_id(key_id)):
        raise InvalidToken("token-malformed")
    if not ("typ" not in members or isinstance(kind, str)):
        raise InvalidToken("token-malformed")
    if isinstance(kind, str):
        kind = kind.lower().removeprefix("application/")
    return Header(algorithm, key_id, kind)


def is_key_id(value: object) -> bool:
    """Tell whether this can name a key: a short text without control characters."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAXIMUM_KEY_ID_CHARACTERS
        and value.isprintable()
    )


def _decoded(segment: str) -> bytes:
    if segment[-1] not in _LAST_CHARACTERS[len(segment) % 4]:
        raise InvalidToken("token-malformed")
    return urlsafe_b64decode(segment + "==")
