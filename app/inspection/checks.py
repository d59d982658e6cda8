"""The rules of the contract, one named function each: given an opened token, what of it?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

USER_ID = "https://iadvize.com/userId"
VISITOR_DATA = "https://iadvize.com/visitorData"
VISITOR_FIELDS = frozenset(
    {"address", "city", "country", "email", "firstName", "lastName", "phoneNumber", "zipCode"}
)
CLAIMS = frozenset({"iss", "exp", "iat", "jti", USER_ID, VISITOR_DATA})
# What a missing value turns into when somebody's code makes a string of it.
NO_VALUES = frozenset(
    {"null", "undefined", "none", "nil", "nan", "true", "false", "[object object]"}
)
# Control, format (direction, zero width), surrogate, unassigned, line and paragraph breaks.
UNSEEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})

LONGEST_USER_ID = 255
LARGEST_TOKEN_BYTES = 4096
TOKEN_LIFETIME_SECONDS = 60
CLOCK_AHEAD_SECONDS = 300

Finding = tuple[bool | None, str]
UNOPENED: Finding = (None, "the token could not be opened")


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and its verdict; `passed` is `None` where it could not be judged."""

    name: str
    passed: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What could be read of a token, layer by layer, and what is expected of it.

    `decrypted` and `signature_valid` are `None` where there was no key to try or nothing to
    try it on. `inner_segments` counts the parts of the decrypted text.
    """

    token_bytes: int
    segments: tuple[str, ...]
    outer_header: Mapping[str, Any] | None
    outer_fault: str
    decrypted: bool | None
    inner_segments: int | None
    inner_header: Mapping[str, Any] | None
    inner_fault: str
    claims: Mapping[str, Any] | None
    signature_valid: bool | None
    issuer: str | None
    now: float
    tolerance_seconds: int

    @property
    def expires(self) -> int | None:
        """The claim `exp`, where it is an integer."""
        value = (self.claims or {}).get("exp")
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def at_most_4_kb(it: Opened) -> Finding:
    """A token fits where headers fit."""
    return it.token_bytes <= LARGEST_TOKEN_BYTES, f"{it.token_bytes} bytes"


def five_segments(it: Opened) -> Finding:
    """A compact JWE: five base64url segments (RFC 7516, section 7.1)."""
    well_formed = all(re.fullmatch(r"[A-Za-z0-9_-]+", segment) for segment in it.segments)
    count = len(it.segments)
    if count == 5 and not well_formed:
        return False, "a segment is empty or not base64url"
    return count == 5, f"{count} segments"


def outer_alg(it: Opened) -> Finding:
    """The key is encrypted with RSA-OAEP-256."""
    return _member(it.outer_header, "alg", "RSA-OAEP-256", (False, it.outer_fault))


def outer_enc(it: Opened) -> Finding:
    """The content is encrypted with A256GCM."""
    return _member(it.outer_header, "enc", "A256GCM", (False, it.outer_fault))


def outer_cty(it: Opened) -> Finding:
    """A nested token says so (RFC 7519, section 5.2)."""
    return _member(it.outer_header, "cty", "JWT", (False, it.outer_fault))


def no_zip(it: Opened) -> Finding:
    """Nothing is compressed before encryption (RFC 8725, section 3.6)."""
    if it.outer_header is None:
        return False, it.outer_fault
    return "zip" not in it.outer_header, f"zip: {_shown(it.outer_header.get('zip'))}"


def decrypts(it: Opened) -> Finding:
    """The recipient's key opens it, and the authentication tag fits."""
    if it.decrypted is None:
        return None, "no private key was given"
    return it.decrypted, "opened" if it.decrypted else it.outer_fault


def inner_jws(it: Opened) -> Finding:
    """Inside is a compact JWS: three segments, a header and claims in strict JSON."""
    if it.inner_segments is None:
        return UNOPENED
    if it.inner_segments != 3:
        return False, f"{it.inner_segments} segments"
    readable = it.inner_header is not None and it.claims is not None
    return readable, "3 segments" if readable else it.inner_fault


def inner_alg(it: Opened) -> Finding:
    """The claims are signed with RS256, whatever else the header would like."""
    unreadable = UNOPENED if it.inner_segments is None else (False, it.inner_fault)
    return _member(it.inner_header, "alg", "RS256", unreadable)


