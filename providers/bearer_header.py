"""The access token in a request's headers (RFC 6750, section 2.1; RFC 9110, section 11.6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .base import CredentialsRefused

MAXIMUM_CHARACTERS = 8 * 1024

_MENTIONS_BEARER = re.compile(
    r"(?:^|,)[ \t]*bearer(?![!#$%&'*+.^_`|~0-9A-Za-z-])", re.IGNORECASE
)
_BEARER = re.compile(r"bearer ([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


def bearer_token(headers: Mapping[str, Sequence[str]]) -> str | None:
    """Return the access token, `None` when the request shows none.

    Another scheme is somebody else's business. Raises `CredentialsRefused` for more than one
    header, also when a server has joined them with commas, and for what can be no token.
    """
    values = headers.get("authorization", ())
    if not any(map(_MENTIONS_BEARER.search, values)):
        return None
    if len(values) > 1 or "," in values[0]:
        raise CredentialsRefused("invalid_request", "several-credentials")
    if len(values[0]) > MAXIMUM_CHARACTERS:
        raise CredentialsRefused("invalid_token", "token-too-large")
    match = _BEARER.fullmatch(values[0])
    if match is None:
        raise CredentialsRefused("invalid_token", "token-malformed")
    return match[1]
