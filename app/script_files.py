"""Scripts that pages load, and what ties a page to one version of them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

VERSION_DIGITS = 16


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A script as the service sends it: its path, and its content."""

    path: str
    content: bytes

    @property
    def address(self) -> str:
        """The path with the version, under which caches may keep this content for good."""
        return f"{self.path}?v={version(self.content)}"

    @property
    def integrity(self) -> str:
        """The content's hash (W3C Subresource Integrity): browsers run nothing else."""
        digest = hashlib.sha384(self.content).digest()
        return "sha384-" + base64.b64encode(digest).decode()


def version(content: bytes) -> str:
    """Return the version of a file: the beginning of its SHA-384, in hexadecimal."""
    return hashlib.sha384(content).hexdigest()[:VERSION_DIGITS]
