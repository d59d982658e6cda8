"""One verifier for every signed token that comes from outside.

The form, then the signature, then the claims (RFC 7515, RFC 7519, RFC 8725). What kind of
token it is for is a value: `ID_TOKEN`, `LOGOUT_TOKEN`, `ACCESS_TOKEN`. The signatures are
PyJWT's; the rest is here, since PyJWT's `decode` accepts double members and other spellings,
and alone takes twice the time of the RSA operation.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from .compact_jws import InvalidToken, UnverifiedToken, take_apart
from .strict_json import NotStrictJson, strict_object
from .verification_keys import KeySet, VerificationKey

logger = logging.getLogger(__name__)

LEEWAY_SECONDS = 30
MAXIMUM_SUBJECT_CHARACTERS = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

# Far beyond every lifetime, and well inside what computes exactly.
_END_OF_TIME = 2**40
_TRIES = 3

Claims = Mapping[str, Any]
Rule = Callable[[Claims, str], str | None]
"""Given the claims and our name as an audience, says what is wrong, if anything."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says, after every check. Only `Verifier` makes one."""

    claims: Claims = field(repr=False)
    algorithm: str


@dataclass(frozen=True, slots=True)
class TokenKind:
    """What tells one kind of token from the others, and what each must hold.

    `types` are the values of `typ` that it may have, `None` for none at all. A token older
    than `maximum_age_seconds` by its `iat` is refused.
    """

    types: frozenset[str | None]
    maximum_characters: int
    maximum_age_seconds: float
    rules: tuple[Rule, ...]


class KeySource(Protocol):
    """Where a verifier gets the keys of its issuer. Raises `ProviderUnavailable`."""

    def current(self) -> KeySet:
        """Return the keys that are in force."""

    def newer(self, than: KeySet) -> KeySet | None:
        """Return keys that came after `than`, or `None` when there may be no new look yet."""


