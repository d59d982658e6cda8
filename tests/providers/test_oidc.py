"""Signing in at an OpenID provider, and everything that must not work on the way."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.hostile_tokens import NOW
from support.openid import (
    CALLBACK,
    CLIENT,
    FAREWELL,
    KEY,
    DirectHttp,
    fake,
    settings,
    sign_in,
    usher_at,
)
from support.threads import together

from flask_usher.providers.base import (
    Challenge,
    Completion,
    Identity,
    ProviderUnavailable,
    SignInDeclined,
    SignInFailed,
)
from flask_usher.providers.http_client import HttpClient
from flask_usher.providers.oidc import OidcProvider
from flask_usher.testing import (
    JOHN,
    Behaviour,
    Client,
    Clock,
    Drip,
    Endpoint,
    FakeOpenIdProvider,
    Forgery,
    HangUp,
    Late,
    Person,
    RedirectProviderContract,
    Reply,
    SigningKey,
)

OTHER_ISSUER = "https://other.example"
SIGNED = Client(
    id="signer",
    key=SigningKey.generate(),
    authentication="private_key_jwt",
    redirect_uris=(CALLBACK,),
)
POSTED = replace(CLIENT, id="poster", authentication="client_secret_post")
ODD = replace(CLIENT, id="us:er/+1", secret="%41:&=+ \"'~ é".encode().hex() + "%:+&= ~")


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> FakeOpenIdProvider:
    return fake(clock=clock)


@pytest.fixture
def usher(provider: FakeOpenIdProvider) -> OidcProvider:
    return usher_at(provider)


class TestContract(RedirectProviderContract):
    redirect_uri = CALLBACK

    @pytest.fixture(autouse=True)
    def _a_provider(self) -> None:
        self.fake = fake()
        self.usher = usher_at(self.fake)

    def provider(self) -> OidcProvider:
        return self.usher

    def way_back(self, challenge: Challenge) -> Mapping[str, Any]:
        return self.fake.authorize(challenge.url)


@pytest.mark.parametrize(
    "client",
    [
        pytest.param(CLIENT, id="rp-token_endpoint-client_secret_basic"),
        pytest.param(ODD, id="client_secret_basic-with-odd-characters"),
        pytest.param(POSTED, id="rp-token_endpoint-client_secret_post"),
        pytest.param(SIGNED, id="rp-token_endpoint-private_key_jwt"),
    ],
)
def test_a_person_signs_in_whatever_proves_who_we_are_rp_response_type_code(
    client: Client,
) -> None:
    provider = fake(client)
    completion = sign_in(usher_at(provider), provider)
    assert provider.session is not None
    assert completion.identity == Identity(
        provider="id",
        subject="248289761001",
        signed_in_at=NOW,
        claims={"name": "Jane Doe"},
        amr=("pwd",),
    )
    assert completion.sid == provider.session.sid
    assert completion.vouched_at == NOW
    assert query_of(usher_at(provider).begin(redirect_uri=CALLBACK).url)["response_type"] == [
        "code"
    ]


@pytest.mark.parametrize("audience", ["issuer", "token_endpoint"])
def test_an_assertion_is_for_the_audience_in_the_settings(audience: str) -> None:
    provider = fake(SIGNED)
    sign_in(usher_at(provider, assertion_audience=audience), provider)
    (request,) = (it for it in provider.requests if it.path == Endpoint.TOKEN)
    (assertion,) = request.form["client_assertion"]
    claims = json.loads(_decoded(assertion.split(".")[1]))
    url = provider.issuer if audience == "issuer" else provider.url(Endpoint.TOKEN)
    assert claims["aud"] == url
    assert claims["exp"] - claims["iat"] == 60
    assert claims["iss"] == claims["sub"] == SIGNED.id


def _decoded(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "==")


def test_the_browser_is_sent_with_all_that_protects_the_attempt(usher: OidcProvider) -> None:
    challenge = usher.begin(redirect_uri=CALLBACK)
    verifier = challenge.secrets["code_verifier"]
    digest = hashlib.sha256(verifier.encode()).digest()
    assert query_of(challenge.url) == {
        "response_type": ["code"],
        "client_id": ["usher"],
        "redirect_uri": [CALLBACK],
        "scope": ["openid"],
        "state": [challenge.secrets["state"]],
        "nonce": [challenge.secrets["nonce"]],
        "code_challenge": [urlsafe_b64encode(digest).decode().rstrip("=")],
        "code_challenge_method": ["S256"],
    }
    assert len(verifier) >= 43
    assert verifier not in challenge.url


def test_row_56_a_verifier_is_never_used_twice(usher: OidcProvider) -> None:
    secrets = [usher.begin(redirect_uri=CALLBACK).secrets for _ in range(500)]
    for name in ("state", "nonce", "code_verifier"):
        assert len({it[name] for it in secrets}) == len(secrets)


def test_row_56_a_provider_that_knows_plain_only_still_gets_s256(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    provider.behaviour = Behaviour(metadata={"code_challenge_methods_supported": ["plain"]})
    url = usher.begin(redirect_uri=CALLBACK).url
    assert query_of(url)["code_challenge_method"] == ["S256"]


def test_what_the_operator_asks_for_is_asked_for(provider: FakeOpenIdProvider) -> None:
    usher = usher_at(
        provider,
        scopes=("openid", "profile", "chat"),
        acr_values=("gold", "silver"),
        max_age_seconds=0,
    )
    query = query_of(usher.begin(redirect_uri=CALLBACK, silent=True, language="fr-FR").url)
    assert query["scope"] == ["openid profile chat"]
    assert query["acr_values"] == ["gold silver"]
    assert query["max_age"] == ["0"]
    assert query["prompt"] == ["none"]
    assert query["ui_locales"] == ["fr-FR"]


@pytest.mark.parametrize("language", [None, "", "*", "x" * 36, "fr de", "fr\r\n", "<b>"])
def test_what_is_no_language_is_not_sent(usher: OidcProvider, language: str | None) -> None:
    url = usher.begin(redirect_uri=CALLBACK, language=language).url
    assert "ui_locales" not in query_of(url)


def test_a_silent_sign_in_works_while_the_provider_knows_the_person(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    challenge = usher.begin(redirect_uri=CALLBACK, silent=True)
    back = provider.authorize(challenge.url)
    assert usher.complete(back, challenge.secrets, redirect_uri=CALLBACK).identity


def test_a_silent_sign_in_is_declined_when_it_does_not(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    provider.sign_out()
    challenge = usher.begin(redirect_uri=CALLBACK, silent=True)
    back = provider.authorize(challenge.url)
    with pytest.raises(SignInDeclined, match="login-required"):
        usher.complete(back, challenge.secrets, redirect_uri=CALLBACK)


WAYS_BACK = [
    pytest.param({"state": "x"}, "state-mismatch", id="row51-unknown-state"),
    pytest.param({"state": ...}, "state-mismatch", id="row54-no-state"),
    pytest.param({"state": ""}, "state-mismatch", id="row54-empty-state"),
    pytest.param({"state": "\ud800"}, "state-mismatch", id="row54-state-without-encoding"),
    *(
        pytest.param({"iss": iss}, "response-issuer-mismatch", id=f"row52-iss-{name}")
        for name, iss in {
            "missing": ...,
            "other": OTHER_ISSUER,
            "upper-case": "HTTPS://ID.EXAMPLE",
            "slash": "https://id.example/",
            "http-twin": "http://id.example",
            "empty": "",
        }.items()
    ),
    pytest.param({"code": ...}, "response-malformed", id="no-code"),
    pytest.param({"code": ""}, "response-malformed", id="empty-code"),
    pytest.param({"code": "a\r\nb"}, "response-malformed", id="code-with-line-break"),
    pytest.param({"code": "é"}, "response-malformed", id="code-not-ascii"),
    pytest.param({"code": "x" * 4097}, "response-malformed", id="code-too-long"),
    pytest.param({"error": "access_denied"}, "response-malformed", id="row53-code-and-error"),
    *(
        pytest.param({name: ["x", "x"]}, "response-malformed", id=f"row53-two-{name}")
        for name in ("state", "code", "iss", "error", "session_state")
    ),
]


@pytest.mark.parametrize(("change", "reason"), WAYS_BACK)
def test_a_wrong_way_back_ends_before_anything_is_sent(
    provider: FakeOpenIdProvider, usher: OidcProvider, change: dict[str, Any], reason: str
) -> None:
    back = {
        name: value if isinstance(value, list) or value is ... else [value]
        for name, value in change.items()
    }
    with pytest.raises(SignInFailed) as caught:
        sign_in(usher, provider, back)
    assert caught.value.reason == reason
    assert provider.count(Endpoint.TOKEN) == 0


def test_row_52_a_provider_that_never_names_itself_need_not(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    provider.behaviour = Behaviour(
        metadata={"authorization_response_iss_parameter_supported": ...}, callback={"iss": ...}
    )
    assert sign_in(usher, provider).identity
    provider.behaviour = replace(provider.behaviour, callback={"iss": OTHER_ISSUER})
    with pytest.raises(SignInFailed, match="response-issuer-mismatch"):
        sign_in(usher, provider)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "other"}, id="another-name"),
        pytest.param({"issuer": OTHER_ISSUER}, id="another-issuer"),
        pytest.param({"client_id": "other"}, id="another-client"),
    ],
)
def test_row_52_an_attempt_at_one_provider_is_none_at_another(
    provider: FakeOpenIdProvider, usher: OidcProvider, changes: dict[str, Any]
) -> None:
    challenge = usher.begin(redirect_uri=CALLBACK)
    back = provider.authorize(challenge.url)
    other = usher_at(provider, **changes)
    with pytest.raises(SignInFailed, match="attempt-malformed"):
        other.complete(back, challenge.secrets, redirect_uri=CALLBACK)
    assert provider.count(Endpoint.TOKEN) == 0


@pytest.mark.parametrize("secret", ["state", "nonce", "code_verifier"])
@pytest.mark.parametrize("value", [..., "", "x", "\ud800", "x.y"])
def test_row_56_an_attempt_without_its_secrets_fails(
    provider: FakeOpenIdProvider, usher: OidcProvider, secret: str, value: Any
) -> None:
    challenge = usher.begin(redirect_uri=CALLBACK)
    back = provider.authorize(challenge.url)
    changed = {**challenge.secrets, secret: value}
    secrets = {name: it for name, it in changed.items() if it is not ...}
    with pytest.raises(SignInFailed):
        usher.complete(back, secrets, redirect_uri=CALLBACK)


def test_row_57_an_injected_code_is_of_no_use_rp_nonce_unless_code_flow(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    attackers = provider.authorize(usher.begin(redirect_uri=CALLBACK).url)
    with pytest.raises(SignInFailed, match="code-refused"):
        sign_in(usher, provider, {"code": attackers["code"]})


def test_row_51_a_code_works_once(provider: FakeOpenIdProvider, usher: OidcProvider) -> None:
    challenge = usher.begin(redirect_uri=CALLBACK)
    back = provider.authorize(challenge.url)
    usher.complete(back, challenge.secrets, redirect_uri=CALLBACK)
    with pytest.raises(SignInFailed, match="code-refused"):
        usher.complete(back, challenge.secrets, redirect_uri=CALLBACK)


ERRORS = [
    pytest.param("access_denied", SignInDeclined, "access-denied", id="row54-access_denied"),
    pytest.param("login_required", SignInDeclined, "login-required", id="login_required"),
    pytest.param("consent_required", SignInDeclined, "consent-required", id="consent"),
    pytest.param("interaction_required", SignInDeclined, "interaction-required", id="inter"),
    pytest.param(
        "account_selection_required", SignInDeclined, "account-selection-required", id="select"
    ),
    pytest.param("server_error", ProviderUnavailable, "server_error", id="server_error"),
    pytest.param("temporarily_unavailable", ProviderUnavailable, "temp", id="unavailable"),
    pytest.param("invalid_scope", ProviderUnavailable, "invalid_scope", id="invalid_scope"),
    pytest.param("unauthorized_client", ProviderUnavailable, "unauth", id="client"),
    pytest.param("<script>", SignInFailed, "provider-error", id="row54-markup"),
    pytest.param("", SignInFailed, "provider-error", id="empty"),
]


@pytest.mark.parametrize(("error", "kind", "words"), ERRORS)
def test_row_54_an_error_ends_the_attempt_and_its_words_go_nowhere(
    provider: FakeOpenIdProvider,
    usher: OidcProvider,
    caplog: pytest.LogCaptureFixture,
    error: str,
    kind: type[Exception],
    words: str,
) -> None:
    told = "<b>told</b>\r\n" * 1000
    back = {"code": ..., "error": [error], "error_description": [told], "error_uri": ["x"]}
    with pytest.raises(kind, match=words) as caught:
        sign_in(usher, provider, back)
    assert type(caught.value) is kind
    assert "told" not in caplog.text + repr(caught.value)
    assert provider.count(Endpoint.TOKEN) == 0


def test_row_54_an_error_needs_its_state_as_well(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    with pytest.raises(SignInFailed, match="state-mismatch"):
        sign_in(usher, provider, {"code": ..., "error": ["access_denied"], "state": ["x"]})


@pytest.mark.parametrize("fault", ["invalid_scope", "unauthorized_client"])
def test_what_the_operator_has_to_mend_is_logged(
    provider: FakeOpenIdProvider,
    usher: OidcProvider,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    with pytest.raises(ProviderUnavailable):
        sign_in(usher, provider, {"code": ..., "error": [fault]})
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert fault in record.getMessage()


SECRET_BODY = b'{"error_description": "a-secret-of-the-provider"}'


def _answer(status: int, body: bytes | object) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else json.dumps(body).encode())


WHOLE = {"id_token": "a.b.c", "access_token": "x", "token_type": "Bearer"}
DOUBLED = json.dumps(WHOLE).replace("{", '{"token_type": "Bearer", ').encode()

FAULTY_ANSWERS = [
    pytest.param(_answer(400, WHOLE), id="row58-400-with-all-that-is-needed"),
    pytest.param(_answer(401, WHOLE), id="row58-401-with-all-that-is-needed"),
    pytest.param(_answer(201, WHOLE), id="row58-201-with-all-that-is-needed"),
    pytest.param(_answer(200, DOUBLED), id="row58-a-member-doubled"),
    pytest.param(_answer(200, json.dumps(WHOLE).encode("utf-16")), id="row58-all-in-utf-16"),
    pytest.param(_answer(400, {"error": "invalid_request"}), id="row58-400"),
    pytest.param(_answer(400, {}), id="row58-400-without-error"),
    pytest.param(_answer(400, {"id_token": "x"}), id="row58-400-with-token"),
    pytest.param(_answer(401, {"error": "invalid_client"}), id="row58-401"),
    pytest.param(_answer(400, {"error": ["invalid_grant"]}), id="row58-error-is-a-list"),
    pytest.param(_answer(403, {}), id="row58-403"),
    pytest.param(_answer(429, {}), id="row58-429"),
    pytest.param(_answer(500, SECRET_BODY), id="row58-500"),
    pytest.param(_answer(201, {}), id="row58-201"),
    pytest.param(_answer(200, b"<html>a-secret-of-the-provider</html>"), id="row58-html"),
    pytest.param(_answer(200, []), id="row58-list"),
    pytest.param(_answer(200, {}), id="row58-empty-object"),
    pytest.param(_answer(200, b""), id="row58-empty"),
    pytest.param(_answer(200, b'{"id_token": "ey'), id="row58-truncated"),
    pytest.param(_answer(200, b"\xff\xfe{\x00}\x00"), id="row58-utf-16"),
    pytest.param(_answer(200, b'{"a": 1, "a": 2}'), id="row58-doubled"),
    pytest.param(_answer(200, SECRET_BODY), id="row58-other-members"),
    pytest.param(HangUp(), id="hang-up"),
    pytest.param(Late(), id="row61-too-late"),
]


@pytest.mark.parametrize("answer", FAULTY_ANSWERS)
def test_row_58_a_faulty_token_endpoint_is_unavailable_and_never_quoted(
    provider: FakeOpenIdProvider,
    usher: OidcProvider,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.TOKEN: answer})
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailable) as caught:
        sign_in(usher, provider)
    assert "a-secret" not in caplog.text + repr(caught.value)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"id_token": None}, id="row58-id_token-null"),
        pytest.param({"id_token": 5}, id="row58-id_token-number"),
        pytest.param({"id_token": ...}, id="row58-id_token-missing"),
        pytest.param({"token_type": "mac"}, id="row58-token_type-mac"),
        pytest.param({"token_type": ...}, id="row58-token_type-missing"),
        pytest.param({"token_type": ["Bearer"]}, id="row58-token_type-list"),
        pytest.param({"access_token": ...}, id="access_token-missing"),
        pytest.param({"access_token": "a b"}, id="access_token-with-space"),
        pytest.param({"access_token": "a\r\nHost: b"}, id="access_token-with-line-break"),
        pytest.param({"access_token": ["a"]}, id="access_token-list"),
        pytest.param({"expires_in": "soon"}, id="expires_in-text"),
        pytest.param({"expires_in": {"a": 1}}, id="expires_in-object"),
        pytest.param({"expires_at": [1]}, id="expires_at-list"),
    ],
)
def test_row_58_a_token_response_must_be_one(
    provider: FakeOpenIdProvider, usher: OidcProvider, members: dict[str, Any]
) -> None:
    provider.behaviour = Behaviour(token_response=members)
    with pytest.raises(ProviderUnavailable):
        sign_in(usher, provider)


def test_row_71_a_secret_that_was_changed_at_the_provider_is_told_but_not_shown(
    provider: FakeOpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    usher = usher_at(provider, client_secret="an outdated secret")
    with caplog.at_level(logging.DEBUG), pytest.raises(ProviderUnavailable):
        sign_in(usher, provider)
    errors = [it.getMessage() for it in caplog.records if it.levelno == logging.ERROR]
    assert errors == ["https://id.example refuses to redeem a code: invalid_client"]
    assert "outdated" not in caplog.text + repr(usher.settings)


def test_userinfo_adds_to_the_id_token_rp_scope_userinfo_claims(
    provider: FakeOpenIdProvider,
) -> None:
    usher = usher_at(provider, userinfo=True)
    assert sign_in(usher, provider).identity.claims == {
        "name": "Jane Doe",
        "email": "jane@shop.example",
        "email_verified": True,
    }


def test_the_access_token_goes_in_the_header_rp_userinfo_bearer_header(
    provider: FakeOpenIdProvider,
) -> None:
    sign_in(usher_at(provider, userinfo=True), provider)
    (request,) = (it for it in provider.requests if it.path == Endpoint.USERINFO)
    assert request.method == "GET"
    assert request.headers["authorization"].startswith("Bearer ")
    assert not request.query


@pytest.mark.parametrize("sub", ["248289761002", "", None, 248289761001, ["248289761001"], ...])
def test_row_64_userinfo_about_somebody_else_is_refused_rp_userinfo_bad_sub_claim(
    provider: FakeOpenIdProvider, sub: object
) -> None:
    provider.behaviour = Behaviour(userinfo={"sub": sub})
    with pytest.raises(SignInFailed, match="userinfo-mismatch"):
        sign_in(usher_at(provider, userinfo=True), provider)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(_answer(200, [{"sub": "248289761001"}]), id="row64-list"),
        pytest.param(
            Reply(200, b"eyJ.eyJ.x", (("Content-Type", "application/jwt"),)),
            id="row64-signed-rp-userinfo-sig",
        ),
        pytest.param(
            Reply(200, b"eyJ.a.b.c.d", (("Content-Type", "application/jwt"),)),
            id="row64-encrypted-rp-userinfo-enc-rp-userinfo-sig+enc",
        ),
        pytest.param(_answer(401, b""), id="401"),
        pytest.param(_answer(500, b""), id="500"),
    ],
)
def test_row_64_unusable_userinfo_lets_nobody_in(
    provider: FakeOpenIdProvider, answer: Reply
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.USERINFO: answer})
    with pytest.raises(ProviderUnavailable):
        sign_in(usher_at(provider, userinfo=True), provider)


def test_userinfo_that_is_asked_for_must_exist(provider: FakeOpenIdProvider) -> None:
    provider.behaviour = Behaviour(metadata={"userinfo_endpoint": ...})
    with pytest.raises(ProviderUnavailable):
        sign_in(usher_at(provider, userinfo=True), provider)


def test_userinfo_does_not_overrule_what_is_signed(provider: FakeOpenIdProvider) -> None:
    told = {"name": "Mallory", "acr": "gold", "sid": "x", "amr": ["otp"]}
    unsaid = Forgery(claims={"sid": ..., "amr": ...})
    provider.behaviour = Behaviour(userinfo=told, id_token=unsaid)
    completion = sign_in(usher_at(provider, userinfo=True), provider)
    identity = completion.identity
    assert identity.claims["name"] == "Jane Doe"
    assert (completion.sid, identity.acr, identity.amr) == (None, None, ())


def test_claims_beyond_the_standard_ones_are_those_in_the_settings(
    provider: FakeOpenIdProvider,
) -> None:
    person = Person(
        subject="1",
        claims={
            "customer": "C-1",
            "https://shop.example/roles": ["gold", "", 1, "staff"],
            "secret_note": "x",
            "picture": "x" * 5000,
            "locale": "fr",
        },
        acr="gold",
        amr=("pwd", "otp"),
    )
    provider.sign_in(person)
    names = {"customer_number": "customer", "groups": "https://shop.example/roles"}
    identity = sign_in(usher_at(provider, claims=names), provider).identity
    assert identity.claims == {"customer_number": "C-1", "locale": "fr"}
    assert identity.groups == ("gold", "staff")
    assert (identity.acr, identity.amr) == ("gold", ("pwd", "otp"))


@pytest.mark.parametrize(
    ("claims", "groups"),
    [({"groups": "gold"}, ("gold",)), ({"groups": {"a": 1}}, ()), ({"groups": None}, ())],
)
def test_groups_are_texts(
    provider: FakeOpenIdProvider, claims: dict[str, Any], groups: tuple[str, ...]
) -> None:
    provider.sign_in(Person(subject="1", claims=claims))
    assert sign_in(usher_at(provider), provider).identity.groups == groups


@pytest.mark.parametrize("claims", [{"acr": 1, "amr": "pwd"}, {"acr": None, "amr": [1, "pwd"]}])
def test_how_somebody_signed_in_is_in_texts(
    provider: FakeOpenIdProvider, usher: OidcProvider, claims: dict[str, Any]
) -> None:
    provider.behaviour = Behaviour(id_token=Forgery(claims=claims))
    identity = sign_in(usher, provider).identity
    assert (identity.acr, identity.amr) == (None, ("pwd",))


@pytest.mark.parametrize("sid", [1, "", ["x"], "x" * 256, "a\nb", ...])
def test_a_session_without_a_usable_name_has_none(
    provider: FakeOpenIdProvider, usher: OidcProvider, sid: object
) -> None:
    provider.behaviour = Behaviour(id_token=Forgery(claims={"sid": sid}))
    assert sign_in(usher, provider).sid is None


def test_people_stay_apart(provider: FakeOpenIdProvider, usher: OidcProvider) -> None:
    jane = sign_in(usher, provider).identity
    provider.sign_in(JOHN)
    john = sign_in(usher, provider).identity
    assert (jane.subject, john.subject) == ("248289761001", "248289761002")
    assert usher.current(jane) == jane


def test_row_67_fifty_attempts_end_well_in_any_order(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    challenges = [usher.begin(redirect_uri=CALLBACK) for _ in range(50)]
    backs = [provider.authorize(challenge.url) for challenge in challenges]

    def finish(number: int) -> Completion | ProviderUnavailable:
        try:
            return usher.complete(
                backs[-1 - number], challenges[-1 - number].secrets, redirect_uri=CALLBACK
            )
        except ProviderUnavailable as error:
            return error

    outcomes = together(50, finish)
    good = [it for it in outcomes if isinstance(it, Completion)]
    full = [it for it in outcomes if isinstance(it, ProviderUnavailable)]
    assert good
    assert len(good) + len(full) == 50
    assert all("too many" in str(it) for it in full)


def test_row_61_a_provider_that_hangs_holds_up_a_few_visitors_only(
    provider: FakeOpenIdProvider,
) -> None:
    arrived, released = threading.Semaphore(0), threading.Event()

    class Hanging(DirectHttp):
        def equip(self, session: Any) -> None:
            arrived.release()
            assert released.wait(30)
            super().equip(session)

    usher = OidcProvider(
        "id", settings(provider), provider.clock, http=DirectHttp(provider), concurrency=3
    )
    attempts = []
    for _ in range(10):
        challenge = usher.begin(redirect_uri=CALLBACK)
        attempts.append((provider.authorize(challenge.url), challenge.secrets))
    usher._exchange._http = Hanging(provider)

    def finish(number: int) -> bool:
        query, secrets = attempts[number]
        try:
            usher.complete(query, secrets, redirect_uri=CALLBACK)
        except ProviderUnavailable:
            return False
        return True

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        arrived.acquire()
    assert [finish(number) for number in range(3, 10)] == [False] * 7
    # Notices of logouts have their own room.
    notice = provider.logout_token("usher", sid="s")
    assert usher.logout_notice(notice).sid == "s"
    released.set()
    for thread in threads:
        thread.join()
    assert finish(9) is True


def test_the_service_starts_while_the_provider_is_down(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})
    usher = usher_at(provider)
    assert not provider.requests
    with pytest.raises(ProviderUnavailable):
        usher.begin(redirect_uri=CALLBACK)
    provider.behaviour = Behaviour()
    clock.advance(10)
    assert sign_in(usher, provider).identity


def test_row_177_readiness_tells_of_the_provider_and_nobody_waits_for_it(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    later: list[Callable[[], None]] = []
    usher = OidcProvider(
        "id", settings(provider), clock, http=DirectHttp(provider), background=later.append
    )

    def ready_at_last() -> bool:
        """Let what was begun in the background come to its end, then ask."""
        for _ in range(3):
            usher.is_ready()
            while later:
                later.pop()()
        return usher.is_ready()

    assert not usher.is_ready()
    assert not provider.requests
    assert ready_at_last()
    assert (provider.count(Endpoint.DISCOVERY), provider.count(Endpoint.KEYS)) == (1, 1)
    clock.advance(3600)
    # Nothing is known to be wrong because nobody came for an hour.
    assert usher.is_ready()
    for endpoint in (Endpoint.DISCOVERY, Endpoint.KEYS):
        provider.behaviour = Behaviour(answers={endpoint: HangUp()})
        clock.advance(3600)
        assert not ready_at_last()
        provider.behaviour = Behaviour()
        assert not ready_at_last()
        clock.advance(10)
        assert ready_at_last()


def test_rp_key_rotation_op_sign_key_row_92_a_new_key_is_found_at_once(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock
) -> None:
    sign_in(usher, provider)
    clock.advance(10)
    provider.rotate()
    assert sign_in(usher, provider).identity
    assert provider.count(Endpoint.KEYS) == 2


def test_it_works_over_a_network_too_rp_discovery_jwks_uri_keys() -> None:
    with FakeOpenIdProvider.serving(clients=[CLIENT]) as provider:
        changes = {"insecure_loopback": True, "userinfo": True}
        usher = OidcProvider("id", settings(provider, **changes))
        identity = sign_in(usher, provider).identity
        assert identity.claims["email"] == "jane@shop.example"
        assert usher.logout_notice(provider.logout_token("usher", sid="s")).sid == "s"
        assert {request.path for request in provider.requests} == {
            Endpoint.DISCOVERY,
            Endpoint.AUTHORIZATION,
            Endpoint.TOKEN,
            Endpoint.KEYS,
            Endpoint.USERINFO,
        }


@pytest.mark.parametrize(
    "endpoint", [Endpoint.DISCOVERY, Endpoint.TOKEN, Endpoint.KEYS, Endpoint.USERINFO]
)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Late(), id="row61-30-seconds-late"),
        pytest.param(Drip(), id="row59-drips"),
        pytest.param(HangUp(), id="hangs-up"),
        pytest.param(
            Reply(302, headers=(("Location", "http://169.254.169.254/"),)), id="row63-redirects"
        ),
        pytest.param(Reply(200, b"{}" + b" " * 300_000), id="row59-too-long"),
    ],
)
def test_a_network_that_fails_makes_the_provider_unavailable(
    endpoint: Endpoint, answer: Any
) -> None:
    with FakeOpenIdProvider.serving(clients=[CLIENT]) as provider:
        provider.behaviour = Behaviour(answers={endpoint: answer})
        given = settings(provider, insecure_loopback=True, userinfo=True)
        http = HttpClient(replace(given.bounds, call_seconds=0.2))
        with pytest.raises(ProviderUnavailable):
            sign_in(OidcProvider("id", given, http=http), provider)


def test_the_browser_is_sent_to_the_providers_logout(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    completion = sign_in(usher, provider)
    url = usher.logout_url(id_token=completion.id_token, return_to=FAREWELL)
    assert url is not None
    assert query_of(url) == {
        "client_id": ["usher"],
        "post_logout_redirect_uri": [FAREWELL],
        "id_token_hint": [completion.id_token],
    }
    without = usher.logout_url(id_token=None, return_to=FAREWELL)
    assert without is not None
    assert "id_token_hint" not in query_of(without)
    long = usher.logout_url(id_token="x" * 5000, return_to=FAREWELL)
    assert long is not None
    assert len(long) < 1000


def test_a_logout_address_with_a_query_keeps_it(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    endpoint = provider.url(Endpoint.END_SESSION) + "?realm=a"
    provider.behaviour = Behaviour(metadata={"end_session_endpoint": endpoint})
    url = usher.logout_url(id_token=None, return_to=FAREWELL)
    assert url is not None
    assert url.startswith(endpoint + "&")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Behaviour(metadata={"end_session_endpoint": ...}), id="has-none"),
        pytest.param(Behaviour(answers={Endpoint.DISCOVERY: HangUp()}), id="is-down"),
    ],
)
def test_signing_out_here_does_not_depend_on_the_provider(
    provider: FakeOpenIdProvider, usher: OidcProvider, behaviour: Behaviour
) -> None:
    provider.behaviour = behaviour
    assert usher.logout_url(id_token=None, return_to=FAREWELL) is None


WRONG_SETTINGS = [
    pytest.param({"issuer": "http://id.example"}, "issuer", id="row62-http-issuer"),
    pytest.param({"issuer": "https://id.example?a=b"}, "issuer", id="issuer-with-query"),
    pytest.param({"issuer": "https://id.example#a"}, "issuer", id="issuer-with-fragment"),
    pytest.param({"issuer": "https://u:p@id.example"}, "issuer", id="issuer-with-password"),
    pytest.param({"issuer": "http://127.0.0.1:8000"}, "issuer", id="loopback-without-leave"),
    pytest.param({"issuer": ""}, "issuer", id="no-issuer"),
    pytest.param({"client_id": ""}, "client_id", id="no-client_id"),
    pytest.param({"client_id": "a\nb"}, "client_id", id="client_id-with-line-break"),
    pytest.param({"client_secret": None}, "client_secret", id="no-secret"),
    pytest.param({"client_secret": ""}, "client_secret", id="empty-secret"),
    pytest.param({"client_key": KEY.key.private_key}, "client_key", id="key-and-secret"),
    pytest.param({"client_authentication": "private_key_jwt"}, "client_secret", id="no-key"),
    pytest.param({"scopes": ("profile",)}, "scopes", id="without-openid"),
    pytest.param({"scopes": ("openid", "a b")}, "scopes", id="two-scopes-in-one"),
    pytest.param({"algorithms": ()}, "algorithms", id="no-algorithm"),
    pytest.param({"algorithms": ("none",)}, "algorithms", id="row72-none"),
    pytest.param({"algorithms": ("RS256", "HS256")}, "algorithms", id="row73-hs256"),
]


@pytest.mark.parametrize(("changes", "names"), WRONG_SETTINGS)
def test_settings_that_cannot_work_are_refused_by_name(
    provider: FakeOpenIdProvider, changes: dict[str, Any], names: str
) -> None:
    with pytest.raises(ValueError, match=f"^{names}: expected") as caught:
        settings(provider, **changes)
    assert CLIENT.secret not in str(caught.value)


def test_the_settings_show_no_secret(provider: FakeOpenIdProvider) -> None:
    assert CLIENT.secret not in repr(settings(provider))


def test_no_secret_or_token_is_ever_logged(caplog: pytest.LogCaptureFixture) -> None:
    provider = fake()
    usher = usher_at(provider, userinfo=True)
    with caplog.at_level(logging.DEBUG):
        challenge = usher.begin(redirect_uri=CALLBACK)
        back = provider.authorize(challenge.url)
        completion = usher.complete(back, challenge.secrets, redirect_uri=CALLBACK)
    assert challenge.secrets["code_verifier"] not in repr(challenge)
    told = caplog.text + repr(completion)
    assert "eyJ" not in told
    for secret in (CLIENT.secret, *challenge.secrets.values(), *back["code"]):
        assert secret not in told
