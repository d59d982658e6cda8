"""Rules in CEL against the bare signature of a token."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from flask_usher.configuration import PolicySource
from flask_usher.policy import Facts, Issue, Policy
from flask_usher.providers.base import AccountFacts, Identity
from flask_usher.rules.variables import Asker
from flask_usher.user_ids import derivation

from . import policy_reload
from .report import Measurement

TEN_RULES_BUDGET = 0.25
THOUSAND_RULES_BUDGET_MILLISECONDS = 20
WARM_UP = 50
RELOADS = 100
EXPRESSIONS = (
    "!identity.claims.email_verified",
    "now - identity.signed_in_at > duration('8h')",
    "'blocked' in identity.groups",
    "!('otp' in identity.amr)",
    "identity.claims.country in ['XX', 'YY']",
    "account.created_at > now - duration('24h')",
    "has(identity.claims.contract) && identity.claims.contract == 'ended'",
    "!identity.claims.email.endsWith('@shop.example')",
    "local.time < '00:00'",
    "identity.percentile >= 100.0 && !('staff' in identity.groups)",
)
FACTS = Facts(
    None,
    Identity(
        provider="local",
        subject="4f6c2d9e",
        signed_in_at=1_800_000_000.0,
        claims={
            "email": "jane@shop.example",
            "email_verified": True,
            "given_name": "Jane",
            "family_name": "Doe",
            "country": "FR",
            "contract": "running",
        },
        groups=("customers", "newsletter"),
        amr=("pwd", "otp"),
        account=AccountFacts(name="jane", created_at=1_700_000_000.0),
    ),
    1_800_000_600.0,
    Asker("192.0.2.1", "https://shop.example"),
)


def measure(samples: int) -> Iterator[Measurement]:
    """Give what ten rules add to a token, and how long a thousand take."""
    with_rules, without = _policy(10), _policy(0)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    padding, digest, message = PKCS1v15(), SHA256(), bytes(300)
    ten, none, sign = _medians(
        samples,
        lambda: with_rules.decide(FACTS),
        lambda: without.decide(FACTS),
        lambda: key.sign(message, padding, digest),
    )
    yield Measurement(
        "ten CEL rules ÷ bare RSA sign", (ten - none) / sign, "×", TEN_RULES_BUDGET
    )
    yield Measurement("ten CEL rules", ten - none, "µs")
    thousand = _policy(1000)
    (whole,) = _medians(max(20, samples // 100), lambda: thousand.decide(FACTS))
    budget = THOUSAND_RULES_BUDGET_MILLISECONDS
    yield Measurement("a decision with 1,000 CEL rules", whole / 1000, "ms", budget)
    yield from policy_reload.measure(RELOADS, FACTS)


def _policy(count: int) -> Policy:
    rules = [
        {"code": f"rule-{number}", "refuse_when": EXPRESSIONS[number % len(EXPRESSIONS)]}
        for number in range(count)
    ]
    policy = Policy(
        derivation("subject", None), None, PolicySource({"policy": {"rules": rules}}, {}).load()
    )
    if not isinstance(policy.decide(FACTS), Issue):
        raise AssertionError("the rules must have nothing against the token")
    return policy


def _medians(samples: int, *tasks: Callable[[], object]) -> list[float]:
    """Return the median microseconds of each task; they take turns."""
    timings: list[list[int]] = [[] for _ in tasks]
    for number in range(WARM_UP + samples):
        for task, found in zip(tasks, timings, strict=True):
            started = time.perf_counter_ns()
            task()
            elapsed = time.perf_counter_ns() - started
            if number >= WARM_UP:
                found.append(elapsed)
    return [statistics.median(found) / 1000 for found in timings]
