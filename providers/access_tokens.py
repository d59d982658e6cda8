"""What an access token must say, however it was verified, and whom it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .addresses import Network
from .base import CredentialsRefused, Identity, Took, unmeasured
from .bearer_header import MAXIMUM_CHARACTERS
from .bounded_transport import Bounds
from .compact_jws import InvalidToken, take_apart
from .jwt_verification import is_time
from .oidc_identity import identity
from .strict_json import NotStrictJson, strict_object
from .verification_keys import ALGORITHMS


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTokenSettings:
    """Whose access tokens are believed, and which of them are for the chat.

    `audience` is our name as a resource server, `clients` are the ids of the apps that may
    ask, `scope` one that their tokens must have. `claims` adds to the claims of OpenID Connect
    Core 5.1: our name, and the issuer's. Raises `ValueError` for what can't work.
    """

    issuer: str
    audience: str
    clients: frozenset[str]
    scope: str | None = None
    algorithms: tuple[str, ...] = ("RS256",)
    claims: Mapping[str, str] = field(default_factory=dict)
    endpoint_hosts: tuple[str, ...] = ()
    insecure_loopback: bool = False
    private_networks: tuple[Network, ...] = ()
    ca_file: str | None = None
    took: Took = unmeasured

    def __post_init__(self) -> None:
        for name, is_right, expected in (
            ("issuer", self.bounds.allow(self.issuer), "an https address"),
            ("audience", bool(self.audience), "our name as a resource server"),
            # Nobody listed is nobody allowed, which nobody would want to set up.
            ("clients", bool(self.clients), "the client ids of the apps"),
            ("algorithms", self._algorithms_are_right(), "some of " + ", ".join(ALGORITHMS)),
        ):
            if not is_right:
                raise ValueError(f"{name}: expected {expected}")

    @property
    def bounds(self) -> Bounds:
        """How far calls to the issuer may go."""
        return Bounds(
            insecure_loopback=self.insecure_loopback,
            private_networks=self.private_networks,
            ca_file=self.ca_file,
            took=self.took,
        )

    def _algorithms_are_right(self) -> bool:
        return bool(self.algorithms) and ALGORITHMS.keys() >= set(self.algorithms)


def person(
    provider: str, claims: Mapping[str, Any], settings: AccessTokenSettings, now: float
) -> Identity:
    """Return whom these claims are about, given that their `sub` is well-formed and true.

    Raises `CredentialsRefused` when the token's client or scope is not one that may ask, and
    for tokens that a client has got for itself: those have its name for a `sub`, which could
    be mistaken for a person's (RFC 9068, section 5).
    """
    client, scope = claims.get("client_id"), claims.get("scope", "")
    if not isinstance(client, str) or client not in settings.clients:
        raise CredentialsRefused("insufficient_scope", "client-not-allowed")
    if claims["sub"] == client:
        raise CredentialsRefused("invalid_token", "not-a-person")
    if not isinstance(scope, str):
        raise CredentialsRefused("invalid_token", "scope-malformed")
    if settings.scope is not None and settings.scope not in scope.split(" "):
        raise CredentialsRefused("insufficient_scope", "scope-missing")
    proved_at = claims.get("auth_time", claims.get("iat", now))
    return identity(provider, claims, settings.claims, proved_at if is_time(proved_at) else now)


def names_another_issuer(token: str, issuer: str) -> bool:
    """Tell whether a token is a JWT that says it is another issuer's; nothing is verified."""
    try:
        claims = strict_object(take_apart(token, MAXIMUM_CHARACTERS).payload)
    except (InvalidToken, NotStrictJson):
        return False
    return bool(claims.get("iss", issuer) != issuer)
