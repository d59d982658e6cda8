"""The minter: from `Issue` to the nested token that iAdvize accepts.

An RS256 JWS (RFC 7515) inside a JWE (RFC 7516, compact) with RSA-OAEP-256 and A256GCM
(RFC 7518), nested as RFC 7519 section 5.2 has it. It takes nothing but an `Issue`, so a
refusal can't be minted. Tokens are made for each request and never kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from flask_usher.providers.base import Identity

from .keys import PublicKey, Signer
from .policy import Issue

CLAIM_PREFIX = "https://iadvize.com/"
USER_ID = CLAIM_PREFIX + "userId"
VISITOR_DATA = CLAIM_PREFIX + "visitorData"

MAXIMUM_FIELD_LENGTH = 256
# Control, format (bidi, zero-width), unassigned, private, surrogate; line breaks.
NOT_IN_TEXT = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
MAXIMUM_TOKEN_BYTES = 4096
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_NAME_LENGTH = len("SHA256:") + 12
"""Enough of a fingerprint to know the key by in the audit log."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and what may be said of it. `expires_at` is in seconds since the epoch.

    `dropped` names the fields of visitorData that could not be sent; `identity` is whom the
    token is for; `key` is the beginning of the fingerprint of the key that signed it.
    """

    value: str = field(repr=False)
    expires_at: int
    expires_in: int
    dropped: tuple[str, ...] = ()
    identity: Identity | None = field(default=None, repr=False)
    key: str = ""

    @property
    def sha256(self) -> str:
        """The hash by which the audit log knows the token."""
        return hashlib.sha256(self.value.encode()).hexdigest()


class Minter:
    """Mints tokens with one signing key for one recipient.

    `visitor_data` maps iAdvize's fields to claims of the identity; `optional_claims` may hold
    `iat`, `jti` and `kid`. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        *,
        issuer: str,
        signing_key: Signer,
        recipient_key: PublicKey,
        lifetime_seconds: int,
        clock: Callable[[], float],
        visitor_data: Mapping[str, str] | None = None,
        optional_claims: frozenset[str] = frozenset(),
    ) -> None:
        self._issuer = issuer
        self.signing_key = signing_key
        self.recipient_key = recipient_key
        self._encrypt_key = recipient_key.public_key.encrypt
        self._key_name = signing_key.fingerprint[:KEY_NAME_LENGTH]
        self._lifetime = lifetime_seconds
        self._clock = clock
        self._visitor_data = dict(visitor_data or {})
        self._optional_claims = optional_claims
        # iAdvize's own example has no `typ` in the inner header.
        inner_header = {"alg": "RS256"}
        if "kid" in optional_claims:
            inner_header["kid"] = signing_key.fingerprint
        self._inner_header = _base64url(_json(inner_header))
        outer_header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}
        self._outer_header = _base64url(_json(outer_header))
        self._oaep = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)

    def mint(self, decision: Issue) -> Token:
        """Return a new token for the person in `decision`."""
        if not isinstance(decision, Issue):
            raise TypeError("only an Issue can be minted")
        now = int(self._clock())
        claims: dict[str, object] = {
            "iss": self._issuer,
            "exp": now + self._lifetime,
            USER_ID: decision.user_id,
        }
        if "iat" in self._optional_claims:
            claims["iat"] = now
        if "jti" in self._optional_claims:
            claims["jti"] = str(uuid.uuid4())
        data, dropped = self._visitor_data_of(decision)
        if data:
            claims[VISITOR_DATA] = data
        value = self._encrypt(self._sign(claims))
        if data and len(value) > MAXIMUM_TOKEN_BYTES:
            del claims[VISITOR_DATA]
            dropped += tuple(data)
            value = self._encrypt(self._sign(claims))
        return Token(
            value,
            now + self._lifetime,
            self._lifetime,
            dropped,
            decision.identity,
            self._key_name,
        )

    def _visitor_data_of(self, decision: Issue) -> tuple[dict[str, str], tuple[str, ...]]:
        given = {
            name: decision.identity.claims.get(claim)
            for name, claim in self._visitor_data.items()
        }
        data = {
            name: value
            for name, value in given.items()
            if isinstance(value, str) and _is_plain_text(value)
        }
        return data, tuple(
            name for name, value in given.items() if value is not None and name not in data
        )

    def _sign(self, claims: dict[str, object]) -> str:
        signed = f"{self._inner_header}.{_base64url(_json(claims))}"
        return f"{signed}.{_base64url(self.signing_key.sign(signed.encode()))}"

    def _encrypt(self, inner: str) -> str:
        key, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, inner.encode(), self._outer_header.encode())
        return ".".join(
            (
                self._outer_header,
                _base64url(self._encrypt_key(key, self._oaep)),
                _base64url(nonce),
                _base64url(sealed[:-TAG_BYTES]),
                _base64url(sealed[-TAG_BYTES:]),
            )
        )


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _is_plain_text(value: str) -> bool:
    return 0 < len(value) <= MAXIMUM_FIELD_LENGTH and not any(
        unicodedata.category(character) in NOT_IN_TEXT for character in value
    )
