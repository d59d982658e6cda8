"""Sealed sign-in attempts: who can open one, for how long, and how much room they take."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from flask_usher.keys import Secret
from flask_usher.sign_ins import Attempt, Attempts
from flask_usher.sign_ins.attempts import AT_ONCE, LIFETIME_SECONDS, ROOM_BYTES

NOW = 1_800_000_000.0
PREFIX = "__Host-usher-attempt-"
SECRET = Secret("secret-key", bytes(range(64)))
ATTEMPT = Attempt(
    provider="id",
    target="/account?a=b",
    silent=False,
    begun_at=NOW,
    secrets={"state": "s" * 43, "nonce": "n" * 43, "code_verifier": "v" * 43},
)


def attempts(secret: Secret = SECRET, prefix: str = PREFIX) -> Attempts:
    return Attempts(secret, prefix)


def number(which: int, **changes: Any) -> Attempt:
    """Return an attempt with secrets of its own, begun so many seconds later."""
    secrets = {name: f"{which:03d}{text[3:]}" for name, text in ATTEMPT.secrets.items()}
    return replace(ATTEMPT, begun_at=NOW + which, secrets=secrets, **changes)


@pytest.mark.parametrize(
    "attempt",
    [
        ATTEMPT,
        replace(ATTEMPT, silent=True),
        replace(ATTEMPT, target="/caf\u00e9?\u2603"),
        replace(ATTEMPT, begun_at=NOW + 0.25),
        replace(ATTEMPT, secrets={"state": "\udcff"}),
    ],
    ids=["plain", "silent", "not-ascii", "fraction-of-a-second", "lone-surrogate"],
)
def test_what_is_sealed_comes_out_on_any_host_that_has_the_secret(attempt: Attempt) -> None:
    cookie = attempts().seal(attempt)
    elsewhere = attempts(Secret("elsewhere/secret-key", SECRET.value))
    assert elsewhere.open(attempt.state, dict([cookie]), NOW + 1) == attempt


def test_row_41_another_secret_opens_nothing() -> None:
    cookie = attempts().seal(ATTEMPT)
    others = attempts(Secret("secret-key", SECRET.value[::-1]))
    assert others.open(ATTEMPT.state, dict([cookie]), NOW) is None


def test_row_56_no_character_can_be_changed_or_left_out() -> None:
    name, value = attempts().seal(ATTEMPT)
    for place, there in enumerate(value.rstrip("=")):
        put = "A" if there != "A" else "Q"
        changed = value[:place] + put + value[place + 1 :]
        for forged in (changed, value[:place], value[:place] + value[place + 1 :]):
            assert attempts().open(ATTEMPT.state, {name: forged}, NOW) is None, place


@pytest.mark.parametrize("state", ["", "x", "s" * 42, "s" * 44, "S" * 43, "\0", "\udcff"])
def test_row_56_another_state_opens_nothing(state: str) -> None:
    assert attempts().open(state, dict([attempts().seal(ATTEMPT)]), NOW) is None


def test_row_56_the_seal_of_one_attempt_under_the_name_of_another() -> None:
    (name, _), (_, value) = attempts().seal(number(1)), attempts().seal(number(2))
    for which in (1, 2):
        assert attempts().open(number(which).state, {name: value}, NOW) is None


def test_another_prefix_is_another_installation() -> None:
    cookie = attempts(prefix="usher-attempt-").seal(ATTEMPT)
    assert attempts().open(ATTEMPT.state, dict([cookie]), NOW) is None


@pytest.mark.parametrize(
    ("later", "is_good"),
    [
        (0, True),
        (LIFETIME_SECONDS, True),
        (LIFETIME_SECONDS + 1, False),
        # The host that finishes it may be behind the one that began it.
        (-60, True),
        (-61, False),
    ],
)
def test_it_ends_in_time(later: float, is_good: bool) -> None:
    opened = attempts().open(ATTEMPT.state, dict([attempts().seal(ATTEMPT)]), NOW + later)
    assert (opened == ATTEMPT) is is_good


def test_row_47_the_cookie_tells_nothing() -> None:
    name, value = attempts().seal(ATTEMPT)
    assert re.fullmatch(re.escape(PREFIX) + r"[0-9a-f]{9}-[0-9a-f]{16}", name)
    assert re.fullmatch(r"[A-Za-z0-9_=-]+", value)
    told = name.encode() + base64.urlsafe_b64decode(value)
    assert ATTEMPT.target.encode() not in told
    for secret in ATTEMPT.secrets.values():
        assert secret.encode() not in told
        assert secret not in repr(ATTEMPT)
    # Not even whether two are alike.
    assert attempts().seal(ATTEMPT)[1] != value


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        [],
        ["id", "/", False, NOW],
        ["id", "/", False, NOW, {"state": ATTEMPT.state}, 1],
        ["id", "/", 0, NOW, {"state": ATTEMPT.state}],
        ["id", None, False, NOW, {"state": ATTEMPT.state}],
        ["id", "/", False, "now", {"state": ATTEMPT.state}],
        ["id", "/", False, NOW, {"nonce": "n"}],
        ["id", "/", False, NOW, {"state": 5}],
        ["id", "/", False, NOW, {"state": "another"}],
    ],
    ids=json.dumps,
)
def test_what_another_release_has_sealed_is_none(content: object) -> None:
    name, _ = attempts().seal(ATTEMPT)
    key = base64.urlsafe_b64encode(SECRET.derive("usher sign-in attempt"))
    sealed = Fernet(key).encrypt_at_time(json.dumps(content).encode(), int(NOW)).decode()
    assert attempts().open(ATTEMPT.state, {name: sealed}, NOW) is None


@pytest.mark.parametrize("length", [1, 500, 1024])
def test_row_46_the_newest_attempts_stay(length: int) -> None:
    kept: dict[str, str] = {}
    for which in range(30):
        newest = attempts().seal(number(which, target="/" + "x" * (length - 1)))
        for name in attempts().surplus(kept, newest):
            del kept[name]
        kept |= dict([newest])
        assert len("; ".join(f"{name}={value}" for name, value in kept.items())) <= ROOM_BYTES
    assert 1 <= len(kept) <= AT_ONCE
    left = [which for which in range(30) if opens(which, kept)]
    assert left == list(range(30 - len(kept), 30))


def opens(which: int, cookies: dict[str, str]) -> bool:
    return attempts().open(number(which).state, cookies, NOW + 30) is not None


def test_row_46_only_cookies_of_attempts_are_dropped() -> None:
    digits = "0" * 9 + "-" + "0" * 16
    others = [
        f"x{PREFIX}{digits}",
        f"{PREFIX}{digits}0",
        f"{PREFIX}{digits[:-1]}",
        f"{PREFIX}{digits[:-1]}g",
        f"{PREFIX}{digits}\n",
        "session",
        "",
    ]
    cookies = dict.fromkeys(others, "x" * 5000) | {f"{PREFIX}{digits}": "x" * 5000}
    assert attempts().surplus(cookies, attempts().seal(ATTEMPT)) == [f"{PREFIX}{digits}"]
