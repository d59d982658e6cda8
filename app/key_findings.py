"""What is to be said of keys that work: are they the ones that iAdvize knows?"""

from __future__ import annotations

from collections.abc import Iterator

from . import keys
from .findings import Finding, ok
from .settings import Settings


def key_findings(settings: Settings) -> Iterator[Finding]:
    """Judge the keys that the settings name."""
    own = settings.token.signing_key[0]
    if settings.token.signing_key_fingerprint is None:
        remedy = f'Set token.signing_key_fingerprint = "{own.fingerprint}" once iAdvize has it.'
        yield Finding("signing key", "warning", f"{own.fingerprint}, not pinned", remedy)
    else:
        yield ok("signing key", f"{own.fingerprint}, as in token.signing_key_fingerprint")
    key = settings.recipient_keys[0]
    if key.fingerprint == keys.iadvize_production().fingerprint:
        yield ok("recipient key", f"{key.fingerprint}, iAdvize's for production")
    else:
        remedy = 'For production: token.recipient_key = "iadvize-production".'
        found = f"{key.fingerprint}, not iAdvize's for production"
        yield Finding("recipient key", "warning", found, remedy)
