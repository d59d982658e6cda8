"""OpenID providers: do they answer, are they who the settings say, and do they know us?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import requests

from flask_usher.providers.base import ProviderUnavailable, SignInFailed

from ..findings import Finding, drift, fault, ok, warning
from ..provider_settings import BearerProviderSettings, IssuerSettings, OidcProviderSettings
from .subject import Subject

if TYPE_CHECKING:
    from flask_usher.providers.discovery import Metadata
    from flask_usher.providers.http_client import HttpClient

CLOCK_WARNING_SECONDS, CLOCK_FAULT_SECONDS = 5, 30
SLOW_SECONDS = 2
WHY = "Its people can't sign in; nobody else is kept out."
LONGEST_SHOWN = 200
TIMEOUT = (2, 5)


def openid_findings(subject: Subject) -> Iterator[Finding]:
    """Judge each provider of the settings that is asked over the network."""
    tables = subject.settings.providers
    remote = {name: it for name, it in tables.items() if isinstance(it, IssuerSettings)}
    for name in remote:
        yield from _provider_findings(subject, name)
    for name in tables.keys() - remote.keys():
        yield ok(name, f'type "{tables[name].type}": nothing to ask over the network')


def _provider_findings(subject: Subject, name: str) -> Iterator[Finding]:
    from flask_usher.providers.discovery import WELL_KNOWN
    from flask_usher.providers.http_client import HttpClient

    settings = _settings_of(subject, name)
    http = HttpClient(settings.bounds)
    try:
        before = time.time()
        answer = http.get(settings.issuer.rstrip("/") + WELL_KNOWN)
        after = time.time()
        yield _speed(name, after - before)
        yield _clock(name, drift(answer.headers.get("date", ""), before, after))
        named = answer.json_object().get("issuer")
        if named != settings.issuer:
            yield _other_issuer(name, str(named)[:LONGEST_SHOWN], settings.issuer)
            return
        metadata = _metadata(http, settings)
        yield ok(f"{name} metadata", "of the issuer in the settings, with what is needed")
        yield _keys(name, http, metadata, settings.algorithms)
        yield from _client_findings(subject, name, http, metadata)
    except ProviderUnavailable as error:
        yield fault(f"{name} provider", str(error), WHY, _remedy(str(error)))


def _settings_of(subject: Subject, name: str) -> Any:
    provider: Any = subject.state.providers[name]
    return provider.settings


def _speed(name: str, seconds: float) -> Finding:
    if seconds > SLOW_SECONDS:
        return warning(
            f"{name} discovery",
            f"answers in {seconds:.1f} s",
            "Who signs in waits for several such answers.",
            "Look at the network on the way to it.",
        )
    return ok(f"{name} discovery", f"answers in {seconds * 1000:.0f} ms")


def _other_issuer(name: str, named: str, issuer: str) -> Finding:
    return fault(
        f"{name} issuer",
        f"it calls itself {named}; the settings say {issuer}",
        "Nobody's ID token is believed: both must be the same to the letter.",
        f"If that is who you mean, write what it calls itself into providers.{name}.issuer.",
    )


def _clock(name: str, ahead: float | None) -> Finding:
    check = f"{name} clock"
    if ahead is None:
        return ok(check, "not told: its answer has no Date")
    found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if abs(ahead) <= CLOCK_WARNING_SECONDS:
        return ok(check, found)
    judge = fault if abs(ahead) > CLOCK_FAULT_SECONDS else warning
    return judge(
        check,
        found,
        f"From {CLOCK_FAULT_SECONDS} s on its ID tokens are refused.",
        "Set this machine's clock by NTP: timedatectl set-ntp true",
    )


def _metadata(http: HttpClient, settings: Any) -> Metadata:
    from flask_usher.providers.discovery import Discovery

    discovery = Discovery(
        http,
        settings.issuer,
        algorithms=settings.algorithms,
        clock=time.time,
        endpoint_hosts=settings.endpoint_hosts,
    )
    return discovery.ask()


def _keys(
    name: str, http: HttpClient, metadata: Metadata, algorithms: tuple[str, ...]
) -> Finding:
    from flask_usher.providers.verification_keys import read_key_set

    found = read_key_set(http.get(metadata.jwks_uri).json_object(), algorithms)
    if found.keys:
        return ok(f"{name} keys", f"{len(found.keys)} of use for {', '.join(algorithms)}")
    return fault(
        f"{name} keys",
        f"none of use for {', '.join(algorithms)}",
        WHY,
        f"Write into providers.{name}.algorithms what it signs with.",
    )


def _client_findings(
    subject: Subject, name: str, http: HttpClient, metadata: Metadata
) -> Iterator[Finding]:
    settings = subject.settings
    table = settings.providers[name]
    if isinstance(table, OidcProviderSettings):
        back = f"{settings.public_url}{settings.url_prefix}/oidc/{name}/callback"
        yield _redirect_uri(name, subject.state.providers[name], back)
        yield _credentials(name, http, metadata, _settings_of(subject, name), back)
    elif isinstance(table, BearerProviderSettings) and table.introspection_client_id:
        yield _introspection(name, metadata)


def _redirect_uri(name: str, provider: Any, back: str) -> Finding:
    # RFC 6749, 4.1.2.1: a provider sends nobody to an address that it does not know.
    check = f"{name} redirect URI"
    status, location = _sent_to(provider.begin(redirect_uri=back, silent=True).url, provider)
    if location.startswith(back):
        return ok(check, f"{back} is registered there")
    if status < 400:
        return ok(check, f"it did not say whether {back} is registered there")
    return fault(
        check,
        f"answers {status} to client_id and {back}",
        "Who wants to sign in sees an error page of the provider's.",
        f"Register exactly that address at the provider; check providers.{name}.client_id, "
        "public_url and url_prefix.",
    )


def _sent_to(url: str, provider: Any) -> tuple[int, str]:
    """Return the status of the answer, and where it sends the browser.

    It is for a browser, so it may be a redirect, which our way to providers takes for a fault.
    """
    with requests.Session() as session:
        session.trust_env = False
        session.verify = provider.settings.ca_file or True
        try:
            with session.get(url, timeout=TIMEOUT, allow_redirects=False, stream=True) as it:
                return it.status_code, it.headers.get("Location", "")
        except requests.RequestException as error:
            raise ProviderUnavailable(f"no call: {type(error).__name__}") from error


def _credentials(
    name: str, http: HttpClient, metadata: Metadata, settings: Any, back: str
) -> Finding:
    from flask_usher.providers.code_exchange import CodeExchange

    check = f"{name} client"
    exchange = CodeExchange(http, settings, time.time)
    try:
        exchange.redeem(
            metadata.token_endpoint,
            # Nobody was given it, so what is refused tells whether we are believed.
            secrets.token_urlsafe(32),
            code_verifier=secrets.token_urlsafe(48),
            redirect_uri=back,
        )
    except SignInFailed:
        return ok(check, f"is known, by {settings.client_authentication}")
    except ProviderUnavailable as error:
        refusal = getattr(error.__cause__, "error", None)
        if refusal not in ("invalid_client", "unauthorized_client"):
            return ok(check, "it did not say whether it knows our secret or key")
    return fault(
        check,
        f"is refused, by {settings.client_authentication}",
        "Whoever comes back from its sign-in page gets an error.",
        f"Take the secret or key for providers.{name} from the provider again: it may have "
        "been changed there, or expired.",
    )


def _introspection(name: str, metadata: Metadata) -> Finding:
    if metadata.introspection_endpoint:
        return ok(f"{name} introspection", "it has an endpoint for it")
    return fault(
        f"{name} introspection",
        "it has no endpoint for it",
        "No access token is accepted.",
        f"Leave out providers.{name}.introspection_client_id if its tokens are signed.",
    )


def _remedy(reason: str) -> str:
    if "host that endpoint_hosts" in reason:
        return "Add that host to endpoint_hosts of this provider, if it is the provider's."
    if "another issuer" in reason or "algorithms" in reason:
        return "Compare issuer and algorithms in the settings with what the provider publishes."
    return (
        "Look at issuer, at the name's address, the firewall and the certificate. A provider "
        "inside your network must be in private_networks."
    )
