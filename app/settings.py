"""The settings: one frozen, typed tree with every key, default and check.

`configuration` reads it from a file, a mapping or the environment. Validation loads what the
settings point at, so that `token.signing_key` *is* the key: a tree that exists is one that
works. A check that needs two keys sits on the later one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    ConfigDict,
    Field,
    SecretStr,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from . import keys
from .provider_settings import LocalProviderSettings, ProviderSettings
from .rules.settings import PolicySettings
from .setting_types import (
    AuditFile,
    DatabaseUrl,
    ExistingFile,
    Frozen,
    ListenAddress,
    Network,
    Origin,
    PrivateKeyFile,
    Rate,
    RecipientKeys,
    RedisUrl,
    SecretFile,
    SigningKeys,
    SitePath,
    SyslogSocket,
    Table,
    fault,
    is_loopback,
    key_among,
    text_like,
)

# OpenID Connect Core 5.1: none of these is bound to a person for good.
MUTABLE_CLAIMS = frozenset(
    [
        "address",
        "birthdate",
        "email",
        "email_verified",
        "family_name",
        "gender",
        "given_name",
        "locale",
        "middle_name",
        "name",
        "nickname",
        "phone_number",
        "phone_number_verified",
        "picture",
        "preferred_username",
        "profile",
        "updated_at",
        "website",
        "zoneinfo",
    ]
)
LONGEST_LOCK_SECONDS = 15 * 60
VISITOR_DATA_FIELDS = (
    "address",
    "city",
    "country",
    "email",
    "firstName",
    "lastName",
    "phoneNumber",
    "zipCode",
)

VisitorDataField = Annotated[str, key_among(VISITOR_DATA_FIELDS)]
ClaimName = Annotated[str, Field(min_length=1)]
ProviderName = Annotated[
    str, text_like(r"[a-z0-9-]{1,64}", "a provider's name of a-z, 0-9 and -, at most 64")
]
Url = Annotated[
    str, text_like(r"https?://[!-~]{1,240}", "an http or https URL of at most 240 characters")
]
HeaderValue = Annotated[str, text_like(r"[ -~]*", "a header's value: one line of plain ASCII")]
Seconds = Annotated[StrictInt, Field(ge=1, le=30 * 24 * 3600)]


class TokenSettings(Table):
    """`[token]`: what is in a token, and with which keys it is made."""

    issuer: Url | None = None
    """The `iss` claim, the brand's URL; `public_url` when absent."""
    signing_key: SigningKeys
    """The brand's RSA private key: path of a PEM file, `env:NAME`, or a `pkcs11:` URI.

    A list of them is for replacing the key; the first is in force until `usher keys switch`.
    """
    signing_key_fingerprint: str | None = None
    """Fingerprint that the first signing key must have; a different key stops the start."""
    recipient_key: RecipientKeys | None = None
    """iAdvize's public key: `iadvize-production` (when absent), a base64 key, or a PEM path.

    Or a list, as for `signing_key`.
    """
    lifetime_seconds: Annotated[StrictInt, Field(ge=10, le=300)] = 60
    """How long a token is good for."""
    user_id: str = "subject"
    """`subject`, `pairwise` or `claim:NAME`."""
    insecure_mutable_user_id: StrictBool = False
    """Accept for `user_id` a claim that may change or pass to another person."""
    pairwise_key: SecretFile | None = None
    """Path of the secret for `pairwise`, which may never change."""
    visitor_data: Frozen[VisitorDataField, ClaimName] = Field(default_factory=dict)
    """Which of iAdvize's eight fields are sent, each with the claim that it comes from."""
    optional_claims: frozenset[Literal["iat", "jti", "kid"]] = frozenset()
    """What is added beyond the claims that iAdvize documents."""

    @field_validator("signing_key_fingerprint")
    @classmethod
    def _is_that_of_the_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        key = next(iter(info.data.get("signing_key", ())), None)
        value = None if value is None else keys.canonical_fingerprint(value)
        if value is not None and key is not None and value != key.fingerprint:
            raise fault(
                f"{key.fingerprint}, that of {key.source}. Restore the key that iAdvize knows, "
                "or send iAdvize the new public key and change this setting"
            )
        return value

    @field_validator("recipient_key")
    @classmethod
    def _is_not_our_own(
        cls, value: tuple[keys.PublicKey, ...] | None, info: ValidationInfo
    ) -> tuple[keys.PublicKey, ...] | None:
        own = {it.fingerprint for it in info.data.get("signing_key", ())}
        if own & {it.fingerprint for it in value or ()}:
            raise fault("iAdvize's public key, not the one that belongs to token.signing_key")
        return value

    @field_validator("user_id")
    @classmethod
    def _is_a_mode(cls, value: str) -> str:
        if not re.fullmatch(r"subject|pairwise|claim:\S+", value):
            raise fault('"subject", "pairwise" or "claim:NAME"')
        return value

    @field_validator("insecure_mutable_user_id")
    @classmethod
    def _covers_mutable_claims(cls, value: bool, info: ValidationInfo) -> bool:
        claim = info.data.get("user_id", "").removeprefix("claim:")
        if claim.lower() in MUTABLE_CLAIMS and not value:
            raise fault(
                f"token.user_id to name a claim that never changes and never passes to another "
                f"person, as {claim!r} may; two people with one userId read each other's chats"
            )
        return value

    @field_validator("pairwise_key")
    @classmethod
    def _is_there_for_pairwise(
        cls, value: keys.Secret | None, info: ValidationInfo
    ) -> keys.Secret | None:
        if (info.data.get("user_id") == "pairwise") != (value is not None):
            raise fault('a file exactly when token.user_id is "pairwise"')
        return value


