"""What an ID token must say about one attempt to sign in (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, field

from .compact_jws import InvalidToken
from .jwt_verification import LEEWAY_SECONDS, VerifiedToken, is_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What was asked for, and what came with the token."""

    nonce: str = field(repr=False)
    access_token: str = field(repr=False)
    acr_values: Collection[str] = ()
    max_age_seconds: int | None = None


def check(token: VerifiedToken, attempt: Attempt, now: float) -> None:
    """Raise `InvalidToken` unless the token answers this attempt."""
    claims = token.claims
    if not _is_same(claims.get("nonce"), attempt.nonce):
        raise InvalidToken("nonce-mismatch")
    if "at_hash" in claims and not _is_same(
        claims["at_hash"], _half_hash(attempt.access_token, token.algorithm)
    ):
        raise InvalidToken("access-token-mismatch")
    if attempt.acr_values and claims.get("acr") not in attempt.acr_values:
        raise InvalidToken("acr-not-met")
    if attempt.max_age_seconds is not None:
        proved_at = claims.get("auth_time")
        if not is_time(proved_at):
            raise InvalidToken("authentication-time-malformed")
        if now - proved_at > attempt.max_age_seconds + LEEWAY_SECONDS:
            raise InvalidToken("authentication-too-old")


def _is_same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())


def _half_hash(text: str, algorithm: str) -> str:
    """Return the left half of the hash that the algorithm uses, in base64url (3.1.3.6)."""
    size = "512" if algorithm == "EdDSA" else algorithm[-3:]
    digest = hashlib.new(f"sha{size}", text.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
