"""The keys: sized, of use together, and those that iAdvize knows."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Finding, ok
from ..key_findings import key_findings
from .subject import Subject


def key_use_findings(subject: Subject) -> Iterator[Finding]:
    """Judge the keys. That they are loaded says that each is whole, strong and private."""
    settings = subject.settings
    own, theirs = settings.token.signing_key, settings.recipient_key
    yield from key_findings(settings)
    yield ok(
        "key sizes",
        f"signing {own.public_key.key_size} bits, recipient {theirs.public_key.key_size} bits",
    )
    # It was done when the parts were wired, and settings that fail it can't be used.
    yield ok("self-test", "a token made with these keys can be opened and verified")