class DatabaseSettings(Table):
    """`[database]`: where accounts and sign-ins are kept."""

    url: DatabaseUrl = Field(default="sqlite:///usher.db", repr=False)
    """`sqlite:///FILE` or `postgresql+psycopg://USER:PASSWORD@HOST/DATABASE`."""


class SignInSettings(Table):
    """`[sign_ins]`: how long a sign-in lasts."""

    idle_seconds: Annotated[Seconds, Field(ge=60)] = 30 * 60
    """Without any request for this long, a sign-in ends."""
    absolute_seconds: Annotated[Seconds, Field(ge=60)] = 12 * 3600
    """A sign-in ends after this, whatever happens."""
    per_person: Annotated[StrictInt, Field(ge=1, le=1000)] = 20
    """How many sign-ins one person may have at once."""
    when_full: Literal["end-oldest", "refuse"] = "end-oldest"
    """What a sign-in beyond that does."""
    default_next: SitePath = "/"
    """The path that a visitor goes to after signing in, when the page named none."""


class LimitSettings(Table):
    """`[limits]`: at most so many, `"N per S seconds"`."""

    sign_in_failures_per_account: Rate = "10 per 300 seconds"
    """Failed sign-ins for one account name."""
    sign_in_failures_per_address: Rate = "10 per 300 seconds"
    """Failed sign-ins from one address (IPv6: one /64)."""
    sign_ins: Rate = "1000 per 300 seconds"
    """Tries to sign in, all together."""
    refused_credentials_per_address: Rate = "100 per 60 seconds"
    """Refused access tokens and logout tokens from one address."""
    tokens_per_person: Rate = "100 per 60 seconds"
    """Tokens for one person; without Redis, in each process."""
    tokens_per_address: Rate = "3000 per 60 seconds"
    """Tokens for all who are behind one address."""
    reports_per_browser: Rate = "30 per 60 seconds"
    """Reports of what became of an activation, from one browser."""
    reports_per_address: Rate = "3000 per 60 seconds"
    """The same, from all who are behind one address."""
    workers: Annotated[StrictInt, Field(ge=1, le=1024)] = 1
    """How many processes there are on all hosts: without Redis each grants its part."""

    @field_validator("sign_in_failures_per_account")
    @classmethod
    def _ends_a_lock_soon(cls, value: str) -> str:
        # Or anybody could keep somebody else out for hours (OWASP ASVS 6.1.1).
        if int(value.split()[2]) > LONGEST_LOCK_SECONDS:
            raise fault(f"a limit over at most {LONGEST_LOCK_SECONDS} seconds")
        return value


class RedisSettings(Table):
    """`[redis]`: what all processes and hosts share beyond the database."""

    url: Annotated[SecretStr, RedisUrl]
    """`redis://`, `rediss://` or `unix://`, with user and password if there are any."""
    ca_file: ExistingFile | None = None
    """Path of certificates to trust with `rediss://` besides the system's (PEM)."""

    @field_validator("ca_file")
    @classmethod
    def _is_for_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        url = info.data.get("url")
        if value and url and not url.get_secret_value().startswith("rediss:"):
            raise fault(
                "a file only with rediss:// in redis.url: without TLS there is no certificate"
            )
        return value