class Verifier:
    """Verifies tokens of one kind, from one issuer, for one audience.

    `algorithms` are the operator's, never the token's or the issuer's choice. `clock` gives
    seconds since the epoch.
    """

    def __init__(
        self,
        kind: TokenKind,
        *,
        issuer: str,
        audience: str,
        keys: KeySource,
        algorithms: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._kind = kind
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._algorithms = frozenset(algorithms)
        self._clock = clock

    def verify(self, token: str) -> VerifiedToken:
        """Return what `token` says. Raises `InvalidToken` or `ProviderUnavailable`."""
        unverified = take_apart(token, self._kind.maximum_characters)
        if unverified.header.algorithm not in self._algorithms:
            raise InvalidToken("algorithm-refused")
        if unverified.header.kind not in self._kind.types:
            raise InvalidToken("token-type")
        self._verify_signature(unverified)
        try:
            claims = strict_object(unverified.payload)
        except NotStrictJson as error:
            raise InvalidToken("token-malformed") from error
        self._check_claims(claims)
        return VerifiedToken(claims, unverified.header.algorithm)

    def _verify_signature(self, token: UnverifiedToken) -> None:
        keys = self._keys.current()
        for _ in range(_TRIES):
            key = keys.find(token.header.key_id, token.header.algorithm)
            if key is not None and key.verifies(token):
                return
            # A key may be new, or be another one under an old name.
            newer = self._keys.newer(keys)
            if newer is None:
                break
            keys = newer
        raise InvalidToken(_why_not(key))

    def _check_claims(self, claims: Claims) -> None:
        if claims.get("iss") != self._issuer:
            raise InvalidToken("issuer-mismatch")
        if not is_for(self._audience, claims.get("aud")):
            raise InvalidToken("audience-mismatch")
        self._check_times(claims)
        for rule in self._kind.rules:
            reason = rule(claims, self._audience)
            if reason is not None:
                raise InvalidToken(reason)

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        expires_at, issued_at = claims.get("exp"), claims.get("iat")
        not_before = claims.get("nbf", 0)
        if not is_time(expires_at) or not is_time(issued_at) or not is_time(not_before):
            raise InvalidToken("time-malformed")
        if now >= expires_at + LEEWAY_SECONDS:
            raise InvalidToken("token-expired")
        if issued_at > now + LEEWAY_SECONDS or not_before > now + LEEWAY_SECONDS:
            ahead = max(issued_at, not_before) - now
            logger.warning(
                "%s is %d s ahead of this machine's clock: one of them is wrong",
                self._issuer,
                ahead,
            )
            raise InvalidToken("issued-in-the-future")
        if now - issued_at > self._kind.maximum_age_seconds + LEEWAY_SECONDS:
            raise InvalidToken("token-too-old")


def is_time(value: object) -> TypeGuard[float]:
    """Tell whether this is a point in time (RFC 7519, section 2, NumericDate)."""
    return (type(value) is int or type(value) is float) and 0 <= value < _END_OF_TIME


def is_subject(value: object) -> bool:
    """Tell whether this can be a person's or a session's name at an issuer."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAXIMUM_SUBJECT_CHARACTERS
        and value.isprintable()
    )


def _why_not(key: VerificationKey | None) -> str:
    return "unknown-key" if key is None else "bad-signature"


def is_for(audience: str, given: object) -> bool:
    """Tell whether an `aud` names the audience, alone or in a list (RFC 7519, 4.1.3)."""
    if isinstance(given, list):
        return audience in given and all(type(it) is str for it in given)
    return given == audience


def _has_subject(claims: Claims, audience: str) -> str | None:
    return None if is_subject(claims.get("sub")) else "subject-malformed"


def _has_token_id(claims: Claims, audience: str) -> str | None:
    return None if is_subject(claims.get("jti")) else "token-id-malformed"


def _has_client(claims: Claims, audience: str) -> str | None:
    return None if is_subject(claims.get("client_id")) else "client-malformed"


def _is_issued_to_us(claims: Claims, audience: str) -> str | None:
    shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    party = claims.get("azp", ... if shared else audience)
    return None if party == audience else "authorized-party-mismatch"


def _names_who_is_out(claims: Claims, audience: str) -> str | None:
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    return None if named and all(map(is_subject, named)) else "subject-malformed"


def _tells_of_a_logout(claims: Claims, audience: str) -> str | None:
    events = claims.get("events")
    is_logout = isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict)
    return None if is_logout else "event-malformed"


def _has_no_nonce(claims: Claims, audience: str) -> str | None:
    return "nonce-present" if "nonce" in claims else None


ID_TOKEN = TokenKind(
    types=frozenset({None, "jwt"}),
    maximum_characters=16 * 1024,
    maximum_age_seconds=600,
    rules=(_has_subject, _is_issued_to_us),
)
"""OpenID Connect Core 1.0, section 2, fresh from the token endpoint."""

LOGOUT_TOKEN = TokenKind(
    types=frozenset({None, "jwt", "logout+jwt"}),
    maximum_characters=8 * 1024,
    maximum_age_seconds=120,
    rules=(_has_token_id, _names_who_is_out, _tells_of_a_logout, _has_no_nonce),
)
"""OpenID Connect Back-Channel Logout 1.0, section 2.4."""

TYPED_LOGOUT_TOKEN = TokenKind(
    types=frozenset({"logout+jwt"}),
    maximum_characters=LOGOUT_TOKEN.maximum_characters,
    maximum_age_seconds=LOGOUT_TOKEN.maximum_age_seconds,
    rules=LOGOUT_TOKEN.rules,
)
"""The same from a provider that names the type, as section 2.4 recommends."""

ACCESS_TOKEN = TokenKind(
    types=frozenset({"at+jwt"}),
    maximum_characters=8 * 1024,
    maximum_age_seconds=float("inf"),
    rules=(_has_subject, _has_client, _has_token_id),
)
"""RFC 9068, section 2."""
