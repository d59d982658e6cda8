"""From an authorization code to tokens (OpenID Connect Core 3.1.3, RFC 7636), by Authlib."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests
from authlib.integrations.base_client import OAuthError

from .base import ProviderUnavailable, SignInFailed
from .client_authentication import client_session
from .http_client import Answer, HttpClient
from .oidc_settings import OidcSettings

logger = logging.getLogger(__name__)

# RFC 6750, 2.1: what may stand in a header.
_UNUSABLE = (requests.RequestException, ValueError, TypeError, OverflowError)
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,16384}=*")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gave for a code. Nothing is verified yet."""

    unverified_id_token: str = field(repr=False)
    access_token: str = field(repr=False)


class CodeExchange:
    """Redeems codes at one provider."""

    def __init__(
        self, http: HttpClient, settings: OidcSettings, clock: Callable[[], float]
    ) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock

    def authorization_url(self, endpoint: str, **parameters: str | None) -> str:
        """Return where to send the browser. `code_verifier` is the attempt's (RFC 7636)."""
        try:
            with client_session(self._settings, self._clock) as session:
                url, _ = session.create_authorization_url(endpoint, **parameters)
        except ValueError as error:
            raise ProviderUnavailable("the authorization endpoint is unusable") from error
        return str(url)

    def redeem(
        self, endpoint: str, code: str, *, code_verifier: str, redirect_uri: str
    ) -> Tokens:
        """Return the tokens for `code`. Raises `SignInFailed` or `ProviderUnavailable`."""
        with client_session(self._settings, self._clock) as session:
            self._http.equip(session)
            session.register_compliance_hook("access_token_response", _check)
            try:
                answer = session.fetch_token(
                    endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=code_verifier,
                    redirect_uri=redirect_uri,
                    allow_redirects=False,
                )
            except OAuthError as error:
                raise self._refusal(error.error) from error
            except _UNUSABLE as error:
                raise ProviderUnavailable("the token endpoint's answer is unusable") from error
        return _tokens(answer)

    def _refusal(self, error: object) -> Exception:
        if error == "invalid_grant":
            return SignInFailed("code-refused")
        known = error if error in ("invalid_client", "unauthorized_client") else "an error"
        logger.error("%s refuses to redeem a code: %s", self._settings.issuer, known)
        return ProviderUnavailable("the token endpoint refused us")


def _check(response: requests.Response) -> requests.Response:
    """Let Authlib see no answer that is not strictly right."""
    members = Answer.of(response).json_object(
        HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED
    )
    if response.status_code != HTTPStatus.OK and "error" not in members:
        raise ProviderUnavailable("the token endpoint refused us without saying why")
    return response


def _tokens(answer: Mapping[str, Any]) -> Tokens:
    id_token, access_token, token_type = (
        answer.get(name) for name in ("id_token", "access_token", "token_type")
    )
    if not isinstance(id_token, str):
        raise ProviderUnavailable("the token endpoint gave no ID token")
    if not isinstance(access_token, str) or not _BEARER.fullmatch(access_token):
        raise ProviderUnavailable("the token endpoint gave no access token")
    if not isinstance(token_type, str) or token_type.lower() != "bearer":
        raise ProviderUnavailable("the access token is of another type than Bearer")
    return Tokens(id_token, access_token)
