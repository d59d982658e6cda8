"""RSA keys: generate, load, check, publish.

Loading is strict, because a wrong key is found out by visitors otherwise: every fault raises
`KeyFault`, which names the file and the remedy and never shows what the file holds.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

MINIMUM_BITS = 2048
MAXIMUM_BITS = 8192
PUBLIC_EXPONENT = 65537
MAXIMUM_FILE_BYTES = 64 * 1024
MINIMUM_SECRET_BYTES = 32

IADVIZE_PRODUCTION = "iadvize-production"
_IADVIZE_PRODUCTION_SPKI = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1KdAzuUa5rOXgLHavoDRYoNXzwWz/pFhgGypYFbvV8DN"
    "jB93XK2AzKTwW+vxT7RYl4f+sKLdEi3dJYgPt2hquhTNmFxAzRvTuolUOKr1XNx7QbDj+7cfLVDYjmds/ydNtyHi"
    "8TUHSvfzs8SGXO5E5H13llmayPEslHKShG0cLIDcLNr6hJcfv9fvOZqQlLQ4Bx7to/66IHke9zY+1oidrUdFGzxX"
    "G+RGK81mIMuXj6N2EGJ7YYcQqXJfBJnWFlSGCQNttw5Rfj00eZbkMRO3XohhNqGIiBG2tejSjfB53UpiHdbzni+t"
    "yB72R5aaq4d+gkkgaOVYn/Or2fArOH2FUQIDAQAB"
)


class KeyFault(ValueError):
    """A key that can't be used: `source` is its file or preset, `remedy` what to do."""

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        super().__init__(f"{source}: {problem}. {remedy}")
        self.source = source
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """An RSA private key and the file that it came from. Its `repr` shows no key material."""

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


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA public key and where it came from."""

    source: str
    public_key: RSAPublicKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """See the function `fingerprint`."""
        return fingerprint(self.public_key)


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


def fingerprint(key: RSAPublicKey) -> str:
    """Return `SHA256:` and the base64 SHA-256 of the key's DER SubjectPublicKeyInfo."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def public_pem(key: RSAPublicKey) -> str:
    """Return the key as a PEM SubjectPublicKeyInfo, the form that iAdvize asks for."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def generate(path: Path, bits: int = MINIMUM_BITS) -> PrivateKey:
    """Write a new RSA private key to `path` (PKCS#8 PEM, mode 0600) and return it.

    Raises `FileExistsError` rather than replace a file: a lost signing key can't be had back.
    """
    key = generate_private_key(public_exponent=PUBLIC_EXPONENT, key_size=bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private_file(path, pem)
    return PrivateKey(str(path), key)


def generate_secret(path: Path) -> Secret:
    """Write 64 random bytes, base64, to `path` (mode 0600) and return them."""
    value = base64.b64encode(os.urandom(64))
    write_private_file(path, value + b"\n")
    return Secret(str(path), value)


def write_private_file(path: Path, content: bytes) -> None:
    """Create `path` with mode 0600, whole or not at all.

    Raises `FileExistsError` when it is already there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
    except OSError:
        path.unlink()
        raise


def load_private_key(path: Path) -> PrivateKey:
    """Load and check an RSA private key from a PEM file that only its owner may read."""
    pem = _read_private_file(path)
    if b"PRIVATE KEY" not in pem:
        raise KeyFault(
            str(path),
            "holds a public key" if b"PUBLIC KEY" in pem else "is no PEM private key",
            "Give the private key's PEM file, or make one with: usher keys generate",
        )
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise KeyFault(
            str(path),
            "is encrypted with a passphrase",
            "Decrypt it with: openssl pkey -in FILE -out NEW-FILE, and protect the new file",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            str(path),
            "is damaged or not a key",
            "Restore it from a backup, or make one with: usher keys generate",
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise KeyFault(
            str(path), "is not an RSA key", "Make an RSA key with: usher keys generate"
        )
    _check_strength(str(path), key.public_key())
    return PrivateKey(str(path), key)


def iadvize_production() -> PublicKey:
    """Return the key that iAdvize publishes for its production."""
    return _public_from_der(IADVIZE_PRODUCTION, _IADVIZE_PRODUCTION_SPKI)


def is_key_itself(text: str) -> bool:
    """Tell whether this is a key, base64 or PEM, rather than the path of one."""
    return text.startswith("MII") or "-----BEGIN" in text


def load_public_key(path: Path) -> PublicKey:
    """Load and check an RSA public key from a file: PEM, or base64 as iAdvize prints it."""
    return parse_public_key(str(path), _read_file(path))


def parse_public_key(source: str, content: bytes) -> PublicKey:
    """Return the RSA public key in `content`: PEM, or base64 as iAdvize prints it."""
    if b"PRIVATE KEY" in content:
        raise KeyFault(
            source,
            "holds a private key where iAdvize's public key belongs",
            f'Use the preset "{IADVIZE_PRODUCTION}" or the public key that iAdvize gave you',
        )
    if b"-----BEGIN" not in content:
        return _public_from_der(source, content.decode("ascii", "replace"))
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            source, "is damaged or not a public key", "Fetch it from iAdvize again"
        ) from error
    return _checked_public(source, key)


def load_secret(path: Path) -> Secret:
    """Load a file of at least 32 random bytes that only its owner may read."""
    value = _read_private_file(path).strip()
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
    value = _read_private_file(path).strip()
    try:
        text = value.decode("ascii")
    except UnicodeDecodeError:
        text = "\n"
    if not text.isprintable():
        raise KeyFault(
            str(path), "holds more than one line of printable characters", "Check its content"
        )
    return TextSecret(str(path), text)


def _public_from_der(source: str, spki: str) -> PublicKey:
    try:
        der = base64.b64decode("".join(spki.split()), validate=True)
        key = load_der_public_key(der)
    except (binascii.Error, ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault(
            source,
            "is no public key in PEM or base64",
            "Copy the key from iAdvize again, whole",
        ) from error
    return _checked_public(source, key)


def _checked_public(source: str, key: object) -> PublicKey:
    if not isinstance(key, RSAPublicKey):
        raise KeyFault(source, "is not an RSA key", "Tokens are encrypted with RSA-OAEP-256")
    _check_strength(source, key)
    return PublicKey(source, key)


def _check_strength(source: str, key: RSAPublicKey) -> None:
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


def _read_private_file(path: Path) -> bytes:
    content = _read_file(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise KeyFault(
            str(path),
            f"can be read or changed by others (mode {mode:04o})",
            f"Run: chmod 600 {path}",
        )
    return content


def _read_file(path: Path) -> bytes:
    try:
        if not stat.S_IMODE(path.stat().st_mode) & 0o400:
            # The superuser could read it all the same, and would only there.
            raise PermissionError
        with path.open("rb") as file:
            content = file.read(MAXIMUM_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise KeyFault(
            str(path), "does not exist", "Check the path, or make it with: usher keys --help"
        ) from error
    except IsADirectoryError as error:
        raise KeyFault(str(path), "is a directory", "Give the path of a file") from error
    except PermissionError as error:
        raise KeyFault(
            str(path),
            "may not be read by this user",
            f"Run as the file's owner: chmod 600 {path}",
        ) from error
    except (OSError, ValueError) as error:
        raise KeyFault(str(path), "cannot be read", "Check the path") from error
    if not content.strip():
        raise KeyFault(str(path), "is empty", "Restore it, or make it with: usher keys --help")
    if len(content) > MAXIMUM_FILE_BYTES:
        raise KeyFault(str(path), "is too large for a key", "Check the path")
    return content
