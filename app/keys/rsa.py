"""What is common to all RSA keys: their strength, and the public half."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .faults import KeyFault

MINIMUM_BITS = 2048
MAXIMUM_BITS = 8192
PUBLIC_EXPONENT = 65537


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA public key and where it came from."""

    source: str
    public_key: RSAPublicKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """See the function `fingerprint`."""
        return fingerprint(self.public_key)


def fingerprint(key: RSAPublicKey) -> str:
    """Return `SHA256:` and the base64 SHA-256 of the key's DER SubjectPublicKeyInfo."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def canonical_fingerprint(told: str) -> str:
    """Return a fingerprint without the padding that other tools print."""
    return told.removesuffix("=")


def public_pem(key: RSAPublicKey) -> str:
    """Return the key as a PEM SubjectPublicKeyInfo, the form that iAdvize asks for."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def check_strength(source: str, key: RSAPublicKey) -> None:
    """Raise `KeyFault` unless the key is of the strength that tokens are made with."""
    if not MINIMUM_BITS <= key.key_size <= MAXIMUM_BITS:
        raise KeyFault(
            source,
            f"is an RSA key of {key.key_size} bits",
            f"Use one of {MINIMUM_BITS} to {MAXIMUM_BITS} bits",
        )
    exponent = key.public_numbers().e
    if exponent != PUBLIC_EXPONENT:
        raise KeyFault(
            source,
            f"has the public exponent {exponent}",
            f"Use a key with the exponent {PUBLIC_EXPONENT}",
        )
