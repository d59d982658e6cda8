"""`mint()` against the bare primitives that it can't do without, interleaved."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from flask_usher.keys import PrivateKey, PublicKey
from flask_usher.minter import Minter
from flask_usher.policy import Issue
from flask_usher.providers.base import Identity
from flask_usher.user_ids import UserId

from .report import Measurement

BUDGET = 1.10
WARM_UP = 50


def measure(samples: int) -> Iterator[Measurement]:
    """Give the ratio of the medians, and both medians."""
    mint, bare = _pair()
    timings: tuple[list[int], list[int]] = ([], [])
    for number in range(WARM_UP + samples):
        # Each goes first half of the time: what the other leaves in the caches evens out.
        order = ((0, mint), (1, bare)) if number % 2 else ((1, bare), (0, mint))
        for which, run in order:
            started = time.perf_counter_ns()
            run()
            elapsed = time.perf_counter_ns() - started
            if number >= WARM_UP:
                timings[which].append(elapsed)
    minted, primitives = (statistics.median(times) / 1000 for times in timings)
    yield Measurement("mint() ÷ bare sign + OAEP + AES-GCM", minted / primitives, "×", BUDGET)
    yield Measurement("mint()", minted, "µs")


def _pair() -> tuple[Callable[[], object], Callable[[], object]]:
    signing_key = generate_private_key(public_exponent=65537, key_size=2048)
    recipient_key = generate_private_key(public_exponent=65537, key_size=2048).public_key()
    minter = Minter(
        issuer="https://www.shop.example",
        signing_key=PrivateKey("benchmark", signing_key),
        recipient_key=PublicKey("benchmark", recipient_key),
        lifetime_seconds=60,
        clock=time.time,
    )
    user_id = "local:5f0c8f0e-5b0a-4b3e-9d5e-0a3f6f1f7c11"
    decision = Issue(Identity(provider="local", subject="-", signed_in_at=0), UserId(user_id))
    inner = os.urandom(540)
    oaep = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    key, nonce, header = os.urandom(32), os.urandom(12), os.urandom(60)

    def bare() -> None:
        signing_key.sign(inner[:180], PKCS1v15(), SHA256())
        recipient_key.encrypt(key, oaep)
        AESGCM(key).encrypt(nonce, inner, header)

    return lambda: minter.mint(decision), bare


def bare_sign_cpu_microseconds(samples: int) -> float:
    """Return the processor time of one RSA-2048 signature by `cryptography`."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    message = os.urandom(180)
    started = time.process_time_ns()
    for _ in range(samples):
        key.sign(message, PKCS1v15(), SHA256())
    return (time.process_time_ns() - started) / samples / 1000
