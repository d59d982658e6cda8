"""Opens every token as iAdvize would, and compares it with who asked and with the audit log.

Tokens are opened with joserfc, on which the minter is not built.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from faults.page_views import Asked
from faults.people import Person
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

USER_ID = "https://iadvize.com/userId"
LEEWAY_SECONDS = 2


class Verdict(Enum):
    """What is true of a token."""

    GOOD = "good"
    WRONG = "wrong"
    """It does not open, or is another person's, or of somebody who had signed out."""
    OUT_OF_TIME = "out of time"
    """It is the right person's, but had expired when it came, or is good for too long."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What iAdvize knows: its own key, the brand's public keys, and the issuer.

    `seconds_to_time` turns `time.monotonic` into seconds since the epoch.
    """

    recipient_key: RSAKey
    signing_keys: Sequence[RSAKey]
    issuer: str
    lifetime_seconds: float
    seconds_to_time: float
    signed_out: dict[Person, float] = field(default_factory=dict)
    """When the answer to a person's sign-out came: whoever asks later gets nothing."""

    def verdict(self, asked: Asked) -> Verdict:
        """Look at the token that an answer held."""
        try:
            claims = self._open(asked.token)
        except (JoseError, ValueError):
            return Verdict.WRONG
        if claims.get("iss") != self.issuer or claims.get(USER_ID) != asked.person.user_id:
            return Verdict.WRONG
        if asked.started > self.signed_out.get(asked.person, float("inf")):
            return Verdict.WRONG
        left = claims["exp"] - (asked.ended + self.seconds_to_time)
        longest = self.lifetime_seconds + LEEWAY_SECONDS
        return Verdict.GOOD if 0 < left <= longest else Verdict.OUT_OF_TIME

    def _open(self, token: str) -> Mapping[str, Any]:
        inner = jwe.decrypt_compact(
            token, self.recipient_key, algorithms=["RSA-OAEP-256", "A256GCM"]
        ).plaintext
        if inner is None:
            raise ValueError("nothing inside")
        claims = json.loads(self._verified(inner))
        if not isinstance(claims, dict) or type(claims.get("exp")) is not int:
            raise ValueError("no claims")
        return claims

    def _verified(self, inner: bytes) -> bytes:
        for key in self.signing_keys:
            try:
                return jws.deserialize_compact(inner, key, algorithms=["RS256"]).payload
            except JoseError:
                continue
        raise ValueError("signed by somebody else")


@dataclass(frozen=True, slots=True)
class Books:
    """Tokens that were delivered against the audit lines of all hosts."""

    unaudited: int
    """Tokens that have not exactly one line, or one that names another answer or person."""
    undelivered: int
    """Lines whose token nobody got: nginx asked again, or the visitor's connection broke."""


def compare(delivered: Iterable[Asked], lines: Iterable[Mapping[str, Any]]) -> Books:
    """Look for the one line of each token; people keep one pseudonym in all lines."""
    issued = [it for it in lines if it.get("code") == "issued"]
    times = Counter(it.get("token_sha256") for it in issued)
    by_hash = {it.get("token_sha256"): it for it in issued}
    pseudonyms: dict[object, Person] = {}
    unaudited, found = 0, 0
    for asked in delivered:
        digest = hashlib.sha256(asked.token.encode()).hexdigest()
        line = by_hash.get(digest, {})
        person = pseudonyms.setdefault(line.get("subject"), asked.person)
        found += digest in by_hash
        is_right = line.get("support_id") == asked.support_id and person == asked.person
        unaudited += times[digest] != 1 or not is_right
    return Books(unaudited, len(issued) - found)


def audit_lines(file: Path, since: int = 0) -> list[dict[str, Any]]:
    """Return the whole lines of an audit log; what a full disk cut short is none."""
    lines = []
    for line in file.read_bytes()[since:].splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines
