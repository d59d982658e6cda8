"""Keys that sign for the fakes, and the ways in which a signature can be right or wrong.

Built on joserfc, which verification does not use: the two sides cannot share a mistake.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from typing import Protocol

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of a provider or of a client, bound to one algorithm of RFC 7518."""

    algorithm: str
    key_id: str
    key: Key = field(repr=False)

    @classmethod
    def generate(
        cls, algorithm: str = "RS256", *, key_id: str | None = None, bits: int = 2048
    ) -> SigningKey:
        """Make a key for `algorithm`: RS, PS or ES with a size, or EdDSA. `bits` is for RSA."""
        key: Key
        if algorithm in _CURVES:
            key = ECKey.generate_key(_CURVES[algorithm])
        elif algorithm == "EdDSA":
            key = OKPKey.generate_key("Ed25519")
        else:
            key = RSAKey.generate_key(bits)
        return cls(algorithm, secrets.token_hex(8) if key_id is None else key_id, key)

    def renewed(self) -> SigningKey:
        """Return another key under the same key id."""
        return SigningKey.generate(self.algorithm, key_id=self.key_id)

    def renamed(self, key_id: str) -> SigningKey:
        """Return the same key under another key id."""
        return replace(self, key_id=key_id)

    @property
    def jwk(self) -> dict[str, object]:
        """The public half, as a key set holds it (RFC 7517)."""
        public = self.key.as_dict(private=False)
        return {**public, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}

    def sign(self, data: bytes, algorithm: str | None = None) -> bytes:
        """Return the signature over `data`, by another algorithm if one is named."""
        model = JWSRegistry.algorithms[algorithm or self.algorithm]
        return model.sign(data, self.key)


class Signing(Protocol):
    """A way to sign, given the key that an honest provider would use."""

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Return what stands in the place of the signature over `data`."""


@dataclass(frozen=True, slots=True)
class Honest:
    """A good signature."""

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Sign with `key`."""
        return key.sign(data)


@dataclass(frozen=True, slots=True)
class SignedWith:
    """A signature by another key, another algorithm, or both. The header stays as it is."""

    key: SigningKey | None = None
    algorithm: str | None = None

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Sign with the other key and algorithm."""
        return (self.key or key).sign(data, self.algorithm)


@dataclass(frozen=True, slots=True)
class MacWith:
    """An HMAC with SHA-256 in the place of the signature."""

    secret: bytes = field(repr=False)

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Authenticate `data` with the secret, whatever the key."""
        return hmac.digest(self.secret, data, hashlib.sha256)


@dataclass(frozen=True, slots=True)
class BitFlipped:
    """A good signature but for one bit; bit 0 is the lowest of the last byte."""

    bit: int = 0

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Sign with `key`, then flip the bit."""
        signature = key.sign(data)
        changed = int.from_bytes(signature) ^ (1 << self.bit)
        return changed.to_bytes(len(signature))


@dataclass(frozen=True, slots=True)
class FixedSignature:
    """These bytes, whatever is signed; none by default."""

    signature: bytes = b""

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        """Return the bytes."""
        return self.signature
