"""From the settings of a provider to the provider: the built-in types, then third parties'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_usher.providers.accounts import Accounts
from flask_usher.providers.base import Provider, Resources
from flask_usher.providers.host import HostProvider
from flask_usher.providers.local import LocalProvider

from .errors import Fault, SettingsError
from .provider_settings import (
    BearerProviderSettings,
    HostProviderSettings,
    LocalProviderSettings,
    OidcProviderSettings,
    third_party,
)


def make_providers(settings: Mapping[str, Any], resources: Resources) -> Mapping[str, Provider]:
    """Return a provider for each table of settings. Raises `SettingsError`."""
    return {name: _make(name, table, resources) for name, table in settings.items()}


def _make(name: str, table: Any, resources: Resources) -> Provider:
    match table:
        case LocalProviderSettings():
            return LocalProvider(name, Accounts(resources.database), resources.clock)
        case OidcProviderSettings() | BearerProviderSettings():
            # Their libraries cost 7 MiB, which an installation without them can do without.
            from .openid_registry import make_openid_provider

            return make_openid_provider(name, table, resources)
        case HostProviderSettings():
            return _host(name, resources)
        case _:
            return third_party()[table.type].build(name, table, resources)


def _host(name: str, resources: Resources) -> HostProvider:
    if resources.host_identity is None:
        expected = "Usher(app, identify=…), or Flask-Login set up on the app before Usher"
        raise SettingsError((Fault(f"providers.{name}", "no function that says so", expected),))
    return HostProvider(name, resources.host_identity)
