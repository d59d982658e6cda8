"""A token, opened as iAdvize opens it, and what each rule of the contract says of it.

Built on joserfc, which the minter does not use: the two sides cannot share a mistake. A token
may come from anywhere; whatever it holds, the answer is failed checks, never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from joserfc import jwe, jws
from joserfc.errors import DecodeError
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64decode

from flask_usher.providers.strict_json import NotStrictJson, strict_object

from .checks import Check, Opened, judge

# More segments than this are not told apart: a token of a million dots costs nothing.
MOST_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a token holds and how it fares.

    Sizes are in bytes. The headers and `claims` are `None` where they could not be read;
    they are only as trustworthy as the checks `decrypts` and `signature` say. `seconds_left`
    is negative once the token has expired, and `None` without a usable `exp`.
    """

    outer_header: Mapping[str, Any] | None
    inner_header: Mapping[str, Any] | None
    token_bytes: int
    segment_bytes: tuple[int, ...]
    claims: Mapping[str, Any] | None
    seconds_left: float | None
    checks: tuple[Check, ...]

    @property
    def accepted(self) -> bool:
        """Whether every check could be judged and passed."""
        return all(check.passed is True for check in self.checks)

    @property
    def failed(self) -> frozenset[str]:
        """The names of the checks that did not pass."""
        return frozenset(check.name for check in self.checks if check.passed is False)


def inspect_token(
    token: str,
    *,
    recipient_key: RSAPrivateKey | None,
    signing_key: RSAPublicKey | None,
    issuer: str | None,
    now: float,
    tolerance_seconds: int = 0,
) -> Inspection:
    """Open `token` and judge it; never raises for anything that a token may hold.

    `recipient_key` opens it, `signing_key` verifies it, `issuer` is the `iss` expected; what
    is not given leaves its checks unjudged. `now` is in seconds since the epoch;
    `tolerance_seconds` is granted on both sides of the lifetime.
    """
    outer = _open_outer(token, recipient_key)
    inner = _open_inner(outer.plaintext, signing_key)
    opened = Opened(
        token_bytes=_size(token),
        segments=outer.segments,
        outer_header=outer.header,
        outer_fault=outer.fault,
        decrypted=outer.decrypted,
        inner_segments=inner.segments,
        inner_header=inner.header,
        inner_fault=inner.fault,
        claims=inner.claims,
        signature_valid=inner.signature_valid,
        issuer=issuer,
        now=now,
        tolerance_seconds=tolerance_seconds,
    )
    expires = opened.expires
    return Inspection(
        outer_header=outer.header,
        inner_header=inner.header,
        token_bytes=opened.token_bytes,
        segment_bytes=tuple(_size(segment) for segment in outer.segments),
        claims=inner.claims,
        seconds_left=None if expires is None else expires - now,
        checks=judge(opened),
    )


@dataclass(frozen=True, slots=True)
class _Outer:
    segments: tuple[str, ...]
    header: Mapping[str, Any] | None = None
    fault: str = ""
    decrypted: bool | None = None
    plaintext: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Inner:
    segments: int | None = None
    header: Mapping[str, Any] | None = None
    fault: str = ""
    claims: Mapping[str, Any] | None = None
    signature_valid: bool | None = None


def _open_outer(token: str, key: RSAPrivateKey | None) -> _Outer:
    segments = tuple(token.split(".", MOST_SEGMENTS))
    try:
        header = _object(segments[0], jwe.JWERegistry.max_protected_header_length)
    except NotStrictJson as error:
        return _Outer(segments, fault=f"the outer header is {error}", decrypted=False)
    if key is None:
        return _Outer(segments, header)
    registry = jwe.JWERegistry(algorithms=["RSA-OAEP-256", "A256GCM"])
    try:
        opened = jwe.decrypt_compact(token, RSAKey.import_key(key), registry=registry)
    except Exception as error:  # whatever hostile bytes make the library raise
        return _Outer(segments, header, _words(error), decrypted=False)
    return _Outer(segments, header, decrypted=True, plaintext=opened.plaintext)


def _open_inner(plaintext: bytes | None, key: RSAPublicKey | None) -> _Inner:
    if plaintext is None:
        return _Inner()
    segments = plaintext.split(b".", MOST_SEGMENTS)
    header: Mapping[str, Any] | None = None
    try:
        compact = plaintext.decode("ascii")
        header = _object(compact.split(".")[0], jws.JWSRegistry.max_header_length)
        if len(segments) != 3:
            return _Inner(len(segments), header)
        claims = _object(compact.split(".")[1], jws.JWSRegistry.max_payload_length)
    except UnicodeDecodeError:
        return _Inner(len(segments), fault="the inner part is not ASCII")
    except NotStrictJson as error:
        part = "inner header is" if header is None else "claims are"
        return _Inner(len(segments), header, f"the {part} {error}")
    if key is None:
        return _Inner(3, header, claims=claims)
    try:
        registry = jws.JWSRegistry(algorithms=["RS256"])
        jws.deserialize_compact(compact, RSAKey.import_key(key), registry=registry)
    except Exception as error:  # whatever hostile bytes make the library raise
        return _Inner(3, header, _words(error), claims, signature_valid=False)
    return _Inner(3, header, claims=claims, signature_valid=True)


def _object(segment: str, longest: int) -> Mapping[str, Any]:
    if len(segment) > longest:
        raise NotStrictJson(f"longer than {longest} bytes")
    try:
        raw = urlsafe_b64decode(segment.encode("ascii"))
    except ValueError as error:
        raise NotStrictJson("not base64url") from error
    return strict_object(raw)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _words(error: Exception) -> str:
    if isinstance(error, DecodeError):
        return "the key does not fit, or the token was changed"
    return (str(error) or type(error).__name__)[:200]
