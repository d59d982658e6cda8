"""The access token in a request's headers (RFC 6750, section 2.1; RFC 9110, section 11.6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .base import CredentialsRefused

MAXIMUM_CHARACTERS = 8 * 1024

# A token holds no comma, so these are never two headers that a server has joined.
_BEARER = re.compile(r"(?i:bearer) ([A-Za-z0-9._~+/-]+=*)")
# The scheme alone or before anything else, also behind another scheme.
_MENTIONS_BEARER = re.compile(r"(?:^|,)[ \t]*bearer(?![\w.!#$%&'*+^`|~-])", re.IGNORECASE)


def bearer_token(headers: Mapping[str, Sequence[str]]) -> str | None:
    """Return the access token, `None` when the request shows none.

    Another scheme is somebody else's business. Raises `CredentialsRefused` for more than one
    header, also when a server has joined them with commas, and for what can be no token.
    """
    values = headers.get("authorization", ())
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        if not any(map(_MENTIONS_BEARER.search, values)):
            return None
        if len(values) > 1 or "," in values[0]:
            raise CredentialsRefused("invalid_request", "several-credentials")
        raise CredentialsRefused("invalid_token", "token-malformed")
    if len(match[1]) > MAXIMUM_CHARACTERS:
        raise CredentialsRefused("invalid_token", "token-too-large")
    return match[1]
