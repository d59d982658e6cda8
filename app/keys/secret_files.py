"""Secrets: files of random bytes, and of what somebody else chose."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .faults import KeyFault
from .files import read_private_file, write_private_file

MINIMUM_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """Random bytes from a file. Its `repr` shows only the file."""

    source: str
    value: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, independent of any other's (HKDF, RFC 5869)."""
        hkdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
        return hkdf.derive(self.value)


@dataclass(frozen=True, slots=True)
class TextSecret:
    """A secret that somebody else chose, such as a client secret. Its `repr` hides it."""

    source: str
    value: str = field(repr=False)


def generate_secret(path: Path) -> Secret:
    """Write 64 random bytes, base64, to `path` (mode 0600) and return them."""
    value = base64.b64encode(os.urandom(64))
    write_private_file(path, value + b"\n")
    return Secret(str(path), value)


def load_secret(path: Path) -> Secret:
    """Load a file of at least 32 random bytes that only its owner may read."""
    value = read_private_file(path).strip()
    if b"-----BEGIN" in value:
        # It would do for a while, and change with the key.
        raise KeyFault(str(path), "holds a key", "Make a secret with: usher keys secret")
    if len(value) < MINIMUM_SECRET_BYTES or len(set(value)) < MINIMUM_SECRET_BYTES // 4:
        raise KeyFault(
            str(path),
            f"holds less than {MINIMUM_SECRET_BYTES} random bytes",
            "Make one with: usher keys secret",
        )
    return Secret(str(path), value)


def load_text_secret(path: Path) -> TextSecret:
    """Load a file with one line of printable ASCII that only its owner may read."""
    value = read_private_file(path).strip()
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        text = "\n"
    if not text.isprintable():
        raise KeyFault(
            str(path), "holds more than one line of printable characters", "Check its content"
        )
    return TextSecret(str(path), text)
