"""What iAdvize's server would say to a token: yes, or one of its documented reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

from ..errors import Code, Rejected
from ..inspection import USER_ID, VISITOR_DATA, Inspection, inspect_token

SERVER_ERROR = "Failed to fetch authentication with a server error"
CREDENTIALS = (
    "Failed to authenticate visitor from credentials : the project's set-up is not complete"
)
MALFORMED = "malformed token"
INVALID_KEY = "invalid key"
EXPIRED = "expired token"

# Whatever the token: the code for the demo page, and what iAdvize says.
ANSWERS = {
    "feature-off": ("feature-off", SERVER_ERROR),
    "credentials": ("credentials", CREDENTIALS),
    "malformed": ("malformed", MALFORMED),
}
# What is no verdict at all.
NO_VERDICTS = ("server-error", "broken")
# From the outside in, as a server would stop at the first.
REJECTIONS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset(
            {"at-most-4-kb", "five-segments", "outer-alg", "outer-enc", "outer-cty", "no-zip"}
        ),
        "malformed",
        MALFORMED,
    ),
    (frozenset({"decrypts"}), "invalid-key", INVALID_KEY),
    (frozenset({"inner-jws", "inner-alg"}), "malformed", MALFORMED),
    (frozenset({"signature"}), "invalid-key", INVALID_KEY),
    (frozenset({"not-expired"}), "expired", EXPIRED),
    (frozenset({"exp-is-near"}), "exp-too-far", SERVER_ERROR),
)
LONGEST_OFFSET_SECONDS = 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is different from a working iAdvize.

    `clock_offset_seconds` is how far its clock is ahead of ours; with `has_other_key` it opens
    tokens with a key that nobody encrypts for; `answer` names an answer that it gives to
    everything.
    """

    clock_offset_seconds: int = 0
    has_other_key: bool = False
    answer: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Conditions:
        """Return the conditions that the page sent. Raises `Rejected`."""
        offset = given.get("clock_offset_seconds", 0)
        key = given.get("recipient_key", "sandbox")
        answer = given.get("answer")
        is_offset = type(offset) is int and abs(offset) <= LONGEST_OFFSET_SECONDS
        is_answer = answer is None or answer in (*NO_VERDICTS, *ANSWERS)
        if not is_offset or key not in ("sandbox", "other") or not is_answer:
            raise Rejected(Code.MALFORMED_REQUEST)
        return cls(offset, key == "other", answer)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is in iAdvize's words, `code` in ours; both are `None` when it said yes."""

    inspection: Inspection
    code: str | None = None
    reason: str | None = None

    @property
    def visitor(self) -> dict[str, str] | None:
        """The person whom the token authenticates."""
        claims = self.inspection.claims
        if self.reason is not None or claims is None:
            return None
        data = claims.get(VISITOR_DATA, {})
        parts = (data.get("firstName", ""), data.get("lastName", ""))
        name = " ".join(part for part in parts if part)
        return {"user_id": claims[USER_ID], "name": name or claims[USER_ID]}


def verify(
    token: str,
    conditions: Conditions,
    *,
    recipient_key: RSAPrivateKey,
    signing_key: RSAPublicKey,
    issuer: str,
    now: float,
) -> Verdict:
    """Return what iAdvize would say to `token`; `now` is by our clock, not by its own."""
    inspection = inspect_token(
        token,
        recipient_key=_other_key() if conditions.has_other_key else recipient_key,
        signing_key=signing_key,
        issuer=issuer,
        now=now + conditions.clock_offset_seconds,
    )
    if conditions.answer in ANSWERS:
        return Verdict(inspection, *ANSWERS[conditions.answer])
    if inspection.accepted:
        return Verdict(inspection)
    for checks, code, reason in REJECTIONS:
        if checks & inspection.failed:
            return Verdict(inspection, code, reason)
    return Verdict(inspection, "bad-claims", SERVER_ERROR)


@cache
def _other_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)