class AuditSettings(Table):
    """`[audit]`: where the line for each decision goes."""

    file: AuditFile = None
    """Path of the file that lines are appended to, or `stdout` (when absent)."""
    syslog: SyslogSocket | None = None
    """Path of the syslog daemon's local socket, in the place of a file."""
    when_unavailable: Literal["refuse", "count"] = "refuse"
    """What becomes of a decision whose line can't be written."""

    @field_validator("syslog")
    @classmethod
    def _stands_alone(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("file") is not None:
            raise fault("either audit.file or audit.syslog")
        return value


class OperatorSettings(Table):
    """`[operator]`: the page with the state of the service and what became of tokens."""

    group: Annotated[str, Field(min_length=1, max_length=255)] = "operators"
    """Who is in this group may see it."""


class MetricsSettings(Table):
    """`[metrics]`: the same figures for Prometheus, by `usher metrics`."""

    listen: ListenAddress = "127.0.0.1:9464"
    """The address and port of a listener of its own."""


class ProxySettings(Table):
    """`[proxy]`: the reverse proxies whose X-Forwarded-* headers are believed."""

    trusted_addresses: tuple[Network, ...] = ()
    """Addresses of the proxies; nobody else's headers count."""


class HttpSettings(Table):
    """`[http]`: headers that a site may want to set elsewhere."""

    strict_transport_security: HeaderValue = "max-age=31536000; includeSubDomains"
    """The header's value when `public_url` is https; empty sends none."""


class SandboxSettings(Table):
    """`[sandbox]`: the stand-in for iAdvize, on loopback addresses only."""

    recipient_key: PrivateKeyFile
    """Path of the RSA private key with which the stand-in opens tokens."""
    session_seconds: Annotated[StrictInt, Field(ge=1, le=86400)] = 3600
    """After how long the stand-in asks the page for a new token."""


class Settings(Table):
    """The whole tree."""

    # Building looks for the providers of other packages, which import this one.
    model_config = ConfigDict(defer_build=True)

    public_url: Origin
    """The origin at which visitors reach this service."""
    url_prefix: str = "/usher"
    """The path under which every address of Usher lies."""
    allowed_origins: tuple[Origin, ...] = ()
    """Further origins whose pages may ask for tokens."""
    secret_key: SecretFile
    """Path of the secret that protects cookies, forms and the names in the audit log."""
    token: TokenSettings
    # Validated as if it were written, so that its own default counts from the right folder.
    database: DatabaseSettings = Field(default_factory=dict)  # type: ignore[assignment]
    sign_ins: SignInSettings = Field(default_factory=SignInSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    redis: RedisSettings | None = None
    policy: PolicySettings = Field(default_factory=PolicySettings)
    audit: AuditSettings = Field(default_factory=AuditSettings)
    proxy: ProxySettings = Field(default_factory=ProxySettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    providers: Frozen[ProviderName, ProviderSettings] = Field(
        default_factory=lambda: {"local": LocalProviderSettings(type="local")}
    )
    operator: OperatorSettings | None = None
    metrics: MetricsSettings | None = None
    sandbox: SandboxSettings | None = None

    @field_validator("url_prefix")
    @classmethod
    def _is_a_prefix(cls, value: str) -> str:
        if not re.fullmatch(r"(/[A-Za-z0-9_-]+)+", value):
            raise fault("a path such as /usher, with no slash at its end")
        return value

    @field_validator("providers")
    @classmethod
    def _are_enough(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if not value:
            raise fault("at least one provider")
        for only_once in ("local", "host"):
            if sum(provider.type == only_once for provider in value.values()) > 1:
                raise fault(f'one provider with type = "{only_once}"')
        return value

    @field_validator("sandbox")
    @classmethod
    def _is_on_loopback(
        cls, value: SandboxSettings | None, info: ValidationInfo
    ) -> SandboxSettings | None:
        origin = info.data.get("public_url")
        if value is not None and origin is not None and not is_loopback(origin):
            raise fault("no [sandbox] table: the stand-in for iAdvize is never for production")
        return value

    @field_validator("sandbox")
    @classmethod
    def _has_its_own_key(
        cls, value: SandboxSettings | None, info: ValidationInfo
    ) -> SandboxSettings | None:
        token = info.data.get("token")
        own = {it.fingerprint for it in token.signing_key} if token else set()
        if value and value.recipient_key.fingerprint in own:
            raise fault("a recipient_key of its own, not the token.signing_key")
        return value

    @property
    def issuer(self) -> str:
        """The `iss` claim of every token."""
        return self.token.issuer or self.public_url

    @property
    def recipient_keys(self) -> tuple[keys.PublicKey, ...]:
        """The keys that tokens may be encrypted for; the first one is the usual."""
        if self.token.recipient_key is not None:
            return self.token.recipient_key
        if self.sandbox is not None:
            return (keys.PublicKey("sandbox", self.sandbox.recipient_key.public_key),)
        return (keys.iadvize_production(),)

    @property
    def public_host(self) -> str:
        """Host and port of `public_url`, as a Host header gives them."""
        return urlsplit(self.public_url).netloc

    @property
    def secure(self) -> bool:
        """Whether visitors reach this service over https."""
        return self.public_url.startswith("https:")
