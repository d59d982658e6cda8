"""Private keys in the memory of this process, from a file or a variable."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from .faults import KeyFault
from .files import read_private_file, write_private_file
from .rsa import MINIMUM_BITS, PUBLIC_EXPONENT, check_strength, fingerprint

_PADDING, _HASH = PKCS1v15(), SHA256()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA private key and where it came from. Its `repr` shows no key material."""

    source: str
    private_key: RSAPrivateKey = field(repr=False)

    @property
    def public_key(self) -> RSAPublicKey:
        """The public half."""
        return self.private_key.public_key()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the public half, see `fingerprint`."""
        return fingerprint(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of RS256 (RFC 7518, section 3.3)."""
        return self.private_key.sign(data, _PADDING, _HASH)


def generate(path: Path, bits: int = MINIMUM_BITS) -> PrivateKey:
    """Write a new RSA private key to `path` (PKCS#8 PEM, mode 0600) and return it.

    Raises `FileExistsError` rather than replace a file: a lost signing key can't be had back.
    """
    key = generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private_file(path, pem)
    return PrivateKey(str(path), key)


def load_private_key(path: Path) -> PrivateKey:
    """Load and check an RSA private key from a PEM file that only its owner may read."""
    return _parsed(str(path), read_private_file(path))


def private_key_from_environment(name: str, environment: Mapping[str, str]) -> PrivateKey:
    """Return the RSA private key in a variable: PEM, or the base64 of PEM on one line."""
    source, text = f"env:{name}", environment.get(name, "")
    if not text.strip():
        raise KeyFault(source, "is empty or not set", "Put the key's PEM into this variable")
    if "-----BEGIN" in text:
        return _parsed(source, text.encode("utf-8", "replace"))
    try:
        return _parsed(source, base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        if isinstance(error, KeyFault):
            raise
    # Outside of the block above: what it caught may quote the variable.
    raise KeyFault(source, "is neither PEM nor base64", "Fill it with: base64 -w0 KEY-FILE")


def _parsed(source: str, pem: bytes) -> PrivateKey:
    if b"PRIVATE KEY" not in pem:
        raise KeyFault(
            source,
            "holds a public key" if b"PUBLIC KEY" in pem else "is no PEM private key",
            "Give the private key's PEM file, or make one with: usher keys generate",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise KeyFault(
            source,
            "is encrypted with a passphrase",
            "Decrypt it with: openssl pkey -in FILE -out NEW-FILE, and protect the new file",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            source,
            "is damaged or not a key",
            "Restore it from a backup, or make one with: usher keys generate",
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise KeyFault(source, "is not an RSA key", "Make an RSA key with: usher keys generate")
    check_strength(source, key.public_key())
    return PrivateKey(source, key)
