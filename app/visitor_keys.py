"""A word for a person that a page may hold: it tells whether two visitors are the same one."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from flask_usher.providers.base import Identity

from .keyed_digests import keyed_digest
from .keys import Secret

KEY_BYTES = 12


class VisitorKeys:
    """Derives the words. They lead back to nobody, and differ between installations."""

    def __init__(self, secret: Secret) -> None:
        self._key = secret.derive("usher visitor key")

    def key(self, identity: Identity) -> str:
        """Return the word for this person: 16 characters of base64url."""
        digest = keyed_digest(self._key, identity.provider, identity.subject)
        return urlsafe_b64encode(digest[:KEY_BYTES]).decode()
