# ruff: noqa: RUF001 (letters that look alike are the point)
"""Passwords: what is hashed, with which parameters, and how many at once."""

from __future__ import annotations

import threading
from typing import Literal

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import HashingError, VerificationError, VerifyMismatchError

from flask_usher.providers import passwords as module
from flask_usher.providers.base import ProviderUnavailable
from flask_usher.providers.passwords import (
    Passwords,
    UnusablePassword,
    is_outdated,
    is_usable_hash,
    prepare,
)

GOOD = PasswordHasher(time_cost=1, memory_cost=64, parallelism=2).hash("tulip")
SALT, DIGEST = GOOD.split("$")[4:]


@pytest.mark.parametrize(
    ("typed", "hashed"),
    [
        pytest.param("tulip", b"tulip", id="ascii"),
        pytest.param(" tulip ", b" tulip ", id="spaces-are-kept"),
        pytest.param("Tulip", b"Tulip", id="case-is-kept"),
        pytest.param("tu\u00a0lip", b"tu lip", id="other-space"),
        pytest.param("e\u0301", "é".encode(), id="row26-nfd"),
        pytest.param("ｔ", "ｔ".encode(), id="width-is-kept"),
        pytest.param(
            "❤\ufe0f👨\u200d👧", "❤\ufe0f👨\u200d👧".encode(), id="row31-emoji-sequence"
        ),
        pytest.param("x" * 1024, b"x" * 1024, id="row28-1024-bytes"),
        pytest.param("é" * 512, "é".encode() * 512, id="row28-1024-bytes-in-512-characters"),
    ],
)
def test_prepared_form(typed: str, hashed: bytes) -> None:
    assert prepare(typed) == hashed


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("", id="empty"),
        pytest.param("tulip\0", id="row27-nul"),
        pytest.param("tulip\ud800", id="row27-lone-surrogate"),
        pytest.param("tu\tlip", id="tab"),
        pytest.param("tulip\x85", id="control"),
        pytest.param("x" * 1025, id="row28-1025-bytes"),
        pytest.param("é" * 513, id="row28-1026-bytes-in-513-characters"),
    ],
)
def test_texts_that_are_no_password(typed: str) -> None:
    with pytest.raises(UnusablePassword) as error:
        prepare(typed)
    assert "tulip" not in str(error.value)


def test_hashes_are_argon2id_with_the_parameters_of_owasp() -> None:
    parameters = extract_parameters(Passwords().hash(b"tulip"))
    assert (parameters.type, parameters.version) == (Type.ID, 19)
    assert parameters.memory_cost == 19456
    assert (parameters.time_cost, parameters.parallelism) == (2, 1)


@pytest.mark.parametrize("length", [64, 72, 73, 1024])
def test_row_28_long_passwords_are_not_truncated(length: int) -> None:
    passwords = Passwords()
    stored = passwords.hash(b"x" * length)
    assert passwords.verify(b"x" * length, stored)
    assert not passwords.verify(b"x" * (length - 1) + b"y", stored)
    assert not passwords.verify(b"x" * (length - 1), stored)


def test_own_hashes_are_usable_and_not_outdated() -> None:
    stored = Passwords().hash(b"tulip")
    assert is_usable_hash(stored)
    assert not is_outdated(stored)
    assert is_outdated(GOOD)


@pytest.mark.parametrize("length", [8, 16, 32, 48, 64])
def test_hashes_of_other_makers_are_usable(length: int) -> None:
    maker = PasswordHasher(1, 64, 1, hash_len=max(16, length), salt_len=length)
    assert is_usable_hash(maker.hash("tulip"))


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("", id="empty"),
        pytest.param("tulip", id="no-hash"),
        pytest.param(None, id="none"),
        pytest.param(b"$argon2id$", id="bytes"),
        # One character less would still be base64 now and then.
        pytest.param(GOOD[:-2], id="truncated"),
        pytest.param(GOOD + "\n", id="trailing-line-break"),
        pytest.param(PasswordHasher(1, 64, 1, type=Type.I).hash("tulip"), id="argon2i"),
        pytest.param(PasswordHasher(1, 64, 1, type=Type.D).hash("tulip"), id="argon2d"),
        pytest.param("$2b$12$" + "x" * 53, id="bcrypt"),
        pytest.param(GOOD.replace("v=19", "v=16"), id="old-version"),
        pytest.param(f"$argon2id$v=19$m=4194304,t=1,p=1${SALT}${DIGEST}", id="4-gib"),
        pytest.param(f"$argon2id$v=19$m=64,t=99,p=1${SALT}${DIGEST}", id="99-passes"),
        pytest.param(f"$argon2id$v=19$m=512,t=1,p=64${SALT}${DIGEST}", id="64-lanes"),
        pytest.param(f"$argon2id$v=19$m=8,t=1,p=2${SALT}${DIGEST}", id="too-little-memory"),
        pytest.param(f"$argon2id$v=19$m=٦٤,t=1,p=1${SALT}${DIGEST}", id="other-digits"),
        pytest.param(f"$argon2id$v=19$m=64,t=1,p=1${SALT}=$${DIGEST}", id="padding"),
        pytest.param(f"$argon2id$v=19$m=64,t=1,p=1${'A' * 13}${DIGEST}", id="odd-base64"),
        pytest.param(f"$argon2id$v=19$m=64,t=1,p=1${'A' * 21}B${DIGEST}", id="loose-bits"),
    ],
)
def test_hashes_that_are_not_usable(stored: object) -> None:
    assert not is_usable_hash(stored)


def test_nobody_has_the_password_of_an_account_that_does_not_exist() -> None:
    passwords = Passwords()
    assert not passwords.verify(b"", None)
    assert not passwords.verify(b"tulip", None)


@pytest.mark.parametrize("operation", ["hash", "verify"])
def test_failure_of_argon2_is_ours(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(PasswordHasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            raise HashingError("Memory allocation error")

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            raise VerificationError("Memory allocation error")

    passwords = Passwords()
    monkeypatch.setattr(module, "_hasher", Broken())
    with pytest.raises(ProviderUnavailable):
        passwords.hash(b"tulip") if operation == "hash" else passwords.verify(b"tulip", GOOD)


def test_no_more_are_hashed_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    running, go_on = threading.Semaphore(0), threading.Event()

    class Waiting(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            running.release()
            go_on.wait()
            raise VerifyMismatchError

    passwords = Passwords(concurrency=2, patience=0.01)
    monkeypatch.setattr(module, "_hasher", Waiting())
    threads = [threading.Thread(target=passwords.verify, args=(b"tulip", None)) for _ in "ab"]
    for thread in threads:
        thread.start()
    for _ in threads:
        running.acquire()
    with pytest.raises(ProviderUnavailable):
        passwords.verify(b"tulip", None)
    go_on.set()
    for thread in threads:
        thread.join()
    assert not passwords.verify(b"tulip", None)
