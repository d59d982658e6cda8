"""Passwords: their canonical form, their hashes, and how many are hashed at once."""

from __future__ import annotations

import base64
import os
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import (
    HashingError,
    InvalidHashError,
    VerificationError,
    VerifyMismatchError,
)
from precis_i18n import get_profile

from .base import ProviderUnavailable

MAX_BYTES = 1024
PATIENCE_SECONDS = 2.0

# OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, two passes, one lane.
_hasher = PasswordHasher(
    time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16
)
_mappings = get_profile("OpaqueString").apply_five_rules

_PHC = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]?),p=([1-9][0-9]?)"
    r"\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})"
)
_MAX_MEMORY_KIB = 262144
_MAX_PASSES = 16
_MAX_LANES = 16


class UnusablePassword(ValueError):
    """The text can be no password; the message says why, without repeating the text."""


def prepare(text: str) -> bytes:
    """Return the bytes that are hashed for this password.

    Of RFC 8265's profile OpaqueString all mappings are applied (other spaces become U+0020,
    then NFC), so that a password is the same on every keyboard. Its list of characters is not:
    it would turn away emoji. Raises `UnusablePassword` for an empty text, control characters,
    lone surrogates and more than 1,024 bytes in UTF-8.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UnusablePassword("it is not valid Unicode") from None
    if not 0 < size <= MAX_BYTES:
        raise UnusablePassword(f"it must have 1 to {MAX_BYTES:,} bytes")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise UnusablePassword("it holds a control character")
    return _mappings(text).encode()


def is_usable_hash(stored: object) -> bool:
    """Tell whether this is an argon2id hash in PHC form that can be verified at a sane cost."""
    match = _PHC.fullmatch(stored) if isinstance(stored, str) else None
    if match is None:
        return False
    memory, passes, lanes = (int(number) for number in match.groups()[:3])
    return (
        8 * lanes <= memory <= _MAX_MEMORY_KIB
        and passes <= _MAX_PASSES
        and lanes <= _MAX_LANES
        and all(_is_base64(part) for part in match.groups()[3:])
    )


def is_outdated(stored: str) -> bool:
    """Tell whether a usable hash was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


class Passwords:
    """Hashes and verifies, at most `concurrency` passwords at once (default: one for each CPU).

    A call that can't begin within `patience` seconds raises `ProviderUnavailable`: better a
    few turned away than a queue that nobody sees the end of.
    """

    def __init__(
        self, *, concurrency: int | None = None, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._slots = threading.BoundedSemaphore(concurrency or available_cpus())
        self._patience = patience
        self._nobodys_hash = _hash_of_no_password()

    def hash(self, password: bytes) -> str:
        """Return the hash to store for a prepared password."""
        with self._slot():
            try:
                return _hasher.hash(password)
            except HashingError as error:
                raise ProviderUnavailable("argon2 failed") from error

    def verify(self, password: bytes, stored: str | None) -> bool:
        """Tell whether `password` is the one that was hashed as `stored`.

        `None` stands for an account that does not exist or whose hash is unusable. The answer
        is then no, after the same work, so that the time taken does not tell who exists.
        """
        with self._slot():
            if stored is not None:
                try:
                    return _hasher.verify(stored, password)
                except VerifyMismatchError:
                    return False
                except (VerificationError, InvalidHashError):
                    pass
            try:
                _hasher.verify(self._nobodys_hash, password)
            except VerifyMismatchError:
                return False
            except VerificationError as error:
                raise ProviderUnavailable("argon2 failed") from error
            return False

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._patience):
            raise ProviderUnavailable("too many passwords are being verified")
        try:
            yield
        finally:
            self._slots.release()


def available_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _hash_of_no_password() -> str:
    """Return a well-formed hash with today's parameters that no known password has."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_hasher.salt_len, _hasher.hash_len)
    )
    return (
        f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
        f"${salt}${digest}"
    )


def _is_base64(part: str) -> bool:
    if len(part) % 4 == 1:
        return False
    decoded = base64.b64decode(part + "=" * (-len(part) % 4))
    return base64.b64encode(decoded).decode().rstrip("=") == part
