"""The pair of keys in force, of those that this host has, and the minter that works with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..database import Database
from ..errors import KeyUnavailable
from ..keys import AnyKey, PublicKey, Signer
from ..minter import Minter
from .records import Purpose, in_force

FRESH_SECONDS = 0.5
PROBE = b"Is the key there?"
Key = TypeVar("Key", bound=AnyKey)
Fingerprints = tuple[str | None, str | None]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _InForce:
    fingerprints: Fingerprints
    minter: Minter | None
    fault: str = ""

    def demand(self) -> Minter:
        if self.minter is None:
            raise KeyUnavailable(self.fault)
        return self.minter


class KeyRing:
    """Gives the minter for the pair of keys that is in force on all hosts.

    `signers` and `recipients` are the keys of the settings, the first of each being in force
    where the database names none. `build` makes the minter for a pair; `monotonic` gives
    seconds that never go back. A worker is at most half a second behind the database.
    """

    def __init__(
        self,
        database: Database,
        signers: Sequence[Signer],
        recipients: Sequence[PublicKey],
        build: Callable[[Signer, PublicKey], Minter],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signers = tuple(signers)
        self.recipients = tuple(recipients)
        self.held = frozenset(
            {it.fingerprint for it in signers} | {it.fingerprint for it in recipients}
        )
        self._database = database
        self._build = build
        self._monotonic = monotonic
        # Which keys are in force, and until when that need not be read again.
        self._known: tuple[_InForce | None, float] = (None, float("-inf"))

    def minter(self) -> Minter:
        """Return the minter of the pair in force: whatever it makes, it makes with that pair.

        Raises `KeyUnavailable` when this host does not have both, and `StoreUnavailable`.
        """
        known, fresh_until = self._known
        if known is None or self._monotonic() >= fresh_until:
            known = self._read()
        return known.demand()

    def check(self) -> None:
        """Sign something, to no end, with what is in force this moment.

        Raises as `minter` does, and when the key is away.
        """
        self._read().demand().signing_key.sign(PROBE)

    def _read(self) -> _InForce:
        fresh_until = self._monotonic() + FRESH_SECONDS
        fingerprints = in_force(self._database)
        known, _ = self._known
        if known is None or fingerprints != known.fingerprints:
            made = self._made(fingerprints)
            if known is not None and made.minter is not None:
                logger.warning(
                    "tokens are signed with %s now, and encrypted for %s",
                    made.minter.signing_key.fingerprint,
                    made.minter.recipient_key.fingerprint,
                )
            known = made
        self._known = (known, fresh_until)
        return known

    def _made(self, fingerprints: Fingerprints) -> _InForce:
        try:
            signer = _chosen(self.signers, fingerprints[0], Purpose.SIGNING)
            recipient = _chosen(self.recipients, fingerprints[1], Purpose.RECIPIENT)
        except KeyUnavailable as error:
            logger.error("no token can be made: %s", error)
            return _InForce(fingerprints, None, str(error))
        return _InForce(fingerprints, self._build(signer, recipient))


def _chosen(listed: tuple[Key, ...], fingerprint: str | None, purpose: Purpose) -> Key:
    if fingerprint is None:
        return listed[0]
    for key in listed:
        if key.fingerprint == fingerprint:
            return key
    raise KeyUnavailable(f"the {purpose} key in force, {fingerprint}, is not on this host")
