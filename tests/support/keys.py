"""RSA keys for the tests, each made once in a run, and the forms that files hold them in."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from flask_usher.keys import PrivateKey, PublicKey


@cache
def rsa_key(name: str, bits: int = 2048, exponent: int = 65537) -> RSAPrivateKey:
    """Return the key of this name and strength, always the same one in a run."""
    assert name
    return generate_private_key(public_exponent=exponent, key_size=bits)


def private_key(name: str) -> PrivateKey:
    """Return the key of this name as one that was loaded."""
    return PrivateKey(f"{name}.pem", rsa_key(name))


def public_key(name: str) -> PublicKey:
    """Return the public half of this key as one that was loaded."""
    return PublicKey(f"{name}.pub", rsa_key(name).public_key())


def private_pem(
    key: PrivateKeyTypes,
    form: PrivateFormat = PrivateFormat.PKCS8,
    protection: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.PEM, form, protection or NoEncryption())


def private_der(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def public_pem(
    key: PublicKeyTypes, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo
) -> bytes:
    return key.public_bytes(Encoding.PEM, form)


def public_der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def spki(key: RSAPublicKey) -> str:
    """Return the key as iAdvize prints its own: the base64 SubjectPublicKeyInfo."""
    return base64.b64encode(public_der(key)).decode()
