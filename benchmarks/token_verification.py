"""The verifier of signed tokens against bare RSA and decoding, and under a flood."""

from __future__ import annotations

import json
import statistics
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from flask_usher.providers.bounded_transport import Bounds
from flask_usher.providers.compact_jws import InvalidToken
from flask_usher.providers.http_client import Answer, HttpClient
from flask_usher.providers.jwt_verification import ACCESS_TOKEN, Verifier
from flask_usher.providers.key_sets import KeySets
from flask_usher.testing import Clock, FakeTokenIssuer, FixedSignature, Forgery

from .report import Measurement

RATIO_BUDGET = 1.3
REFUSAL_BUDGET_MILLISECONDS = 20
LOOKS_A_MINUTE_BUDGET = 1
AUDIENCE = "https://www.shop.example/usher"
CLIENT = "shop-app"
WARM_UP = 50
FLOOD = 10_000
FLOOD_SECONDS = 600


class _KeysOf(HttpClient):
    """Answers with an issuer's keys, and notes when."""

    def __init__(self, issuer: FakeTokenIssuer) -> None:
        super().__init__(Bounds())
        self._issuer = issuer
        self.looked_at: list[float] = []

    def get(self, url: str, *, bearer: str | None = None) -> Answer:
        self.looked_at.append(self._issuer.clock())
        keys = {"keys": [key.jwk for key in self._issuer.keys]}
        return Answer("id.example", 200, {}, json.dumps(keys).encode())


def measure(samples: int) -> Iterator[Measurement]:
    """Give the cost of a good token, and what a flood of unknown keys costs and causes."""
    yield from _good(samples)
    yield from _flood()


def _good(samples: int) -> Iterator[Measurement]:
    issuer = FakeTokenIssuer(clock=Clock())
    token = issuer.access_token(CLIENT, audience=AUDIENCE, scope="chat")
    verifier, _ = _verifier(issuer)
    pair = (lambda: verifier.verify(token), _bare(issuer, token))
    timings: tuple[list[int], list[int]] = ([], [])
    for number in range(WARM_UP + samples):
        # Each goes first half of the time: what the other leaves in the caches evens out.
        for which in (0, 1) if number % 2 else (1, 0):
            started = time.perf_counter_ns()
            pair[which]()
            elapsed = time.perf_counter_ns() - started
            if number >= WARM_UP:
                timings[which].append(elapsed)
    verified, bare = (statistics.median(times) / 1000 for times in timings)
    name = "verify a bearer JWT ÷ bare RSA verify + decoding"
    yield Measurement(name, verified / bare, "×", RATIO_BUDGET)
    yield Measurement("verify a bearer JWT", verified, "µs")


def _flood() -> Iterator[Measurement]:
    clock = Clock()
    issuer = FakeTokenIssuer(clock=clock)
    verifier, http = _verifier(issuer)
    slowest = 0.0
    for number in range(FLOOD):
        forgery = Forgery(header={"kid": str(number)}, signing=FixedSignature(bytes(256)))
        token = issuer.access_token(CLIENT, audience=AUDIENCE, forgery=forgery)
        started = time.perf_counter()
        try:
            verifier.verify(token)
        except InvalidToken:
            slowest = max(slowest, time.perf_counter() - started)
        else:
            raise AssertionError("a forged token was accepted")
        clock.advance(FLOOD_SECONDS / FLOOD)
    shortest = min(later - sooner for sooner, later in pairwise(http.looked_at))
    name = f"slowest refusal of {FLOOD:,} unknown keys"
    yield Measurement(name, slowest * 1000, "ms", REFUSAL_BUDGET_MILLISECONDS)
    yield Measurement(
        "looks at the keys that they cause, a minute",
        60 / shortest,
        "",
        LOOKS_A_MINUTE_BUDGET,
    )


def _verifier(issuer: FakeTokenIssuer) -> tuple[Verifier, _KeysOf]:
    http = _KeysOf(issuer)
    keys = KeySets(http, lambda: "", algorithms=("RS256",), clock=issuer.clock)
    keys.for_strangers_tokens.current()
    verifier = Verifier(
        ACCESS_TOKEN,
        issuer=issuer.issuer,
        audience=AUDIENCE,
        keys=keys.for_strangers_tokens,
        algorithms=("RS256",),
        clock=issuer.clock,
    )
    return verifier, http


def _bare(issuer: FakeTokenIssuer, token: str) -> Callable[[], object]:
    public_key, padding, digest = issuer.keys[0].key.public_key, PKCS1v15(), SHA256()

    def decoded(segment: str) -> bytes:
        return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))

    def bare() -> object:
        header, payload, signature = token.split(".")
        json.loads(decoded(header))
        public_key.verify(decoded(signature), f"{header}.{payload}".encode(), padding, digest)
        return json.loads(decoded(payload))

    return bare
