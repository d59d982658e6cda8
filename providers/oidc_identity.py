"""From the claims of OpenID Connect to an identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .base import Identity

STANDARD_CLAIMS = (
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "email_verified",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "phone_number_verified",
    "address",
    "updated_at",
)
"""OpenID Connect Core 5.1, without `sub`."""

PROTOCOL_CLAIMS = frozenset(
    {"iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "sid", "acr", "amr", "auth_time"}
)
"""Claims about the sign-in, not the person: only a signed token may make them."""

GROUPS = "groups"
MAXIMUM_CLAIM_CHARACTERS = 2048


def identity(
    provider: str,
    claims: Mapping[str, Any],
    names: Mapping[str, str],
    signed_in_at: float,
) -> Identity:
    """Return the identity that these verified claims describe.

    `names` gives further claims: our name, and the provider's. What is not named stays out,
    and so does a value of more than 2,048 characters.
    """
    wanted = {**{name: name for name in (*STANDARD_CLAIMS, GROUPS)}, **names}
    given = {
        ours: claims[theirs]
        for ours, theirs in wanted.items()
        if theirs in claims and len(json.dumps(claims[theirs])) <= MAXIMUM_CLAIM_CHARACTERS
    }
    acr = claims.get("acr")
    return Identity(
        provider=provider,
        subject=claims["sub"],
        signed_in_at=signed_in_at,
        groups=_texts(given.pop(GROUPS, None)),
        claims=given,
        acr=acr if isinstance(acr, str) else None,
        amr=_texts(claims.get("amr")),
    )


def _texts(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str) and item)
