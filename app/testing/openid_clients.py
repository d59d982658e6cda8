"""The applications that a fake OpenID provider knows, and how they prove who they are."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.util import urlsafe_b64decode

from .http_exchange import Parameters, Request, single
from .signing import SigningKey

METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LEEWAY_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An application. `authentication` is the one method that it may use.

    `key` is for `private_key_jwt`; the provider looks at its public half only.
    """

    id: str
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    authentication: str = "client_secret_basic"
    secret: str = field(default="", repr=False)
    key: SigningKey | None = field(default=None, repr=False)


class NotAuthenticated(Exception):
    """The request does not prove which client it comes from."""


class ClientAuthentication:
    """Tells which client a request to the token or introspection endpoint comes from."""

    def __init__(
        self,
        clients: Mapping[str, Client],
        audiences: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._audiences = audiences
        self._clock = clock
        self._used: set[str] = set()

    def client(self, request: Request) -> Client:
        """Return the client. Raises `NotAuthenticated`, also for the wrong method."""
        form = request.form
        authorization = request.headers.get("authorization", "")
        if "client_assertion" in form:
            return self._by_assertion(form)
        if authorization.startswith("Basic "):
            return self._by_secret("client_secret_basic", *_basic(authorization))
        credentials = single(form, "client_id"), single(form, "client_secret")
        return self._by_secret("client_secret_post", *credentials)

    def _by_secret(self, method: str, client_id: str, secret: str) -> Client:
        client = self._find(client_id, method)
        if not client.secret or not hmac.compare_digest(client.secret, secret):
            raise NotAuthenticated("secret")
        return client

    def _by_assertion(self, form: Parameters) -> Client:
        """Verify as RFC 7523, section 3, and OpenID Connect Core, section 9, ask."""
        if single(form, "client_assertion_type") != ASSERTION_TYPE:
            raise NotAuthenticated("client_assertion_type")
        assertion = single(form, "client_assertion")
        client = self._find(_issuer(assertion), "private_key_jwt")
        if client.key is None:
            raise NotAuthenticated("no key")
        try:
            token = jwt.decode(assertion, client.key.key, algorithms=[client.key.algorithm])
        except (JoseError, ValueError) as error:
            raise NotAuthenticated("signature") from error
        claims, now = token.claims, self._clock()
        expires, token_id = claims.get("exp"), claims.get("jti")
        if claims.get("sub") != client.id or claims.get("aud") not in self._audiences:
            raise NotAuthenticated("sub or aud")
        if not isinstance(expires, int) or not now - _LEEWAY_SECONDS < expires <= now + 600:
            raise NotAuthenticated("exp")
        if not isinstance(token_id, str) or token_id in self._used:
            raise NotAuthenticated("jti")
        self._used.add(token_id)
        return client

    def _find(self, client_id: str, method: str) -> Client:
        client = self._clients.get(client_id)
        if client is None or client.authentication != method:
            raise NotAuthenticated("client or method")
        return client


def _basic(authorization: str) -> tuple[str, str]:
    """Return id and secret, each form-encoded on the way (RFC 6749, section 2.3.1)."""
    try:
        text = b64decode(authorization.removeprefix("Basic "), validate=True).decode()
    except ValueError as error:
        raise NotAuthenticated("Basic") from error
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _issuer(assertion: str) -> str:
    """Return `iss` before anything is verified, to know whose key to verify with."""
    try:
        claims = json.loads(urlsafe_b64decode(assertion.split(".")[1].encode()))
    except (IndexError, ValueError) as error:
        raise NotAuthenticated("assertion") from error
    return str(claims.get("iss")) if isinstance(claims, dict) else ""
