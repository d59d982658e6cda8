"""Keyed hashes over several texts, such as a provider's name and a subject."""

from __future__ import annotations

import hashlib
import hmac


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """Return 32 bytes: HMAC with SHA-256 (RFC 2104) over the parts, each after its length.

    So no two lists of parts are one message.
    """
    encoded = [part.encode() for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.digest(key, message, hashlib.sha256)
