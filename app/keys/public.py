"""Public keys: iAdvize's, for which tokens are encrypted."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_public_key,
)

from .faults import KeyFault
from .files import read_file
from .rsa import PublicKey, check_strength

IADVIZE_PRODUCTION = "iadvize-production"
_IADVIZE_PRODUCTION_SPKI = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1KdAzuUa5rOXgLHavoDRYoNXzwWz/pFhgGypYFbvV8DN"
    "jB93XK2AzKTwW+vxT7RYl4f+sKLdEi3dJYgPt2hquhTNmFxAzRvTuolUOKr1XNx7QbDj+7cfLVDYjmds/ydNtyHi"
    "8TUHSvfzs8SGXO5E5H13llmayPEslHKShG0cLIDcLNr6hJcfv9fvOZqQlLQ4Bx7to/66IHke9zY+1oidrUdFGzxX"
    "G+RGK81mIMuXj6N2EGJ7YYcQqXJfBJnWFlSGCQNttw5Rfj00eZbkMRO3XohhNqGIiBG2tejSjfB53UpiHdbzni+t"
    "yB72R5aaq4d+gkkgaOVYn/Or2fArOH2FUQIDAQAB"
)


def iadvize_production() -> PublicKey:
    """Return the key that iAdvize publishes for its production."""
    return _from_der(IADVIZE_PRODUCTION, _IADVIZE_PRODUCTION_SPKI)


def is_key_itself(text: str) -> bool:
    """Tell whether this is a key, base64 or PEM, rather than the path of one."""
    return text.startswith("MII") or "-----BEGIN" in text


def load_public_key(path: Path) -> PublicKey:
    """Load and check an RSA public key from a file: PEM, or base64 as iAdvize prints it."""
    return parse_public_key(str(path), read_file(path))


def parse_public_key(source: str, content: bytes) -> PublicKey:
    """Return the RSA public key in `content`: PEM, or base64 as iAdvize prints it."""
    if b"PRIVATE KEY" in content:
        raise KeyFault(
            source,
            "holds a private key where iAdvize's public key belongs",
            f'Use the preset "{IADVIZE_PRODUCTION}" or the public key that iAdvize gave you',
        )
    if b"-----BEGIN" not in content:
        return _from_der(source, content.decode("ascii", "replace"))
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            source, "is damaged or not a public key", "Fetch it from iAdvize again"
        ) from error
    return _checked(source, key)


def _from_der(source: str, spki: str) -> PublicKey:
    try:
        der = base64.b64decode("".join(spki.split()), validate=True)
        key = load_der_public_key(der)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            source,
            "is no public key in PEM or base64",
            "Copy the key from iAdvize again, whole",
        ) from error
    return _checked(source, key)


def _checked(source: str, key: object) -> PublicKey:
    if not isinstance(key, RSAPublicKey):
        raise KeyFault(source, "is not an RSA key", "Tokens are encrypted with RSA-OAEP-256")
    check_strength(source, key)
    return PublicKey(source, key)
