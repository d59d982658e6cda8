"""The real service in two processes on one database, beside a real OpenID provider."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from browser.service import Service, start
from playwright.sync_api import BrowserContext, Page
from support.openid_provider import RealOpenIdProvider, running
from support.server import free_port

NAME = "openid"
CLIENT = "usher"


@dataclass(frozen=True)
class Installation:
    """Both processes serve the same site; the provider tells `first` of each logout.

    Cookies belong to a host and not to a port: a browser shows the same ones to both.
    """

    provider: RealOpenIdProvider
    first: Service
    second: Service

    def begin(self, page: Page, service: Service | None = None) -> None:
        """Go from the shop by way of the sign-in page to the provider."""
        page.goto((service or self.first).shop)
        page.get_by_role("link", name="Sign in").click()
        page.get_by_role("link", name="the OpenID provider").click()

    def prove(self, page: Page, name: str = "jane") -> None:
        """Fill in the provider's own form."""
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(name)
        page.get_by_role("button", name="Sign in").click()

    def sign_in(self, page: Page, service: Service | None = None, name: str = "jane") -> None:
        """Sign in at the provider and agree to what it asks."""
        self.begin(page, service)
        self.prove(page, name)
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url((service or self.first).shop)

    def sign_in_silently(self, page: Page) -> None:
        """Try to sign in without any page of the provider's; the way ends at the shop."""
        page.goto(f"{self.first.origin}/usher/oidc/{NAME}/start?silent=1&next=/usher/sandbox/")
        page.wait_for_url(self.first.shop)

    def sign_out_at_the_provider(self, page: Page) -> None:
        """End the session at the provider, on the provider's own page."""
        page.goto(self.provider.metadata()["end_session_endpoint"])
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Signed out").wait_for()


def forget_sign_in(visitor: BrowserContext) -> None:
    """Drop the sign-in at Usher, as closing the browser would; the provider's stays."""
    visitor.clear_cookies(name="usher")


def has_sign_in(visitor: BrowserContext) -> bool:
    """Tell whether the browser holds a sign-in cookie."""
    return any(cookie["name"] == "usher" for cookie in visitor.cookies())


@contextmanager
def installed(folder: Path) -> Iterator[Installation]:
    """Start everything, with its state in `folder`."""
    ports = free_port(), free_port()
    origins = [f"http://127.0.0.1:{port}" for port in ports]
    secret = secrets.token_urlsafe(32)
    client = {
        "client_id": CLIENT,
        "client_secret": secret,
        "redirect_uris": [f"{origin}/usher/oidc/{NAME}/callback" for origin in origins],
        "post_logout_redirect_uris": [f"{origin}/usher/sandbox/" for origin in origins],
        "backchannel_logout_uri": f"{origins[0]}/usher/oidc/{NAME}/back-channel-logout",
        "backchannel_logout_session_required": True,
    }
    secret_file = folder / "client-secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret)
    with ExitStack() as stack:
        provider = stack.enter_context(running({"clients": [client]}, folder / "openid.json"))
        environment = _environment(provider.issuer, secret_file)
        services = []
        for port in ports:
            services.append(start(folder, environment, port))
            stack.callback(services[-1].stop)
        yield Installation(provider, *services)


def _environment(issuer: str, secret_file: Path) -> dict[str, str]:
    prefix = f"USHER__PROVIDERS__{NAME.upper()}__"
    return {
        "USHER__PROVIDERS__LOCAL__TYPE": "local",
        prefix + "TYPE": "oidc",
        prefix + "LABEL": "the OpenID provider",
        prefix + "ISSUER": issuer,
        prefix + "CLIENT_ID": CLIENT,
        prefix + "CLIENT_SECRET": str(secret_file),
        prefix + "SCOPES": '["profile"]',
        # This provider keeps the name out of the ID token.
        prefix + "USERINFO": "true",
        prefix + "INSECURE_LOOPBACK": "true",
    }
