"""The real OpenID provider does what the browser tests rely on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jws import extract_compact
from support.access_tokens import bearer, refusal
from support.openid_provider import JANE, RealOpenIdProvider, StartOpenIdProvider

from flask_usher.providers.access_tokens import AccessTokenSettings
from flask_usher.providers.bearer import BearerProvider
from flask_usher.providers.introspection import IntrospectionProvider
from flask_usher.testing import SigningKey, base64url
from flask_usher.testing.http_exchange import Answer, Reply, Request
from flask_usher.testing.loopback_server import LoopbackServer

pytestmark = pytest.mark.node

CALLBACK = "https://www.shop.example/callback"
FAREWELL = "https://www.shop.example/bye"
CHAT = "https://www.shop.example/usher"
OPAQUE = "https://www.shop.example/opaque"
VERIFIER = "v" * 43
KEY = SigningKey.generate()
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class BackChannel:
    """Takes what the provider posts."""

    def __init__(self) -> None:
        self.received: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.received.append(request)
        return Reply()


@pytest.fixture
def back_channel() -> Iterator[tuple[str, BackChannel]]:
    back_channel = BackChannel()
    with LoopbackServer() as server:
        server.serve(back_channel)
        yield f"{server.origin}/logout", back_channel


@pytest.fixture
def provider(
    start_openid_provider: StartOpenIdProvider, back_channel: tuple[str, BackChannel]
) -> RealOpenIdProvider:
    shop = {
        "client_id": "shop",
        "client_secret": "a secret",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [FAREWELL],
        "backchannel_logout_uri": back_channel[0],
        "backchannel_logout_session_required": True,
    }
    signer = {
        "client_id": "signer",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.jwk]},
    }
    app = {
        "client_id": "app",
        "redirect_uris": ["com.example.shop:/callback"],
        "application_type": "native",
        "token_endpoint_auth_method": "none",
    }
    resources = {
        CHAT: {"scope": "chat", "format": "jwt"},
        OPAQUE: {"scope": "chat", "format": "opaque"},
    }
    return start_openid_provider([shop, signer, app], resources)


class Browser:
    """Follows redirects at the provider, and stops at the first that leads elsewhere."""

    def __init__(self, provider: RealOpenIdProvider) -> None:
        self._issuer = provider.issuer
        self._session = requests.Session()
        self.page = ""
        self.left_to = ""

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def open(self, url: str, **query: str) -> Browser:
        return self._follow(self._session.get(url, params=query, allow_redirects=False))

    def submit(self, **fields: str) -> Browser:
        hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', self.page)
        action = re.search(r'action="([^"]+)"', self.page)
        url = urljoin(self._at, action[1]) if action else self._at
        form = dict(hidden) | fields
        return self._follow(self._session.post(url, data=form, allow_redirects=False))

    def _follow(self, answer: requests.Response) -> Browser:
        self._at, self.page, self.left_to = answer.url, answer.text, ""
        if "Location" not in answer.headers:
            return self
        target = urljoin(answer.url, answer.headers["Location"])
        if target.startswith(self._issuer):
            return self.open(target)
        self.left_to = target
        return self

    @property
    def query(self) -> dict[str, str]:
        assert self.left_to
        return {
            name: value for name, (value,) in parse_qs(urlsplit(self.left_to).query).items()
        }


@pytest.fixture
def browser(provider: RealOpenIdProvider) -> Iterator[Browser]:
    with Browser(provider) as browser:
        yield browser


def authorize(
    provider: RealOpenIdProvider, browser: Browser, client: str = "shop", **more: str
) -> Browser:
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": CALLBACK,
        "scope": "openid email",
        "state": "s",
        "nonce": "n",
        "code_challenge": base64url(hashlib.sha256(VERIFIER.encode()).digest()),
        "code_challenge_method": "S256",
    }
    return browser.open(provider.metadata()["authorization_endpoint"], **query | more)


def sign_in(
    provider: RealOpenIdProvider, browser: Browser, client: str = "shop", **more: str
) -> str:
    authorize(provider, browser, client, **more)
    browser.submit(choice="sign-in", name="jane", password="jane").submit(choice="allow")
    assert browser.query["iss"] == provider.issuer
    return browser.query["code"]


def tokens(
    provider: RealOpenIdProvider, code: str, auth: Any = ("shop", "a+secret"), **more: str
) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    url = provider.metadata()["token_endpoint"]
    answer: dict[str, str] = requests.post(url, data=form | more, auth=auth, timeout=5).json()
    assert "error" not in answer, answer
    return answer


def verified(provider: RealOpenIdProvider, token: str) -> jwt.Token:
    keys = requests.get(provider.metadata()["jwks_uri"], timeout=5).json()
    return jwt.decode(token, KeySet.import_key_set(keys), algorithms=["RS256"])


def test_signing_in_and_agreeing_gives_tokens(
    provider: RealOpenIdProvider, browser: Browser
) -> None:
    answer = tokens(provider, sign_in(provider, browser))
    claims = verified(provider, answer["id_token"]).claims
    expected: Mapping[str, str] = {
        "iss": provider.issuer,
        "sub": JANE,
        "aud": "shop",
        "nonce": "n",
    }
    assert {name: claims[name] for name in expected} == expected
    assert claims["sid"]
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    url = provider.metadata()["userinfo_endpoint"]
    userinfo = requests.get(url, headers=headers, timeout=5).json()
    assert userinfo == {"sub": JANE, "email": "jane@shop.example", "email_verified": True}


def test_a_client_may_sign_for_itself(provider: RealOpenIdProvider, browser: Browser) -> None:
    code = sign_in(provider, browser, "signer")
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": provider.issuer,
        "jti": "1",
        "exp": 2**33,
    }
    assertion = jwt.encode({"alg": "RS256", "kid": KEY.key_id}, claims, KEY.key)
    form = {"client_assertion_type": ASSERTION, "client_assertion": assertion}
    answer = tokens(provider, code, None, **form)
    assert verified(provider, answer["id_token"]).claims["aud"] == "signer"


def test_a_wrong_password_shows_the_form_again(
    provider: RealOpenIdProvider, browser: Browser
) -> None:
    authorize(provider, browser).submit(choice="sign-in", name="jane", password="john")
    assert "That is not right" in browser.page
    assert not browser.left_to


def test_refused_consent_comes_back_as_an_error(
    provider: RealOpenIdProvider, browser: Browser
) -> None:
    authorize(provider, browser).submit(choice="sign-in", name="jane", password="jane")
    assert browser.submit(choice="refuse").query["error"] == "access_denied"


def test_silent_attempts_need_a_session(provider: RealOpenIdProvider, browser: Browser) -> None:
    assert authorize(provider, browser, prompt="none").query["error"] == "login_required"
    sign_in(provider, browser)
    assert "code" in authorize(provider, browser, prompt="none").query
    provider.forget_sessions()
    assert authorize(provider, browser, prompt="none").query["error"] == "login_required"


def test_logging_out_tells_the_back_channel(
    provider: RealOpenIdProvider, browser: Browser, back_channel: tuple[str, BackChannel]
) -> None:
    id_token = tokens(provider, sign_in(provider, browser))["id_token"]
    url = provider.metadata()["end_session_endpoint"]
    browser.open(url, id_token_hint=id_token, post_logout_redirect_uri=FAREWELL, state="7")
    assert browser.submit(logout="yes").left_to == f"{FAREWELL}?state=7"
    (notice,) = back_channel[1].received
    token = verified(provider, notice.form["logout_token"][0])
    assert token.header["typ"] == "logout+jwt"
    assert token.claims["sid"] == verified(provider, id_token).claims["sid"]
    assert authorize(provider, browser, prompt="none").query["error"] == "login_required"


def test_keys_rotate_and_are_replaced(provider: RealOpenIdProvider, browser: Browser) -> None:
    def fresh() -> str:
        silent = authorize(provider, browser, prompt="none")
        return tokens(provider, silent.query["code"])["id_token"]

    first = tokens(provider, sign_in(provider, browser))["id_token"]
    provider.rotate_keys()
    second = fresh()
    assert verified(provider, first).header["kid"] != verified(provider, second).header["kid"]
    provider.replace_keys()
    third = fresh()
    assert verified(provider, third).header["kid"] == jwt_header(second)["kid"]
    with pytest.raises(Exception, match="bad_signature"):
        verified(provider, second)


def access_token(provider: RealOpenIdProvider, browser: Browser, resource: str) -> str:
    back = "com.example.shop:/callback"
    scope = "openid chat"
    code = sign_in(provider, browser, "app", redirect_uri=back, scope=scope, resource=resource)
    form = {"client_id": "app", "redirect_uri": back, "resource": resource}
    return tokens(provider, code, None, **form)["access_token"]


def let_in(provider: RealOpenIdProvider, audience: str) -> AccessTokenSettings:
    return AccessTokenSettings(
        issuer=provider.issuer,
        audience=audience,
        clients=frozenset({"app"}),
        scope="chat",
        insecure_loopback=True,
    )


def test_an_app_shows_an_access_token_that_is_a_jwt(
    provider: RealOpenIdProvider, browser: Browser
) -> None:
    token = access_token(provider, browser, CHAT)
    app = BearerProvider("app", let_in(provider, CHAT))
    identity = app.identify(bearer(token))
    assert identity is not None
    assert identity.subject == JANE
    elsewhere = BearerProvider("app", let_in(provider, CHAT + "/other"))
    assert refusal(elsewhere, token) == ("invalid_token", "audience-mismatch")


def test_an_app_shows_an_opaque_access_token(
    provider: RealOpenIdProvider, browser: Browser
) -> None:
    token = access_token(provider, browser, OPAQUE)
    app = IntrospectionProvider(
        "app", let_in(provider, OPAQUE), client_id="shop", client_secret="a secret"
    )
    identity = app.identify(bearer(token))
    assert identity is not None
    assert identity.subject == JANE
    assert refusal(app, token + "x") == ("invalid_token", "token-inactive")


def jwt_header(token: str) -> dict[str, Any]:
    return dict(extract_compact(token.encode()).headers())
