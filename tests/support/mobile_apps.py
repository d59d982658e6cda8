"""Mobile apps that ask the service for a token over HTTP, and the settings that let them in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.access_tokens import APP, AUDIENCE, SCOPE
from support.openid import KEY
from support.service import Answer, Service

from flask_usher import keys
from flask_usher.testing import Client, Clock, FakeOpenIdProvider, FakeTokenIssuer, Forgery

SECRET = "an introspection secret"
US_AT_THE_ISSUER = Client(id="usher", secret=SECRET)
NO_BROWSER = {"Origin": None, "Sec-Fetch-Site": None, "Sec-Fetch-Mode": None}


@contextmanager
def issuing(*clients: Client) -> Iterator[FakeOpenIdProvider]:
    """Give an issuer on a port of its own, whose clock stands still with the service's."""
    with FakeOpenIdProvider.serving(
        clients=[US_AT_THE_ISSUER, *clients], keys=[KEY], clock=Clock()
    ) as issuer:
        yield issuer


def bearer_settings(issuer: FakeTokenIssuer, **changes: Any) -> dict[str, Any]:
    """Return `[providers.NAME]` for tokens that are JWTs."""
    return {
        "type": "bearer",
        "issuer": issuer.issuer,
        "audience": AUDIENCE,
        "clients": [APP],
        "scope": SCOPE,
        "insecure_loopback": True,
        **changes,
    }


def introspection_settings(
    issuer: FakeTokenIssuer, folder: Path, **changes: Any
) -> dict[str, Any]:
    """Return `[providers.NAME]` for opaque tokens, with the secret in a file."""
    secret = folder / "introspection-secret"
    if not secret.exists():
        keys.write_private_file(secret, SECRET.encode())
    return bearer_settings(
        issuer,
        introspection_client_id=US_AT_THE_ISSUER.id,
        introspection_client_secret=str(secret),
        **changes,
    )


def access_token(issuer: FakeTokenIssuer, **claims: object) -> str:
    """Return a token of the shop's app that is a JWT, with these claims changed."""
    forgery = Forgery(claims=claims)
    return issuer.access_token(APP, audience=AUDIENCE, scope=SCOPE, forgery=forgery)


def opaque_token(issuer: FakeOpenIdProvider) -> str:
    """Return a token of the shop's app that says nothing by itself."""
    return issuer.opaque_token(APP, audience=AUDIENCE, scope=SCOPE)


def ask_as_app(service: Service, authorization: str | None, **changes: Any) -> Answer:
    """Ask for a token as an app does: no cookies, no browser's headers."""
    if authorization is not None:
        service.secrets.add(authorization.rpartition(" ")[2])
    headers = NO_BROWSER | {"X-Usher-Client": "shop-android/5.2"} | changes.pop("headers", {})
    browser = changes.pop("browser", None) or service.browser()
    answer = browser.ask(headers=headers | {"Authorization": authorization}, **changes)
    assert isinstance(answer, Answer)
    return answer
