"""Apps that show access tokens of the fake issuer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flask_usher.providers.access_tokens import AccessTokenSettings
from flask_usher.providers.base import CredentialsRefused, RequestProvider
from flask_usher.testing import FakeTokenIssuer

AUDIENCE = "usher"
APP = "shop-app"
SCOPE = "chat"


def access_token_settings(issuer: FakeTokenIssuer, /, **changes: Any) -> AccessTokenSettings:
    """Return settings that let the shop's app in, with its scope."""
    given: dict[str, Any] = {
        "issuer": issuer.issuer,
        "audience": AUDIENCE,
        "clients": frozenset({APP, "other-app"}),
        "scope": SCOPE,
    }
    return AccessTokenSettings(**{**given, **changes})


def bearer(token: str) -> Mapping[str, Sequence[str]]:
    """Return the headers that show this token."""
    return {"authorization": [f"Bearer {token}"]}


def refusal(provider: RequestProvider, token: str) -> tuple[str, str]:
    """Return error and reason of the refusal of this token."""
    with pytest.raises(CredentialsRefused) as caught:
        provider.identify(bearer(token))
    return caught.value.error, caught.value.reason


CLIENTS_AND_SCOPES = (
    [
        pytest.param(
            {"client_id": "web-shop"}, ("insufficient_scope", "client-not-allowed"), id=it
        )
        for it in ["row116-another-client"]
    ]
    + [
        pytest.param(claims, ("insufficient_scope", "client-not-allowed"), id=f"row116-{id_}")
        for id_, claims in {
            "another-client": {"client_id": "web-shop"},
            "case": {"client_id": "Shop-App"},
            "prefix": {"client_id": "shop"},
            "azp-is-no-client-id": {"client_id": "web-shop", "azp": APP},
        }.items()
    ]
    + [
        pytest.param(claims, ("insufficient_scope", "scope-missing"), id=f"row112-{id_}")
        for id_, claims in {
            "no-scope": {"scope": ...},
            "empty-scope": {"scope": ""},
            "another-scope": {"scope": "openid"},
            "longer-scope": {"scope": "chats chat:read"},
            "scope-in-other-case": {"scope": "CHAT"},
            "scopes-parted-by-commas": {"scope": "openid,chat"},
            "scopes-parted-by-tabs": {"scope": "openid\tchat"},
        }.items()
    ]
    + [
        pytest.param(
            {"scope": scope}, ("invalid_token", "scope-malformed"), id=f"row112-{scope!r}"
        )
        for scope in ([SCOPE], None, 1, {SCOPE: True})
    ]
    + [
        pytest.param(
            {"sub": APP}, ("invalid_token", "not-a-person"), id="token-of-the-app-itself"
        ),
    ]
)
"""What is wrong with a token whose issuer vouches for it, and how it is refused."""

SUBJECTS = [
    pytest.param({"sub": sub}, id=f"row113-sub-{id_}")
    for id_, sub in {
        "missing": ...,
        "empty": "",
        "number": 5,
        "null": None,
        "list": ["a"],
        "256-characters": "x" * 256,
        "nul": "a\0",
        "line-break": "a\nb",
        "bidi": "a\u202eb",
    }.items()
]
