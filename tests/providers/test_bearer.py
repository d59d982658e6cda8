"""An app with a JWT access token is the person whom the token is about, or nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from support.access_tokens import (
    APP,
    AUDIENCE,
    CLIENTS_AND_SCOPES,
    SCOPE,
    SUBJECTS,
    access_token_settings,
    bearer,
    refusal,
)
from support.hostile_tokens import AUDIENCES, REFUSED_EVERYWHERE, Make
from support.openid import KEY, DirectHttp, at_once, fake

from flask_usher.providers.base import Identity, ProviderUnavailable
from flask_usher.providers.bearer import BearerProvider
from flask_usher.testing import (
    JANE,
    JOHN,
    Behaviour,
    Clock,
    Endpoint,
    FakeOpenIdProvider,
    FakeTokenIssuer,
    FixedSignature,
    Forgery,
    HangUp,
    Person,
    RequestProviderContract,
    SigningKey,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> FakeOpenIdProvider:
    return fake(clock=clock)


def usher_of(issuer: FakeOpenIdProvider, **changes: Any) -> BearerProvider:
    return BearerProvider(
        "app",
        access_token_settings(issuer, **changes),
        issuer.clock,
        http=DirectHttp(issuer),
        background=at_once,
    )


@pytest.fixture
def provider(issuer: FakeOpenIdProvider) -> BearerProvider:
    return usher_of(issuer)


def token(issuer: FakeTokenIssuer, **changes: Any) -> str:
    given: dict[str, Any] = {"audience": AUDIENCE, "scope": f"openid {SCOPE}"}
    return issuer.access_token(APP, **{**given, **changes})


def with_claims(issuer: FakeTokenIssuer, **claims: Any) -> str:
    return token(issuer, forgery=Forgery(claims=claims))


class TestContract(RequestProviderContract):
    @pytest.fixture(autouse=True)
    def _set_up(self, issuer: FakeOpenIdProvider, provider: BearerProvider) -> None:
        self._issuer = issuer
        self._provider = provider

    def provider(self) -> BearerProvider:
        return self._provider

    def headers(self) -> Mapping[str, Sequence[str]]:
        return bearer(token(self._issuer))


def test_the_token_says_who_it_is(
    provider: BearerProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    claims = {"email": "jane@shop.example", "groups": ["gold"], "acr": "2", "amr": ["pin"]}
    assert provider.identify(bearer(with_claims(issuer, **claims))) == Identity(
        provider="app",
        subject=JANE.subject,
        signed_in_at=clock.now,
        claims={"email": "jane@shop.example"},
        groups=("gold",),
        acr="2",
        amr=("pin",),
    )


def test_the_time_of_the_sign_in_is_that_of_the_proof(
    provider: BearerProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    headers = bearer(with_claims(issuer, auth_time=int(clock.now) - 900))
    identity = provider.identify(headers)
    assert identity is not None
    assert identity.signed_in_at == clock.now - 900


def test_two_people_are_two(provider: BearerProvider, issuer: FakeOpenIdProvider) -> None:
    mine = token(issuer)
    yours = token(issuer, session=issuer.sign_in(JOHN))
    found = [provider.identify(bearer(it)) for it in (mine, yours)]
    assert [it and it.subject for it in found] == [JANE.subject, JOHN.subject]


@pytest.mark.parametrize(("make", "reason"), [*REFUSED_EVERYWHERE, *AUDIENCES])
def test_a_hostile_token_is_nobodys(
    provider: BearerProvider, issuer: FakeOpenIdProvider, make: Make, reason: str
) -> None:
    hostile = token(issuer, forgery=make(KEY))
    assert refusal(provider, hostile) == ("invalid_token", reason)


@pytest.mark.parametrize(("claims", "expected"), CLIENTS_AND_SCOPES)
def test_only_listed_apps_with_the_scope_may_ask(
    provider: BearerProvider,
    issuer: FakeOpenIdProvider,
    claims: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    assert refusal(provider, with_claims(issuer, **claims)) == expected


def test_no_scope_is_asked_for_unless_the_operator_does(issuer: FakeOpenIdProvider) -> None:
    provider = usher_of(issuer, scope=None)
    assert provider.identify(bearer(token(issuer, scope=""))) is not None


@pytest.mark.parametrize("claims", SUBJECTS)
def test_a_subject_must_be_one(
    provider: BearerProvider, issuer: FakeOpenIdProvider, claims: dict[str, Any]
) -> None:
    expected = ("invalid_token", "subject-malformed")
    assert refusal(provider, with_claims(issuer, **claims)) == expected


@pytest.mark.parametrize(
    ("forgery", "reason"),
    [
        pytest.param(Forgery(claims={"client_id": ...}), "client-malformed", id="row116-none"),
        pytest.param(
            Forgery(claims={"client_id": [APP]}), "client-malformed", id="row116-list"
        ),
        pytest.param(Forgery(claims={"jti": ...}), "token-id-malformed", id="no-jti"),
        pytest.param(Forgery(header={"typ": "JWT"}), "token-type", id="row89-typ-jwt"),
        pytest.param(Forgery(header={"typ": ...}), "token-type", id="row89-no-typ"),
        pytest.param(
            Forgery(header={"typ": "logout+jwt"}), "token-type", id="row89-typ-logout"
        ),
    ],
)
def test_it_must_be_an_access_token(
    provider: BearerProvider, issuer: FakeOpenIdProvider, forgery: Forgery, reason: str
) -> None:
    assert refusal(provider, token(issuer, forgery=forgery)) == ("invalid_token", reason)


@pytest.mark.parametrize("typ", ["AT+JWT", "application/at+jwt"])
def test_the_type_may_be_spelt_in_full(
    provider: BearerProvider, issuer: FakeOpenIdProvider, typ: str
) -> None:
    headers = bearer(token(issuer, forgery=Forgery(header={"typ": typ})))
    assert provider.identify(headers) is not None


def test_row_89_other_tokens_of_the_issuer_are_no_access_tokens(
    provider: BearerProvider, issuer: FakeOpenIdProvider
) -> None:
    others = [
        issuer.id_token(AUDIENCE, nonce="n"),
        issuer.logout_token(AUDIENCE, subject=JANE.subject),
    ]
    for other in others:
        assert refusal(provider, other) == ("invalid_token", "token-type")


def test_row_112_a_token_ends_when_it_says(
    provider: BearerProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    headers = bearer(token(issuer))
    clock.advance(600 + 29)
    assert provider.identify(headers) is not None
    clock.advance(1)
    assert refusal(provider, headers["authorization"][0][7:]) == (
        "invalid_token",
        "token-expired",
    )


def test_row_102_the_token_of_another_issuer_is_nobodys(
    provider: BearerProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    stranger = FakeTokenIssuer("https://other.example", clock=clock)
    assert refusal(provider, token(stranger)) == ("invalid_token", "issuer-mismatch")
    pretender = FakeTokenIssuer(issuer.issuer, keys=[KEY.renewed()], clock=clock)
    assert refusal(provider, token(pretender)) == ("invalid_token", "bad-signature")


def test_an_issuer_that_is_down_says_nothing_about_the_tokens_of_another(
    provider: BearerProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    issuer.behaviour = Behaviour(answers={Endpoint.DISCOVERY: HangUp()})
    stranger = FakeTokenIssuer("https://other.example", clock=clock)
    assert refusal(provider, token(stranger)) == ("invalid_token", "issuer-mismatch")
    with pytest.raises(ProviderUnavailable):
        provider.identify(bearer(token(issuer)))


def test_row_177_nothing_is_asked_before_the_first_token(
    issuer: FakeOpenIdProvider, provider: BearerProvider
) -> None:
    assert provider.identify({}) is None
    assert issuer.requests == []
    provider.identify(bearer(token(issuer)))
    assert provider.is_ready()


@pytest.mark.parametrize("endpoint", [Endpoint.DISCOVERY, Endpoint.KEYS])
def test_row_99_an_issuer_that_is_down_is_no_fault_of_the_app(
    issuer: FakeOpenIdProvider, provider: BearerProvider, clock: Clock, endpoint: Endpoint
) -> None:
    issuer.behaviour = Behaviour(answers={endpoint: HangUp()})
    with pytest.raises(ProviderUnavailable):
        provider.identify(bearer(token(issuer)))
    issuer.behaviour = Behaviour()
    clock.advance(61)
    assert provider.identify(bearer(token(issuer))) is not None


def test_row_92_a_new_key_is_found(
    issuer: FakeOpenIdProvider, provider: BearerProvider, clock: Clock
) -> None:
    provider.identify(bearer(token(issuer)))
    clock.advance(61)
    issuer.rotate(SigningKey.generate())
    assert provider.identify(bearer(token(issuer))) is not None
    assert issuer.count(Endpoint.KEYS) == 2


def test_row_96_strangers_cause_one_look_a_minute(
    issuer: FakeOpenIdProvider, provider: BearerProvider, clock: Clock
) -> None:
    provider.identify(bearer(token(issuer)))
    hostile = [
        token(
            issuer, forgery=Forgery(header={"kid": f"k{n}"}, signing=FixedSignature(b"x" * 256))
        )
        for n in range(1000)
    ]
    for minute in range(3):
        clock.advance(61)
        for it in hostile:
            assert refusal(provider, it) == ("invalid_token", "unknown-key")
        assert issuer.count(Endpoint.KEYS) <= 2 + minute


def test_another_algorithm_is_for_the_operator_to_choose(clock: Clock) -> None:
    issuer = fake(keys=[SigningKey.generate("ES256")], clock=clock)
    provider = usher_of(issuer, algorithms=("ES256",))
    assert provider.identify(bearer(token(issuer))) is not None


def test_claims_are_mapped_as_the_operator_says(issuer: FakeOpenIdProvider) -> None:
    provider = usher_of(issuer, claims={"customer": "https://shop.example/customer"})
    headers = bearer(with_claims(issuer, **{"https://shop.example/customer": "C7"}))
    identity = provider.identify(headers)
    assert identity is not None
    assert identity.claims == {"customer": "C7"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"issuer": "http://id.example"}, "issuer"),
        ({"issuer": "id.example"}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"clients": frozenset()}, "clients"),
        ({"algorithms": ()}, "algorithms"),
        ({"algorithms": ("HS256",)}, "algorithms"),
        ({"algorithms": ("none",)}, "algorithms"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    issuer: FakeOpenIdProvider, changes: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected "):
        access_token_settings(issuer, **changes)


def test_the_same_person_has_one_name_through_every_door(issuer: FakeOpenIdProvider) -> None:
    customer = Person(subject="pairwise-for-the-app")
    session = issuer.sign_in(customer)
    provider = usher_of(issuer, claims={"customer": "customer_number"})
    forgery = Forgery(claims={"customer_number": "C7"})
    identity = provider.identify(bearer(token(issuer, session=session, forgery=forgery)))
    assert identity is not None
    assert identity.claims["customer"] == "C7"
