"""The keys: sized, of use together, and those that iAdvize knows."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import KeyUnavailable, UsherError
from ..findings import Finding, fault, ok
from ..key_findings import key_findings
from .subject import Subject


def key_use_findings(subject: Subject) -> Iterator[Finding]:
    """Judge the keys. That they are loaded says that each is whole, strong and private."""
    settings = subject.settings
    yield from key_findings(settings)
    own, theirs = (
        ", ".join(str(it.public_key.key_size) for it in keys)
        for keys in (settings.token.signing_key, settings.recipient_keys)
    )
    yield ok("key sizes", f"signing {own} bits, recipient {theirs} bits")
    # It was done when the parts were wired, and settings that fail it can't be used.
    yield ok("self-test", "a token made with these keys can be opened and verified")
    yield from _in_force(subject)


def _in_force(subject: Subject) -> Iterator[Finding]:
    try:
        subject.state.admission.key_ring.check()
    except KeyUnavailable as error:
        remedy = "List the key in these settings, or go back: usher keys rollback"
        why = "This host issues no token."
        yield fault("keys in force", error.reason or error.code, why, remedy)
    except UsherError:
        # What the database lacks is told where that is judged.
        return
    else:
        yield ok("keys in force", "this host has them, and they work")
