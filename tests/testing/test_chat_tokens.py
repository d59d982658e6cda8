"""The matcher equals good tokens about the right person, and says why it equals no other."""

from __future__ import annotations

from typing import Any

import pytest
from support.forged_tokens import ISSUER, NOW, USER_ID, key, token

from flask_usher.testing import ChatTokens

TOKENS = ChatTokens(
    recipient_key=key("iadvize"),
    signing_key=key("brand").public_key(),
    issuer=ISSUER,
    clock=lambda: NOW,
)


def test_a_good_token_about_the_person_is_equal() -> None:
    assert token() == TOKENS.about("local:1")
    assert TOKENS.about("local:1") == token(visitor_data={})
    assert TOKENS.claims(token())[USER_ID] == "local:1"
    data = {"firstName": "Jane"}
    assert token(visitor_data=data) == TOKENS.about("local:1", data)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (token(user_id="local:2"), "about {'https://iadvize.com/userId': 'local:2'"),
        (token(visitor_data={"city": "Paris"}), "'city': 'Paris'"),
        (token(exp=NOW), "fails: not-expired"),
        (token(iss="https://other.example"), "fails: issuer"),
        ("", "fails: "),
        (None, "no text"),
    ],
    ids=["person", "visitor-data", "expired", "issuer", "empty", "none"],
)
def test_anything_else_is_not_and_the_matcher_says_why(other: Any, why: str) -> None:
    matcher = TOKENS.about("local:1")
    assert (matcher == other) is False
    assert why in repr(matcher)


def test_claims_are_those_of_good_tokens_only() -> None:
    with pytest.raises(AssertionError, match="not-expired"):
        TOKENS.claims(token(exp=NOW))
