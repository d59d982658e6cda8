"""Mobile apps that show an access token which is a JWT (RFC 9068)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from .access_tokens import AccessTokenSettings, names_another_issuer, person
from .base import CredentialsRefused, Identity, ProviderUnavailable
from .bearer_header import bearer_token
from .compact_jws import InvalidToken
from .discovery import Discovery
from .http_client import HttpClient
from .jwt_verification import ACCESS_TOKEN, Verifier
from .key_sets import KeySets
from .refreshing import in_a_thread
from .verification_keys import ALGORITHMS


class BearerProvider:
    """A request provider. `clock` gives seconds since the epoch.

    Nothing is asked of the issuer before the first token. The reasons in `CredentialsRefused`
    are those of `bearer_token`, `Verifier` and `person`.
    """

    def __init__(
        self,
        name: str,
        settings: AccessTokenSettings,
        clock: Callable[[], float] = time.time,
        *,
        http: HttpClient | None = None,
        background: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        http = http or HttpClient(settings.bounds)
        discovery = Discovery(
            http,
            settings.issuer,
            # What it says there is about ID tokens.
            algorithms=ALGORITHMS,
            clock=clock,
            endpoint_hosts=settings.endpoint_hosts,
            background=background,
        )
        self._keys = KeySets(
            http,
            lambda: discovery.metadata().jwks_uri,
            algorithms=settings.algorithms,
            clock=clock,
            background=background,
        )
        self._verifier = Verifier(
            ACCESS_TOKEN,
            issuer=settings.issuer,
            audience=settings.audience,
            keys=self._keys.for_strangers_tokens,
            algorithms=settings.algorithms,
            clock=clock,
        )

    def is_ready(self) -> bool:
        """Tell whether the issuer answered when it was last asked. Nobody waits for it."""
        return self._keys.for_issuers_tokens.is_ready()

    def identify(self, headers: Mapping[str, Sequence[str]]) -> Identity | None:
        """Return whom the access token is about; `None` when there is none."""
        token = bearer_token(headers)
        if token is None:
            return None
        try:
            claims = self._verifier.verify(token).claims
        except (InvalidToken, ProviderUnavailable) as failure:
            # Whose it says to be counts for nothing but who else may be asked about it.
            if names_another_issuer(token, self.settings.issuer):
                raise CredentialsRefused("invalid_token", "issuer-mismatch") from failure
            if isinstance(failure, ProviderUnavailable):
                raise
            raise CredentialsRefused("invalid_token", failure.reason) from failure
        return person(self.name, claims, self.settings, self._clock())

    def current(self, identity: Identity) -> Identity | None:
        """Return the identity: each request proves anew that it is true."""
        return identity
