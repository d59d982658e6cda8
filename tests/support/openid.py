"""OpenID providers for the tests: the fake behind no network at all, and clients for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from flask_usher.providers.base import Completion, ProviderUnavailable
from flask_usher.providers.bounded_transport import Bounds
from flask_usher.providers.http_client import HttpClient
from flask_usher.providers.oidc import OidcProvider
from flask_usher.providers.oidc_settings import OidcSettings
from flask_usher.providers.verification_keys import KeySet, read_key_set
from flask_usher.testing import (
    Client,
    Clock,
    FakeOpenIdProvider,
    FakeTokenIssuer,
    Reply,
    Request,
    SigningKey,
)

CALLBACK = "https://www.shop.example/usher/oidc/id/callback"
FAREWELL = "https://www.shop.example/"
CLIENT = Client(
    id="usher",
    secret="a secret/with:signs & 100%",
    redirect_uris=(CALLBACK,),
    post_logout_redirect_uris=(FAREWELL,),
)
KEY = SigningKey.generate(key_id="first")
PUBLIC_KEY = cast(RSAPublicKey, KEY.key.public_key)


def fake(*clients: Client, **options: Any) -> FakeOpenIdProvider:
    """Return a provider that only answers those who hold it, with a clock that stands still."""
    given = {"clients": clients or (CLIENT,), "keys": [KEY], "clock": Clock(), **options}
    return FakeOpenIdProvider(**given)


class DirectHttp(HttpClient):
    """Asks the fake without any network, in the place of the real way out."""

    def __init__(self, provider: FakeOpenIdProvider) -> None:
        super().__init__(Bounds())
        self._provider = provider

    def equip(self, session: requests.Session) -> None:
        session.adapters.clear()
        session.mount("", _Direct(self._provider))


class _Direct(BaseAdapter):
    def __init__(self, provider: FakeOpenIdProvider) -> None:
        super().__init__()
        self._provider = provider

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        assert self._provider.issuer.startswith(f"{parts.scheme}://{parts.netloc}")
        body: Any = request.body or b""
        answer = self._provider.answer(
            Request(
                request.method or "",
                parts.path,
                parse_qs(parts.query, keep_blank_values=True),
                {name.lower(): str(value) for name, value in request.headers.items()},
                body.encode() if isinstance(body, str) else body,
            )
        )
        if not isinstance(answer, Reply) or answer.delay_seconds:
            raise ProviderUnavailable("no answer")
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(dict(answer.headers))
        response.raw = io.BytesIO(answer.body)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        """There is nothing to close."""


def at_once(work: Callable[[], None]) -> None:
    """Do background work before going on, so that tests see what it did."""
    work()


def settings(provider: FakeOpenIdProvider, **changes: Any) -> OidcSettings:
    """Return settings for the first client of the fake."""
    client = next(iter(provider.clients.values()))
    given: dict[str, Any] = {
        "issuer": provider.issuer,
        "client_id": client.id,
        "client_authentication": client.authentication,
    }
    if client.key is None:
        given["client_secret"] = client.secret
    else:
        given |= {"client_key": client.key.key.private_key, "client_key_id": client.key.key_id}
    return OidcSettings(**{**given, **changes})


def usher_at(provider: FakeOpenIdProvider, name: str = "id", **changes: Any) -> OidcProvider:
    """Return the provider under test, a client of the fake."""
    return OidcProvider(
        name,
        settings(provider, **changes),
        provider.clock,
        http=DirectHttp(provider),
        background=at_once,
    )


def sign_in(
    usher: OidcProvider, provider: FakeOpenIdProvider, query: Mapping[str, Any] | None = None
) -> Completion:
    """Make one attempt all the way; `query` changes what the browser brings back."""
    challenge = usher.begin(redirect_uri=CALLBACK)
    back = {**provider.authorize(challenge.url), **(query or {})}
    back = {name: values for name, values in back.items() if values is not ...}
    return usher.complete(back, challenge.secrets, redirect_uri=CALLBACK)


@dataclass
class FixedKeys:
    """A source of keys that stay as they are. `asked` counts the wishes for newer ones."""

    keys: KeySet
    asked: int = 0

    @classmethod
    def of(cls, issuer: FakeTokenIssuer, *algorithms: str) -> FixedKeys:
        jwks = {"keys": [key.jwk for key in issuer.keys]}
        return cls(read_key_set(jwks, algorithms or ("RS256",)))

    def current(self) -> KeySet:
        return self.keys

    def newer(self, than: KeySet) -> KeySet | None:
        self.asked += 1
        return None
