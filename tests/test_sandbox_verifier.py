"""The verifier of the sandbox gives iAdvize's reasons for each bad token."""

from __future__ import annotations

from typing import Any

import pytest
from support.forged_tokens import ISSUER, NOW, claims, jwe, jws, key, token

from flask_usher.errors import Rejected
from flask_usher.sandbox.verifier import (
    CREDENTIALS,
    EXPIRED,
    INVALID_KEY,
    MALFORMED,
    SERVER_ERROR,
    Conditions,
    Verdict,
    verify,
)


def ask(text: str, conditions: Conditions | None = None) -> Verdict:
    return verify(
        text,
        conditions or Conditions(),
        recipient_key=key("iadvize"),
        signing_key=key("brand").public_key(),
        issuer=ISSUER,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(..., "local:1", id="only-the-user-id"),
        pytest.param({"firstName": "Jane", "lastName": "Doe"}, "Jane Doe", id="both-names"),
        pytest.param({"lastName": "Doe"}, "Doe", id="one-name"),
    ],
)
def test_a_good_token_names_its_visitor(data: Any, name: str) -> None:
    verdict = ask(token(visitor_data=data))
    assert (verdict.reason, verdict.code) == (None, None)
    assert verdict.visitor == {"user_id": "local:1", "name": name}


@pytest.mark.parametrize(
    ("make", "code", "reason"),
    [
        pytest.param(lambda: "garbage", "malformed", MALFORMED, id="garbage"),
        pytest.param(lambda: jws(claims()), "malformed", MALFORMED, id="row128-not-encrypted"),
        pytest.param(lambda: jwe("{}"), "malformed", MALFORMED, id="row128-unsigned"),
        pytest.param(
            lambda: jwe(jws(claims(), {"alg": "none"})),
            "malformed",
            MALFORMED,
            id="row128-none",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), recipient=key("stranger").public_key()),
            "invalid-key",
            INVALID_KEY,
            id="row128-wrong-recipient",
        ),
        pytest.param(
            lambda: jwe(jws(claims(), signing_key=key("stranger"))),
            "invalid-key",
            INVALID_KEY,
            id="signed-by-a-stranger",
        ),
        pytest.param(lambda: token(exp=NOW - 1), "expired", EXPIRED, id="row132-expired"),
        pytest.param(
            lambda: token(exp=NOW + 361), "exp-too-far", SERVER_ERROR, id="row132-exp-too-far"
        ),
        pytest.param(
            lambda: token(user_id=...), "bad-claims", SERVER_ERROR, id="row128-no-user-id"
        ),
        pytest.param(lambda: token(iss="x"), "bad-claims", SERVER_ERROR, id="other-issuer"),
    ],
)
def test_a_bad_token_gets_the_reason_that_the_contract_names(
    make: Any, code: str, reason: str
) -> None:
    verdict = ask(make())
    assert (verdict.code, verdict.reason) == (code, reason)
    assert verdict.visitor is None


@pytest.mark.parametrize(
    ("conditions", "code", "reason"),
    [
        pytest.param({"clock_offset_seconds": 59}, None, None, id="row132-59"),
        pytest.param({"clock_offset_seconds": 61}, "expired", EXPIRED, id="row132-61"),
        pytest.param({"clock_offset_seconds": -300}, None, None, id="row132-ahead-300"),
        pytest.param(
            {"clock_offset_seconds": -301}, "exp-too-far", SERVER_ERROR, id="row132-ahead-301"
        ),
        pytest.param({"recipient_key": "other"}, "invalid-key", INVALID_KEY, id="wrong-key"),
        pytest.param({"answer": "feature-off"}, "feature-off", SERVER_ERROR, id="feature-off"),
        pytest.param({"answer": "credentials"}, "credentials", CREDENTIALS, id="credentials"),
        pytest.param({"answer": None, "recipient_key": "sandbox"}, None, None, id="none"),
    ],
)
def test_conditions_provoke_failures_of_a_good_token(
    conditions: dict[str, Any], code: str | None, reason: str | None
) -> None:
    verdict = ask(token(), Conditions.read(conditions))
    assert (verdict.code, verdict.reason) == (code, reason)


@pytest.mark.parametrize(
    "given",
    [
        {"clock_offset_seconds": "60"},
        {"clock_offset_seconds": True},
        {"clock_offset_seconds": 10**12},
        {"recipient_key": "brand"},
        {"recipient_key": ["other"]},
        {"answer": "yes"},
        {"answer": {}},
    ],
)
def test_unknown_conditions_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        Conditions.read(given)
