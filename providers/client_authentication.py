"""How we prove to a provider who we are (OpenID Connect Core, section 9), for Authlib."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.auth import encode_client_secret_post

from .oidc_settings import OidcSettings

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60

Parts = tuple[str, Any, str]
"""Address, headers and body of a request."""


def client_session(settings: OidcSettings, clock: Callable[[], float]) -> OAuth2Session:
    """Return a session of Authlib's that authenticates as the operator has it."""
    session = OAuth2Session(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        scope=" ".join(settings.scopes),
        token_endpoint_auth_method=settings.client_authentication,
        code_challenge_method="S256",
    )
    methods = {
        "client_secret_basic": _basic,
        "client_secret_post": encode_client_secret_post,
        "private_key_jwt": _PrivateKeyJwt(settings, clock),
    }
    name = settings.client_authentication
    session.register_client_auth_method((name, methods[name]))
    return session


def _basic(client: Any, method: str, url: str, headers: Any, body: str) -> Parts:
    # RFC 6749, 2.3.1 encodes both as in a form first; Authlib's own does not.
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return url, headers, body


class _PrivateKeyJwt:
    """Signs an assertion for each call (RFC 7523)."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock

    def __call__(self, client: Any, method: str, url: str, headers: Any, body: str) -> Parts:
        settings = self._settings
        now = int(self._clock())
        claims = {
            "iss": settings.client_id,
            "sub": settings.client_id,
            "aud": settings.issuer if settings.assertion_audience == "issuer" else url,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }
        assert settings.client_key is not None  # noqa: S101 (OidcSettings sees to it)
        header = {"kid": settings.client_key_id} if settings.client_key_id else {}
        assertion = jwt.encode(claims, settings.client_key, algorithm="RS256", headers=header)
        fields = {
            "client_id": settings.client_id,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        body = f"{body}&{urlencode(fields)}"
        headers["Content-Length"] = str(len(body))
        return url, headers, body
