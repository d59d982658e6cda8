"""From the settings of an OpenID provider to the provider: sign-in pages, access tokens."""

from __future__ import annotations

from typing import Any

from flask_usher.providers.access_tokens import AccessTokenSettings
from flask_usher.providers.base import Provider, Resources
from flask_usher.providers.bearer import BearerProvider
from flask_usher.providers.introspection import IntrospectionProvider
from flask_usher.providers.oidc import OidcProvider
from flask_usher.providers.oidc_settings import OidcSettings

from .provider_settings import BearerProviderSettings, IssuerSettings, OidcProviderSettings


def make_openid_provider(
    name: str, table: OidcProviderSettings | BearerProviderSettings, resources: Resources
) -> Provider:
    """Return the provider for a table of settings with `type` `oidc` or `bearer`."""
    if isinstance(table, OidcProviderSettings):
        return OidcProvider(name, _oidc_settings(name, table, resources), resources.clock)
    return _bearer(name, table, resources)


def _oidc_settings(
    name: str, table: OidcProviderSettings, resources: Resources
) -> OidcSettings:
    return OidcSettings(
        issuer=table.issuer,
        client_id=table.client_id,
        client_authentication=table.client_authentication,
        client_secret=table.client_secret.value if table.client_secret else None,
        client_key=table.client_key.private_key if table.client_key else None,
        client_key_id=table.client_key_id,
        assertion_audience=table.assertion_audience,
        scopes=("openid", *table.scopes),
        algorithms=table.algorithms,
        acr_values=table.acr_values,
        max_age_seconds=table.max_age_seconds,
        userinfo=table.userinfo,
        typed_logout_tokens=table.typed_logout_tokens,
        **_reach(name, table, resources),
    )


def _bearer(name: str, table: BearerProviderSettings, resources: Resources) -> Provider:
    settings = AccessTokenSettings(
        issuer=table.issuer,
        audience=table.audience,
        clients=frozenset(table.clients),
        scope=table.scope,
        algorithms=table.algorithms,
        **_reach(name, table, resources),
    )
    client_id, secret = table.introspection_client_id, table.introspection_client_secret
    if client_id is None or secret is None:
        return BearerProvider(name, settings, resources.clock)
    return IntrospectionProvider(
        name, settings, resources.clock, client_id=client_id, client_secret=secret.value
    )


def _reach(name: str, table: IssuerSettings, resources: Resources) -> dict[str, Any]:
    return {
        "claims": table.claims,
        "endpoint_hosts": table.endpoint_hosts,
        "insecure_loopback": table.insecure_loopback,
        "private_networks": table.private_networks,
        "ca_file": str(table.ca_file) if table.ca_file else None,
        "took": resources.calls(name),
    }
