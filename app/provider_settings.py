"""`[providers.NAME]`: one table for each identity provider, its keys chosen by its `type`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from importlib.metadata import EntryPoint, entry_points
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema

from flask_usher.providers.base import ProviderType

from . import keys
from .errors import Fault, SettingsError
from .setting_types import (
    ExistingFile,
    Frozen,
    Network,
    PrivateKeyFile,
    SitePath,
    Table,
    TextSecretFile,
    Url,
    fault,
    text_like,
)

ENTRY_POINT_GROUP = "flask_usher.providers"

Algorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
Host = Annotated[
    str, text_like(r"[a-z0-9.-]+(:\d+)?", "a host such as login.shop.example, in small letters")
]


ClientId = Annotated[
    str, text_like(r"[!-~]{1,255}", "1 to 255 characters of plain ASCII without spaces")
]
# RFC 6749, appendix A.4.
Word = Annotated[str, text_like(r"[!#-\[\]-~]+", "one word of plain ASCII without quotes")]


class LocalProviderSettings(Table):
    """`type = "local"`: accounts with passwords, in the database."""

    type: Literal["local"]


class IssuerSettings(Table):
    """What `oidc` and `bearer` have in common: whose tokens are believed."""

    issuer: Url
    """The provider's issuer identifier, exactly as it writes it."""
    algorithms: tuple[Algorithm, ...] = ("RS256",)
    """The algorithms that its tokens may be signed with."""
    endpoint_hosts: tuple[Host, ...] = ()
    """Hosts other than the issuer's that its metadata may point to."""
    claims: Frozen[str, str] = Field(default_factory=dict)
    """Further claims: our name for each, and the provider's. `groups` fills the groups."""
    private_networks: tuple[Network, ...] = ()
    """Networks inside which the provider may be; else only public addresses are called."""
    ca_file: ExistingFile | None = None
    """Path of the certificates to trust instead of the public ones."""
    insecure_loopback: StrictBool = False
    """Talk plain http with a provider on this machine. For tests and demos."""

    @field_validator("algorithms")
    @classmethod
    def _are_some(cls, value: tuple[Algorithm, ...]) -> tuple[Algorithm, ...]:
        if not value:
            raise fault("at least one algorithm")
        return value

    @field_validator("insecure_loopback")
    @classmethod
    def _is_needed_for_http(cls, value: bool, info: ValidationInfo) -> bool:
        if info.data.get("issuer", "").startswith("http:") and not value:
            raise fault("https in issuer, or true for a provider on this machine")
        return value


class OidcProviderSettings(IssuerSettings):
    """`type = "oidc"`: the visitor signs in at an OpenID provider."""

    type: Literal["oidc"]
    label: str | None = None
    """The button on the sign-in page says "Sign in with" this, or the provider's name."""
    client_id: ClientId
    """The name under which the provider knows this service."""
    client_authentication: Literal[
        "client_secret_basic", "client_secret_post", "private_key_jwt"
    ] = "client_secret_basic"
    """How this service proves itself to the provider."""
    client_secret: TextSecretFile | None = None
    """Path of the client secret; not with `private_key_jwt`."""
    client_key: PrivateKeyFile | None = None
    """Path of the RSA private key for `private_key_jwt`."""
    client_key_id: ClientId | None = None
    """The `kid` under which the provider knows that key."""
    assertion_audience: Literal["issuer", "token_endpoint"] = "issuer"
    """What `private_key_jwt` is made out to; older providers want their token endpoint."""
    scopes: tuple[Word, ...] = ()
    """Scopes beyond `openid`."""
    acr_values: tuple[Word, ...] = ()
    """Authentication contexts, any of which must be met."""
    max_age_seconds: Annotated[StrictInt, Field(ge=0)] | None = None
    """How long ago the person may have proved who they are."""
    userinfo: StrictBool = False
    """Fetch further claims from the userinfo endpoint."""
    typed_logout_tokens: StrictBool = False
    """Accept logout tokens only if their `typ` says that they are some."""

    @field_validator("client_secret")
    @classmethod
    def _fits_authentication(
        cls, value: keys.TextSecret | None, info: ValidationInfo
    ) -> keys.TextSecret | None:
        if (info.data.get("client_authentication") == "private_key_jwt") == (value is not None):
            raise fault('a file, except with client_authentication = "private_key_jwt"')
        return value

    @field_validator("client_key")
    @classmethod
    def _fits_authentication_too(
        cls, value: keys.PrivateKey | None, info: ValidationInfo
    ) -> keys.PrivateKey | None:
        if (info.data.get("client_authentication") == "private_key_jwt") != (value is not None):
            raise fault('a file exactly with client_authentication = "private_key_jwt"')
        return value


class BearerProviderSettings(IssuerSettings):
    """`type = "bearer"`: a mobile app sends the access token that it already has."""

    type: Literal["bearer"]
    audience: Annotated[str, Field(min_length=1)]
    """The value that a token's `aud` must hold."""
    clients: tuple[ClientId, ...]
    """The client ids of the apps that may ask."""
    scope: Word | None = None
    """The scope that a token must have."""
    introspection_client_id: ClientId | None = None
    """For opaque tokens: the name under which the provider knows this service."""
    introspection_client_secret: TextSecretFile | None = None
    """For opaque tokens: path of the secret for the introspection endpoint."""

    @field_validator("clients")
    @classmethod
    def _are_named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise fault("at least one client id: nobody listed is nobody allowed")
        return value

    @field_validator("introspection_client_secret")
    @classmethod
    def _comes_with_its_client(
        cls, value: keys.TextSecret | None, info: ValidationInfo
    ) -> keys.TextSecret | None:
        if (info.data.get("introspection_client_id") is None) != (value is None):
            raise fault("a file exactly when introspection_client_id is given")
        return value


class HostProviderSettings(Table):
    """`type = "host"`: who is signed in to the app that Usher is part of."""

    type: Literal["host"]
    label: str | None = None
    """The button on the sign-in page says "Sign in with" this, or the provider's name."""
    sign_in_path: SitePath = "/login"
    """The app's own sign-in page, which is told where to go afterwards as `next`."""


@cache
def third_party() -> Mapping[str, ProviderType]:
    """Return the provider types that installed packages add, by the `type` in the settings.

    Not before settings are read: those packages import this one. Raises `SettingsError`.
    """
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: _load(entry) for entry in found}


def _load(entry: EntryPoint) -> ProviderType:
    try:
        provider_type = entry.load()
    except Exception as error:
        raise _unusable(entry, f"{type(error).__name__} when it is imported") from error
    if not isinstance(provider_type, ProviderType):
        raise _unusable(entry, f"a {type(provider_type).__name__}")
    return provider_type


def _unusable(entry: EntryPoint, found: str) -> SettingsError:
    path = f"{entry.group}: {entry.name} = {entry.value}"
    return SettingsError((Fault(path, found, "a ProviderType that can be imported"),))


@cache
def tables() -> Mapping[str, type[BaseModel]]:
    """Return what a table may hold, by its `type`."""
    return {
        **{name: provider_type.settings for name, provider_type in third_party().items()},
        "local": LocalProviderSettings,
        "oidc": OidcProviderSettings,
        "bearer": BearerProviderSettings,
        "host": HostProviderSettings,
    }


class _ChosenByType:
    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choice: Any = reduce(or_, tables().values())
        return handler.generate_schema(Annotated[choice, Field(discriminator="type")])


ProviderSettings: Any = Annotated[Any, _ChosenByType()]
"""One of `tables()`. A model with such a field must defer its building to its first use."""
