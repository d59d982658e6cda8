"""Support ids: made to be read out on the telephone, and to be recognised when they come back.

A page reports what became of a decision under its support id. Nothing is stored when one is
given out, so it proves by itself that it is ours, recent, and of the browser that shows it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable

from .keys import Secret

RECENT_MINUTES = 15
CLOCK_TOLERANCE_MINUTES = 1
RANDOM_BITS, CHECK_BITS = 32, 18
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32."""
_FORM = re.compile(rf"[{LETTERS}]{{5}}-[{LETTERS}]{{5}}")
_SHIFTS = range(RANDOM_BITS + CHECK_BITS - 5, -1, -5)


class SupportIds:
    """Makes support ids of 32 random bits and 18 of a keyed hash over them.

    The hash covers the minute and the sign-in cookie that the request showed (good or not), so
    all 50 bits differ from one minute and one browser to the next. `clock` gives seconds since
    the epoch.
    """

    def __init__(self, secret: Secret, clock: Callable[[], float]) -> None:
        self._key = secret.derive("usher support id")
        self._clock = clock

    def new(self, cookie: str | None) -> str:
        """Return a new support id for a request that shows this cookie."""
        number = secrets.randbits(RANDOM_BITS)
        bits = number << CHECK_BITS | self._check(number, self._minute(), cookie)
        letters = "".join([LETTERS[bits >> shift & 31] for shift in _SHIFTS])
        return f"{letters[:5]}-{letters[5:]}"

    def is_recent(self, support_id: str, cookie: str | None) -> bool:
        """Tell whether it was given out in the last minutes to who shows the same cookie."""
        if not _FORM.fullmatch(support_id):
            return False
        bits = 0
        for letter in support_id.replace("-", ""):
            bits = bits << 5 | LETTERS.index(letter)
        number, check = bits >> CHECK_BITS, bits % 2**CHECK_BITS
        now = self._minute()
        minutes = range(now - RECENT_MINUTES, now + CLOCK_TOLERANCE_MINUTES + 1)
        return any(self._check(number, minute, cookie) == check for minute in minutes)

    def _minute(self) -> int:
        return int(self._clock() // 60)

    def _check(self, number: int, minute: int, cookie: str | None) -> int:
        text = f"{number} {minute} {cookie or ''}".encode("utf-8", "replace")
        # RFC 7693, section 2.9: keyed, and at a third of the time of an HMAC.
        digest = hashlib.blake2b(text, key=self._key, digest_size=4).digest()
        return int.from_bytes(digest, "big") >> (32 - CHECK_BITS)
