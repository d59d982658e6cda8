"""The fake OpenID provider is strict where a good one is, and wrong only where told to be."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet

from flask_usher.testing import (
    JOHN,
    Behaviour,
    BitFlipped,
    Client,
    Clock,
    Drip,
    Endpoint,
    FakeOpenIdProvider,
    FixedSignature,
    Forgery,
    HangUp,
    Late,
    MacWith,
    Reply,
    SignedWith,
    SigningKey,
    base64url,
)

CALLBACK = "https://www.shop.example/callback"
FAREWELL = "https://www.shop.example/bye"
VERIFIER = "v" * 43
KEY = SigningKey.generate(key_id="first")
CLIENT_KEY = SigningKey.generate("ES256")
CLIENTS = [
    Client(
        id="shop:1",
        secret="a secret/with:signs",
        redirect_uris=(CALLBACK,),
        post_logout_redirect_uris=(FAREWELL,),
    ),
    Client(id="post", secret="s2", authentication="client_secret_post"),
    Client(id="signer", key=CLIENT_KEY, authentication="private_key_jwt"),
]
BASIC = ("shop%3A1", "a+secret%2Fwith%3Asigns")
QUERY = {
    "response_type": "code",
    "client_id": "shop:1",
    "redirect_uri": CALLBACK,
    "scope": "openid profile",
    "state": "s",
    "nonce": "n",
    "code_challenge": base64url(hashlib.sha256(VERIFIER.encode()).digest()),
    "code_challenge_method": "S256",
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> Iterator[FakeOpenIdProvider]:
    with FakeOpenIdProvider.serving(clients=CLIENTS, keys=[KEY], clock=clock) as provider:
        yield provider


def challenge(provider: FakeOpenIdProvider, **changes: Any) -> str:
    query = {name: value for name, value in (QUERY | changes).items() if value is not None}
    return f"{provider.url(Endpoint.AUTHORIZATION)}?{urlencode(query, doseq=True)}"


def redeem(
    provider: FakeOpenIdProvider, code: str, auth: Any = BASIC, **changes: str
) -> requests.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    return requests.post(
        provider.url(Endpoint.TOKEN), data=form | changes, auth=auth, timeout=5
    )


def code_of(provider: FakeOpenIdProvider) -> str:
    (code,) = provider.authorize(challenge(provider))["code"]
    return code


def verified(provider: FakeOpenIdProvider, token: str, algorithm: str = "RS256") -> Any:
    published = requests.get(provider.url(Endpoint.KEYS), timeout=5).json()
    return jwt.decode(token, KeySet.import_key_set(published), algorithms=[algorithm])


def test_discovery_names_endpoints_that_answer(provider: FakeOpenIdProvider) -> None:
    metadata = requests.get(provider.url(Endpoint.DISCOVERY), timeout=5).json()
    assert metadata["issuer"] == provider.issuer
    addresses = [
        value for name, value in metadata.items() if name.endswith(("_endpoint", "_uri"))
    ]
    assert len(addresses) == 6
    assert all(requests.get(url, timeout=5).status_code != 404 for url in addresses)
    assert requests.get(provider.issuer + "/other", timeout=5).status_code == 404


def test_a_browser_comes_back_with_a_code_that_is_good_for_tokens_once(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    answer = requests.get(challenge(provider), allow_redirects=False, timeout=5)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert (query["state"], query["iss"]) == (["s"], [provider.issuer])
    tokens = redeem(provider, *query["code"]).json()
    assert tokens["token_type"] == "Bearer"
    session = provider.current_session()
    assert verified(provider, tokens["id_token"]).claims == {
        "iss": provider.issuer,
        "sub": "248289761001",
        "aud": "shop:1",
        "exp": clock.now + 300,
        "iat": clock.now,
        "auth_time": clock.now,
        "nonce": "n",
        "sid": session.sid,
        "amr": ["pwd"],
        "name": "Jane Doe",
    }
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = requests.get(provider.url(Endpoint.USERINFO), headers=headers, timeout=5).json()
    assert userinfo["sub"] == "248289761001"
    assert userinfo["email"] == "jane@shop.example"
    again = redeem(provider, *query["code"])
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"nonce": ["a", "b"]}, "invalid_request"),
    ],
)
def test_a_bad_request_comes_back_with_an_error(
    provider: FakeOpenIdProvider, changes: dict[str, Any], error: str
) -> None:
    query = provider.authorize(challenge(provider, **changes))
    assert query["error"] == [error]
    assert "code" not in query


@pytest.mark.parametrize("change", [{"client_id": "x"}, {"redirect_uri": CALLBACK + "/"}])
def test_nobody_is_sent_to_an_unknown_address(
    provider: FakeOpenIdProvider, change: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="does not send the browser back"):
        provider.authorize(challenge(provider, **change))


@pytest.mark.parametrize(
    ("prompt", "error"), [("none", "login_required"), (None, "access_denied")]
)
def test_without_a_person_there_is_no_code(
    provider: FakeOpenIdProvider, prompt: str | None, error: str
) -> None:
    provider.sign_out()
    assert provider.authorize(challenge(provider, prompt=prompt))["error"] == [error]


def test_max_age_asks_the_person_again(provider: FakeOpenIdProvider, clock: Clock) -> None:
    first = provider.current_session()
    clock.advance(61)
    silent = provider.authorize(challenge(provider, max_age="60", prompt="none"))
    assert silent["error"] == ["login_required"]
    assert provider.current_session() == first
    provider.authorize(challenge(provider, max_age="60"))
    assert provider.current_session().began_at == clock.now


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"redirect_uri": FAREWELL},
        {"code": "x"},
    ],
)
def test_a_code_is_bound_to_its_attempt(
    provider: FakeOpenIdProvider, changes: dict[str, str]
) -> None:
    form = {"code": code_of(provider)} | changes
    assert redeem(provider, **form).json() == {"error": "invalid_grant"}


def test_a_code_expires(provider: FakeOpenIdProvider, clock: Clock) -> None:
    code = code_of(provider)
    clock.advance(61)
    assert redeem(provider, code).json() == {"error": "invalid_grant"}


def assertion(provider: FakeOpenIdProvider, clock: Clock, **changes: object) -> dict[str, str]:
    claims = {
        "iss": "signer",
        "sub": "signer",
        "aud": provider.issuer,
        "exp": int(clock.now) + 60,
        "jti": "1",
    }
    signed = jwt.encode({"alg": "ES256"}, claims | changes, CLIENT_KEY.key)
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"client_assertion_type": kind, "client_assertion": signed}


def is_known(provider: FakeOpenIdProvider, auth: Any = None, **form: str) -> bool:
    answer = requests.post(
        provider.url(Endpoint.INTROSPECTION), data={"token": "x"} | form, auth=auth, timeout=5
    )
    return bool(answer.status_code == 200)


def test_clients_prove_who_they_are_in_their_own_way(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    assert is_known(provider, BASIC)
    assert is_known(provider, client_id="post", client_secret="s2")
    assert is_known(provider, **assertion(provider, clock))


@pytest.mark.parametrize("auth", [None, ("shop%3A1", "x"), ("post", "s2"), ("signer", "")])
def test_a_wrong_secret_or_method_proves_nothing(
    provider: FakeOpenIdProvider, auth: Any
) -> None:
    assert not is_known(provider, auth)
    assert redeem(provider, code_of(provider), auth).json() == {"error": "invalid_client"}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"sub": "post"},
        {"exp": 1},
        {"exp": None},
        {"jti": None},
    ],
)
def test_a_wrong_assertion_proves_nothing(
    provider: FakeOpenIdProvider, clock: Clock, changes: dict[str, Any]
) -> None:
    assert not is_known(provider, **assertion(provider, clock, **changes))


def test_an_assertion_is_good_once(provider: FakeOpenIdProvider, clock: Clock) -> None:
    form = assertion(provider, clock)
    assert is_known(provider, **form)
    assert not is_known(provider, **form)


def introspect(provider: FakeOpenIdProvider, token: str) -> Any:
    form = {"token": token}
    url = provider.url(Endpoint.INTROSPECTION)
    return requests.post(url, data=form, auth=BASIC, timeout=5).json()


def test_introspection_tells_what_an_opaque_token_means(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    token = provider.opaque_token("app", audience="usher", scope="chat")
    found = introspect(provider, token)
    assert found["active"] is True
    assert (found["sub"], found["client_id"], found["aud"]) == ("248289761001", "app", "usher")
    assert (found["scope"], found["exp"]) == ("chat", clock.now + 600)
    clock.advance(600)
    assert introspect(provider, token) == {"active": False}
    assert introspect(provider, "other") == {"active": False}
    token = provider.opaque_token("app", audience="usher")
    provider.revoke(token)
    assert introspect(provider, token) == {"active": False}


def test_logging_out_needs_an_id_token_of_a_client_that_knows_the_way_back(
    provider: FakeOpenIdProvider,
) -> None:
    def leave(**query: str) -> requests.Response:
        url = provider.url(Endpoint.END_SESSION)
        return requests.get(url, query, allow_redirects=False, timeout=5)

    hint = provider.id_token("shop:1")
    assert leave(post_logout_redirect_uri=FAREWELL).status_code == 400
    assert leave(id_token_hint=hint, post_logout_redirect_uri=CALLBACK).status_code == 400
    assert provider.session is not None
    answer = leave(id_token_hint=hint, post_logout_redirect_uri=FAREWELL, state="7")
    assert answer.headers["Location"] == f"{FAREWELL}?state=7"
    assert provider.session is None


def test_rotation_signs_with_the_new_key_and_keeps_the_old(
    provider: FakeOpenIdProvider,
) -> None:
    before = provider.id_token("shop:1")
    new = provider.rotate(SigningKey.generate("ES256"))
    assert verified(provider, before).header["kid"] == "first"
    after = verified(provider, provider.id_token("shop:1"), "ES256")
    assert after.header["kid"] == new.key_id
    provider.keys = (new.renewed(),)
    with pytest.raises(JoseError):
        verified(provider, before)


def test_logout_tokens_say_who_is_out(provider: FakeOpenIdProvider, clock: Clock) -> None:
    token = verified(provider, provider.logout_token("shop:1", subject="1", sid="2"))
    assert token.header["typ"] == "logout+jwt"
    claims = dict(token.claims)
    assert claims.pop("jti")
    assert claims == {
        "iss": provider.issuer,
        "aud": "shop:1",
        "iat": clock.now,
        "exp": clock.now + 120,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "sub": "1",
        "sid": "2",
    }


def test_access_tokens_are_about_the_person_whose_session_is_named(
    provider: FakeOpenIdProvider,
) -> None:
    session = provider.sign_in(JOHN)
    token = verified(provider, provider.access_token("app", audience="usher", session=session))
    assert token.header["typ"] == "at+jwt"
    assert (token.claims["sub"], token.claims["client_id"]) == (JOHN.subject, "app")


class TestMisbehaviour:
    def test_changes_reach_every_answer(self, provider: FakeOpenIdProvider) -> None:
        changes = {"other": "yes", "iss": ..., "sub": ..., "keys": ..., "issuer": ...}
        provider.behaviour = Behaviour(
            metadata=changes,
            key_set=changes,
            callback=changes | {"code": ["1", "2"]},
            token_response=changes | {"id_token": None},
            userinfo=changes,
            introspection=changes,
        )
        assert provider.authorize(challenge(provider)) == {
            "state": ["s"],
            "code": ["1", "2"],
            "other": ["yes"],
        }
        provider.behaviour = Behaviour(token_response={"id_token": None, "expires_in": ...})
        tokens = redeem(provider, code_of(provider)).json()
        assert tokens["id_token"] is None
        assert "expires_in" not in tokens

    @pytest.mark.parametrize(
        ("signing", "is_good"),
        [
            (SignedWith(), True),
            (SignedWith(KEY), True),
            (SignedWith(SigningKey.generate()), False),
            (SignedWith(algorithm="RS512"), False),
            (MacWith(b"secret"), False),
            (BitFlipped(), False),
            (BitFlipped(2047), False),
            (FixedSignature(), False),
        ],
        ids=["own", "named", "other-key", "other-algorithm", "mac", "bit", "top-bit", "none"],
    )
    def test_signatures(
        self, provider: FakeOpenIdProvider, signing: Any, is_good: bool
    ) -> None:
        token = provider.id_token("shop:1", forgery=Forgery(signing=signing))
        if is_good:
            verified(provider, token)
        else:
            with pytest.raises(BadSignatureError):
                verified(provider, token)

    def test_members_and_form(self, provider: FakeOpenIdProvider) -> None:
        provider.behaviour = Behaviour(
            id_token=Forgery(
                claims={"aud": ["a"], "iat": ...},
                header={"kid": 7},
                repeated_claims={"sub": "x"},
                form="{header}.{claims}=.{signature}.more",
            )
        )
        header, claims, _, more = provider.id_token("shop:1").split(".")
        assert more == "more"
        text = jwt_part(claims)
        assert text.count('"sub"') == 2
        assert '"aud": ["a"]' in text
        assert '"iat"' not in text
        assert '"kid": 7' in jwt_part(header)
        assert provider.logout_token("shop:1").count(".") == 2

    def test_whole_answers(self, provider: FakeOpenIdProvider) -> None:
        provider.behaviour = Behaviour(
            answers={
                Endpoint.DISCOVERY: Reply(
                    302, headers=(("Location", "http://169.254.169.254"),)
                ),
                Endpoint.KEYS: Late(30),
                Endpoint.USERINFO: HangUp(),
                Endpoint.TOKEN: Drip(b"x", pause_seconds=0.001),
            }
        )
        answer = requests.get(
            provider.url(Endpoint.DISCOVERY), allow_redirects=False, timeout=5
        )
        assert answer.headers["Location"] == "http://169.254.169.254"
        with pytest.raises(requests.ReadTimeout):
            requests.get(provider.url(Endpoint.KEYS), timeout=0.2)
        with pytest.raises(requests.ConnectionError):
            requests.get(provider.url(Endpoint.USERINFO), timeout=5)
        with requests.post(provider.url(Endpoint.TOKEN), stream=True, timeout=5) as endless:
            assert endless.raw.read(100) == b"x" * 100
        assert provider.count(Endpoint.KEYS) == 1


def jwt_part(segment: str) -> str:
    return urlsafe_b64decode(segment.rstrip("=") + "==").decode()
