"""Tokens of any shape, right or wrong, from bare primitives: neither minter nor inspection."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

NOW = 1_800_000_000
ISSUER = "https://www.shop.example"
USER_ID = "https://iadvize.com/userId"
VISITOR_DATA = "https://iadvize.com/visitorData"
OUTER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}
INNER = {"alg": "RS256"}
_TAG_BYTES = 16


@cache
def key(name: str) -> RSAPrivateKey:
    """Return the RSA key of that name, made at first use."""
    assert name
    return generate_private_key(public_exponent=65537, key_size=2048)


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def as_json(value: object) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims with these changes; a claim changed to `...` is left out."""
    good = {"iss": ISSUER, "exp": NOW + 60, USER_ID: "local:1"}
    named = {"user_id": USER_ID, "visitor_data": VISITOR_DATA}
    changed = good | {named.get(name, name): value for name, value in changes.items()}
    return {name: value for name, value in changed.items() if value is not ...}


def jws(
    payload: object,
    header: Mapping[str, Any] | bytes = INNER,
    signing_key: RSAPrivateKey | None = None,
) -> str:
    """Return a compact JWS, signed with RS256 whatever the header says."""
    signed = f"{base64url(as_json(header))}.{base64url(as_json(payload))}"
    signature = (signing_key or key("brand")).sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{base64url(signature)}"


def hmac_jws(payload: object, secret: bytes) -> str:
    """Return a compact JWS with HS256."""
    signed = f"{base64url(as_json({'alg': 'HS256'}))}.{base64url(as_json(payload))}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def jwe(
    plaintext: str | bytes,
    header: Mapping[str, Any] | bytes = OUTER,
    recipient: RSAPublicKey | None = None,
) -> str:
    """Return a compact JWE, encrypted for `recipient` whatever the header says."""
    encoded_header = base64url(as_json(header))
    content = plaintext.encode() if isinstance(plaintext, str) else plaintext
    content_key, nonce = os.urandom(32), os.urandom(12)
    sealed = AESGCM(content_key).encrypt(nonce, content, encoded_header.encode())
    oaep = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    wrapped = (recipient or key("iadvize").public_key()).encrypt(content_key, oaep)
    parts = (wrapped, nonce, sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:])
    return ".".join([encoded_header, *map(base64url, parts)])


def token(**changes: Any) -> str:
    """Return a good token, but for these changes to its claims."""
    return jwe(jws(claims(**changes)))
