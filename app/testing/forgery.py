"""Signed tokens in the compact form, genuine or wrong in any way that can be named."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from .signing import Honest, Signing, SigningKey

Changes = Mapping[str, object]
"""Members to set in a JSON object; a member set to `...` is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What is wrong with a token. `repeated_…` members appear in the JSON a second time.

    `form` puts the three parts together; the values may be used twice or not at all.
    """

    claims: Changes = field(default_factory=dict)
    header: Changes = field(default_factory=dict)
    repeated_claims: Changes = field(default_factory=dict)
    repeated_header: Changes = field(default_factory=dict)
    signing: Signing = field(default_factory=Honest)
    form: str = "{header}.{claims}.{signature}"


GENUINE = Forgery()


def signed_token(
    claims: Mapping[str, object],
    key: SigningKey,
    *,
    kind: str = "JWT",
    forgery: Forgery = GENUINE,
) -> str:
    """Return a JWS in compact form (RFC 7515) whose header has `kind` as `typ`."""
    header = {"alg": key.algorithm, "typ": kind, "kid": key.key_id}
    first = _encoded(changed(header, forgery.header), forgery.repeated_header)
    second = _encoded(changed(claims, forgery.claims), forgery.repeated_claims)
    signature = forgery.signing.sign(key, f"{first}.{second}".encode())
    return forgery.form.format(header=first, claims=second, signature=base64url(signature))


def changed(members: Mapping[str, object], changes: Changes) -> dict[str, object]:
    """Return the members with these changes."""
    result = {**members, **changes}
    return {name: value for name, value in result.items() if value is not ...}


def base64url(data: bytes) -> str:
    """Return base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _encoded(members: Mapping[str, object], repeated: Changes) -> str:
    pairs = [*members.items(), *repeated.items()]
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return base64url(f"{{{text}}}".encode())
