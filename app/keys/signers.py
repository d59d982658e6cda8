"""What signs tokens, and the sources that it may come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from .faults import KeyFault
from .pkcs11_signer import Pkcs11Signer
from .pkcs11_uri import SCHEME as PKCS11
from .pkcs11_uri import parse_pkcs11_uri
from .private import load_private_key, private_key_from_environment

ENVIRONMENT = "env:"


class AnyKey(Protocol):
    """An RSA key, at least the public half of it."""

    @property
    def source(self) -> str:
        """Where the key is, in words that hold no secret."""

    @property
    def public_key(self) -> RSAPublicKey:
        """The public half."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the public half."""


class Signer(AnyKey, Protocol):
    """Signs with one RSA key, wherever that is kept."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of RS256: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3).

        Any thread may call it. Raises `KeyUnavailable` while what keeps the key is away.
        """


def is_path(source: str) -> bool:
    """Tell whether a source is the path of a file."""
    return not source.startswith((PKCS11, ENVIRONMENT))


def load_signer(source: str, environment: Mapping[str, str]) -> Signer:
    """Return what a source names: `env:NAME`, a `pkcs11:` URI (RFC 7512), or a PEM file.

    Raises `KeyFault`.
    """
    if source.startswith(PKCS11):
        return Pkcs11Signer(parse_pkcs11_uri(source))
    if source.startswith(ENVIRONMENT):
        name = source.removeprefix(ENVIRONMENT)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise KeyFault("env:", "names no variable", "Write env: and the variable's name")
        return private_key_from_environment(name, environment)
    return load_private_key(Path(source))
