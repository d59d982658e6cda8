"""Minters with the tests' keys, and tokens opened without the code under test."""

from __future__ import annotations

import base64
import json
from typing import Any

from support.keys import private_key, public_key

from flask_usher.minter import Minter
from flask_usher.policy import Issue
from flask_usher.providers.base import Identity
from flask_usher.user_ids import UserId

ISSUER = "https://www.shop.example"
NOW = 1_800_000_000
USER_ID = "https://iadvize.com/userId"
VISITOR_DATA = "https://iadvize.com/visitorData"


def make_minter(**changes: Any) -> Minter:
    """Return a minter with the keys `signing` and `recipient`, whose clock stands at `NOW`."""
    arguments: dict[str, Any] = {
        "issuer": ISSUER,
        "signing_key": private_key("signing"),
        "recipient_key": public_key("recipient"),
        "lifetime_seconds": 60,
        "clock": lambda: NOW,
    }
    return Minter(**(arguments | changes))


def issue(user_id: str = "local:42", **claims: object) -> Issue:
    """Return the decision to issue a token for a person with these claims."""
    identity = Identity(provider="local", subject="42", signed_in_at=0.0, claims=claims)
    return Issue(identity, UserId(user_id))


def unpadded(segment: str) -> bytes:
    """Decode base64url without padding (RFC 7515, section 2); nothing else will do."""
    decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    assert base64.urlsafe_b64encode(decoded).decode().rstrip("=") == segment
    return decoded


def json_of(segment: str) -> Any:
    """Decode a segment with JSON in it."""
    return json.loads(unpadded(segment))
