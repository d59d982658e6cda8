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
from .keys import PublicKey
from .minter import Minter
from .policy import Issue
from .settings import Settings
from .user_ids import UserId


def self_test(settings: Settings) -> None:
    """Raise `SettingsError` unless a token made with these keys can be opened and verified."""
    try:
        failed = _failed_checks(settings)
    except Exception as error:  # whatever the libraries make of a key that they can't use
        failed = type(error).__name__
    if failed:
        found = f"{settings.token.signing_key.source}, with which a token fails: {failed}"
        raise SettingsError((Fault("token.signing_key", found, "a working RSA key"),))


def _failed_checks(settings: Settings) -> str:
    key, scratch = settings.token.signing_key, _scratch_key()
    now = time.time()
    probe = Issue(Identity(provider="self-test", subject="0", signed_in_at=now), UserId("0"))
    inspection = inspect_token(
        _minter(settings, PublicKey("self-test", scratch.public_key()), now).mint(probe).value,
        recipient_key=scratch,
        signing_key=key.public_key,
        issuer=settings.issuer,
        now=now,
    )
    _minter(settings, settings.recipient_key, now).mint(probe)
    return ", ".join(check.name for check in inspection.checks if not check.passed)


@cache
def _scratch_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def _minter(settings: Settings, recipient_key: PublicKey, now: float) -> Minter:
    return Minter(
        issuer=settings.issuer,
        signing_key=settings.token.signing_key,
        recipient_key=recipient_key,
        lifetime_seconds=settings.token.lifetime_seconds,
        clock=lambda: now,
    )