def signature(it: Opened) -> Finding:
    """The signature is that of the brand's key."""
    if it.signature_valid is None:
        return None, "no public key was given" if it.claims is not None else UNOPENED[1]
    return it.signature_valid, "verified" if it.signature_valid else it.inner_fault


def exp_is_integer(it: Opened) -> Finding:
    """The moment of expiry is a whole number of seconds."""
    if it.claims is None:
        return UNOPENED
    return it.expires is not None, f"exp: {_shown(it.claims.get('exp'))}"


def not_expired(it: Opened) -> Finding:
    """The token is used before `exp` (RFC 7519, section 4.1.4)."""
    if it.expires is None:
        return None, "no usable exp"
    left = it.expires - it.now
    return left + it.tolerance_seconds > 0, f"{left:.0f} s left"


def exp_is_near(it: Opened) -> Finding:
    """`exp` is a minute ahead, and at most 5 minutes more by a clock that is fast."""
    if it.expires is None:
        return None, "no usable exp"
    left = it.expires - it.now
    most = TOKEN_LIFETIME_SECONDS + CLOCK_AHEAD_SECONDS + it.tolerance_seconds
    return left <= most, f"{left:.0f} s left, at most {most}"


def issuer(it: Opened) -> Finding:
    """`iss` is the brand's URL, to the letter."""
    if it.claims is None:
        return UNOPENED
    found = f"iss: {_shown(it.claims.get('iss'))}"
    if it.issuer is None:
        return None, f"{found}; none was given to compare"
    return it.claims.get("iss") == it.issuer, found


def user_id(it: Opened) -> Finding:
    """`userId` identifies one person: a string that no mishap produces for several."""
    if it.claims is None:
        return UNOPENED
    value = it.claims.get(USER_ID)
    if not isinstance(value, str):
        return False, "missing" if value is None else "not a string"
    units = len(value.encode("utf-16-le", "surrogatepass")) // 2
    if not value.strip() or value.strip().casefold() in NO_VALUES:
        return False, f"{_shown(value)} identifies nobody"
    if units > LONGEST_USER_ID:
        return False, f"{len(value)} code points, {units} UTF-16 units"
    if any(unicodedata.category(character) in UNSEEN for character in value):
        return False, "holds characters that nobody sees"
    return True, f"{len(value)} code points"


def visitor_data(it: Opened) -> Finding:
    """`visitorData`, if there, holds only the eight documented fields, all strings."""
    if it.claims is None:
        return UNOPENED
    if VISITOR_DATA not in it.claims:
        return True, "not sent"
    value = it.claims[VISITOR_DATA]
    if not isinstance(value, dict):
        return False, "not an object"
    unknown = sorted(value.keys() - VISITOR_FIELDS)
    if unknown:
        return False, f"unknown: {_shown(unknown)}"
    wrong = sorted(name for name, item in value.items() if not isinstance(item, str))
    return not wrong, f"not strings: {', '.join(wrong)}" if wrong else f"{len(value)} fields"


def only_known_claims(it: Opened) -> Finding:
    """No claims but the contract's, and `iat` and `jti` where an operator turned them on."""
    if it.claims is None:
        return UNOPENED
    unknown = sorted(it.claims.keys() - CLAIMS)
    return not unknown, f"unknown: {_shown(unknown)}" if unknown else f"{len(it.claims)} claims"


CHECKS: Mapping[str, Callable[[Opened], Finding]] = {
    "at-most-4-kb": at_most_4_kb,
    "five-segments": five_segments,
    "outer-alg": outer_alg,
    "outer-enc": outer_enc,
    "outer-cty": outer_cty,
    "no-zip": no_zip,
    "decrypts": decrypts,
    "inner-jws": inner_jws,
    "inner-alg": inner_alg,
    "signature": signature,
    "exp-is-integer": exp_is_integer,
    "not-expired": not_expired,
    "exp-is-near": exp_is_near,
    "issuer": issuer,
    "user-id": user_id,
    "visitor-data": visitor_data,
    "only-known-claims": only_known_claims,
}


def judge(opened: Opened) -> tuple[Check, ...]:
    """Return the verdict of every rule, from the outside in."""
    return tuple(Check(name, *check(opened)) for name, check in CHECKS.items())


def _member(
    header: Mapping[str, Any] | None, name: str, expected: str, unreadable: Finding
) -> Finding:
    if header is None:
        return unreadable
    return header.get(name) == expected, f"{name}: {_shown(header.get(name))}"


def _shown(value: object) -> str:
    if value is None:
        return "none"
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
