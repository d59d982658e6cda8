"""The test that the keys pass before the service starts: mint, decrypt, verify.

The recipient's private key is not ours, so a pair made for this stands in for it. The token is
opened with another library than the minter's.
"""

from __future__ import annotations

import time
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from flask_usher.providers.base import Identity

from .errors import Fault, SettingsError
from .inspection import inspect_token
from .keys import PublicKey, Signer
from .minter import Minter
from .policy import Issue
from .settings import Settings
from .user_ids import UserId

EXPECTED = "a working RSA key"


def self_test(settings: Settings) -> None:
    """Raise `SettingsError` unless tokens made with each of the keys can be opened."""
    faults = tuple(
        Fault(
            "token.signing_key", f"{key.source}, with which a token fails: {failed}", EXPECTED
        )
        for key in settings.token.signing_key
        if (failed := _failed_checks(settings, key))
    )
    if faults:
        raise SettingsError(faults)


def _failed_checks(settings: Settings, key: Signer) -> str:
    scratch, now = _scratch_key(), time.time()
    probe = Issue(Identity(provider="self-test", subject="0", signed_in_at=now), UserId("0"))
    try:
        inspection = inspect_token(
            _token(settings, key, PublicKey("self-test", scratch.public_key()), probe, now),
            recipient_key=scratch,
            signing_key=key.public_key,
            issuer=settings.issuer,
            now=now,
        )
        for recipient_key in settings.recipient_keys:
            _token(settings, key, recipient_key, probe, now)
    except Exception as error:  # whatever the libraries make of a key that they can't use
        return type(error).__name__
    return ", ".join(check.name for check in inspection.checks if not check.passed)


@cache
def _scratch_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _token(
    settings: Settings, key: Signer, recipient_key: PublicKey, probe: Issue, now: float
) -> str:
    minter = Minter(
        issuer=settings.issuer,
        signing_key=key,
        recipient_key=recipient_key,
        lifetime_seconds=settings.token.lifetime_seconds,
        clock=lambda: now,
    )
    return minter.mint(probe).value
