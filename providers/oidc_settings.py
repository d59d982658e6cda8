"""What an operator says about an OpenID provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .addresses import Network
from .base import Took, unmeasured
from .bounded_transport import Bounds
from .verification_keys import ALGORITHMS

ClientAuthenticationMethod = Literal[
    "client_secret_basic", "client_secret_post", "private_key_jwt"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """An OpenID provider and how we are known to it. Raises `ValueError` for what can't work.

    `claims` adds to the claims of OpenID Connect Core 5.1: our name, and the provider's. The
    name `groups` there fills the identity's groups. `acr_values` are demanded, not just asked
    for; `max_age_seconds` is how long ago the person may have proved who they are.
    """

    issuer: str
    client_id: str
    client_authentication: ClientAuthenticationMethod = "client_secret_basic"
    client_secret: str | None = field(default=None, repr=False)
    client_key: RSAPrivateKey | None = field(default=None, repr=False)
    client_key_id: str | None = None
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    scopes: tuple[str, ...] = ("openid",)
    algorithms: tuple[str, ...] = ("RS256",)
    acr_values: tuple[str, ...] = ()
    max_age_seconds: int | None = None
    userinfo: bool = False
    claims: Mapping[str, str] = field(default_factory=dict)
    endpoint_hosts: tuple[str, ...] = ()
    insecure_loopback: bool = False
    private_networks: tuple[Network, ...] = ()
    ca_file: str | None = None
    took: Took = unmeasured
    typed_logout_tokens: bool = False

    def __post_init__(self) -> None:
        for name, is_right, expected in (
            ("issuer", self._issuer_is_right(), "an https address without query or fragment"),
            ("client_id", _is_visible(self.client_id), "visible ASCII characters"),
            ("scopes", self._scopes_are_right(), 'a list with "openid"'),
            ("algorithms", self._algorithms_are_right(), "some of " + ", ".join(ALGORITHMS)),
            ("client_secret", self._secret_is_right(), "a secret for client_secret_…, only"),
            ("client_key", self._key_is_right(), "an RSA key for private_key_jwt, only"),
        ):
            if not is_right:
                raise ValueError(f"{name}: expected {expected}")

    @property
    def bounds(self) -> Bounds:
        """How far calls to this provider may go."""
        return Bounds(
            insecure_loopback=self.insecure_loopback,
            private_networks=self.private_networks,
            ca_file=self.ca_file,
            took=self.took,
        )

    def _issuer_is_right(self) -> bool:
        return self.bounds.allow(self.issuer) and not urlsplit(self.issuer).query

    def _scopes_are_right(self) -> bool:
        return "openid" in self.scopes and all(map(_is_visible, self.scopes))

    def _algorithms_are_right(self) -> bool:
        return bool(self.algorithms) and ALGORITHMS.keys() >= set(self.algorithms)

    def _secret_is_right(self) -> bool:
        return bool(self.client_secret) == (self.client_authentication != "private_key_jwt")

    def _key_is_right(self) -> bool:
        return (self.client_key is not None) == (
            self.client_authentication == "private_key_jwt"
        )


def _is_visible(text: str) -> bool:
    return re.fullmatch(r"[!-~]{1,255}", text) is not None
