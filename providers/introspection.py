"""Mobile apps that show an access token whose meaning only its issuer knows (RFC 7662)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from .access_tokens import AccessTokenSettings, names_another_issuer, person
from .base import CredentialsRefused, Identity, ProviderUnavailable
from .bearer_header import bearer_token
from .bulkhead import CONCURRENCY, Bulkhead
from .client_authentication import client_session
from .discovery import Discovery
from .http_client import Answer, HttpClient
from .introspection_cache import IntrospectionCache
from .jwt_verification import LEEWAY_SECONDS, is_for, is_subject, is_time
from .oidc_settings import OidcSettings
from .refreshing import in_a_thread
from .verification_keys import ALGORITHMS

REFUSED_SECONDS = 5
"""Whoever shows a refused token again so soon does not make us ask again."""
logger = logging.getLogger(__name__)

Claims = Mapping[str, Any]


class IntrospectionProvider:
    """A request provider. `client_id` and `client_secret` are ours at the issuer.

    `clock` gives seconds since the epoch. At most `concurrency` requests wait for the issuer
    at once. The reasons in `CredentialsRefused` are those of `bearer_token`, `person` and
    `_fault_in`, and `issuer-mismatch` for tokens that name another issuer: those are shown to
    nobody.
    """

    def __init__(
        self,
        name: str,
        settings: AccessTokenSettings,
        clock: Callable[[], float] = time.time,
        *,
        client_id: str,
        client_secret: str,
        http: HttpClient | None = None,
        background: Callable[[Callable[[], None]], None] = in_a_thread,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self._client = OidcSettings(
            issuer=settings.issuer,
            client_id=client_id,
            client_secret=client_secret,
            insecure_loopback=settings.insecure_loopback,
        )
        self._http = http or HttpClient(settings.bounds)
        self._discovery = Discovery(
            self._http,
            settings.issuer,
            # What it says there is about ID tokens.
            algorithms=ALGORITHMS,
            clock=clock,
            endpoint_hosts=settings.endpoint_hosts,
            background=background,
        )
        self._cache = IntrospectionCache(clock)
        # By itself, so that made-up tokens crowd out no good ones.
        self._refused = IntrospectionCache(clock)
        self._calls = Bulkhead(concurrency)

    def is_ready(self) -> bool:
        """Tell whether the issuer answered when it was last asked. Nobody waits for it."""
        return self._discovery.is_ready()

    def identify(self, headers: Mapping[str, Sequence[str]]) -> Identity | None:
        """Return whom the access token is about; `None` when there is none."""
        token = bearer_token(headers)
        if token is None:
            return None
        if names_another_issuer(token, self.settings.issuer):
            raise CredentialsRefused("invalid_token", "issuer-mismatch")
        return person(self.name, self._claims(token), self.settings, self._clock())

    def current(self, identity: Identity) -> Identity | None:
        """Return the identity: each request proves anew that it is true."""
        return identity

    def _claims(self, token: str) -> Claims:
        claims = self._cache.find(token)
        if claims is not None:
            return claims
        refused = self._refused.find(token)
        if refused is None:
            with self._calls:
                claims = self._ask(token)
            fault = _fault_in(claims, self.settings, self._clock())
            if fault is None:
                self._cache.keep(token, claims, claims["exp"])
                return claims
            refused = {"fault": fault}
            self._refused.keep(token, refused, self._clock() + REFUSED_SECONDS)
        raise CredentialsRefused("invalid_token", refused["fault"])

    def _ask(self, token: str) -> Claims:
        endpoint = self._discovery.metadata().introspection_endpoint
        if endpoint is None:
            raise ProviderUnavailable("the issuer has no introspection endpoint")
        with client_session(self._client, self._clock) as session:
            self._http.equip(session)
            try:
                response = session.introspect_token(
                    endpoint, token, "access_token", allow_redirects=False
                )
            except ValueError as error:
                raise ProviderUnavailable("the introspection endpoint is unusable") from error
        answer = Answer.of(response)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            logger.error("%s does not let us introspect tokens", self.settings.issuer)
        return answer.json_object()


def _fault_in(claims: Claims, settings: AccessTokenSettings, now: float) -> str | None:
    """Say why this answer lets nobody in. RFC 7662 requires little more than `active`."""
    kind, not_before = claims.get("token_type", "Bearer"), claims.get("nbf", 1)
    faults = {
        "token-inactive": claims.get("active") is not True,
        "issuer-mismatch": claims.get("iss", settings.issuer) != settings.issuer,
        "audience-mismatch": not is_for(settings.audience, claims.get("aud")),
        # A DPoP token (RFC 9449) is worth nothing without the proof that comes with it.
        "token-type": not isinstance(kind, str) or kind.lower() != "bearer",
        "time-malformed": not (is_time(claims.get("exp")) and is_time(not_before)),
        "subject-malformed": not is_subject(claims.get("sub")),
        "client-malformed": not is_subject(claims.get("client_id")),
    }
    for reason, is_at_fault in faults.items():
        if is_at_fault:
            return reason
    if now >= claims["exp"]:
        return "token-expired"
    return "issued-in-the-future" if not_before > now + LEEWAY_SECONDS else None
