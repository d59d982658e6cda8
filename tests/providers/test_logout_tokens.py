"""Notices of logouts: what ends sign-ins must be what the provider said, to us, just now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support.hostile_tokens import AUDIENCES, NOW, REFUSED_EVERYWHERE, Make
from support.openid import KEY, fake, sign_in, usher_at

from flask_usher.providers.base import CredentialsRefused, LogoutNotice, ProviderUnavailable
from flask_usher.providers.oidc import OidcProvider
from flask_usher.testing import (
    Behaviour,
    Endpoint,
    FakeOpenIdProvider,
    Forgery,
    HangUp,
    SigningKey,
)

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def provider() -> FakeOpenIdProvider:
    return fake()


@pytest.fixture
def usher(provider: FakeOpenIdProvider) -> OidcProvider:
    return usher_at(provider)


def refused(usher: OidcProvider, token: str) -> str:
    with pytest.raises(CredentialsRefused) as caught:
        usher.logout_notice(token)
    # Back-Channel Logout 1.0, section 2.8.
    assert caught.value.error == "invalid_request"
    return caught.value.reason


@pytest.mark.parametrize(
    "named",
    [
        pytest.param({"subject": "1"}, id="row104-sub"),
        pytest.param({"sid": "s"}, id="row104-sid"),
        pytest.param({"subject": "1", "sid": "s"}, id="row104-sub-and-sid"),
    ],
)
def test_row_104_a_notice_says_who_is_out_rp_backchannel_rpinitlogout(
    provider: FakeOpenIdProvider, usher: OidcProvider, named: dict[str, str]
) -> None:
    forgery = Forgery(claims={"jti": "j"})
    token = provider.logout_token("usher", forgery=forgery, **named)
    assert usher.logout_notice(token) == LogoutNotice(
        subject=named.get("subject"),
        sid=named.get("sid"),
        token_id="j",
        issued_at=NOW,
        expires_at=NOW + 120,
    )


def test_row_104_the_session_is_called_as_at_the_sign_in(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    completion = sign_in(usher, provider)
    notice = usher.logout_notice(provider.logout_token("usher", sid=completion.sid))
    assert notice.sid == completion.sid


@pytest.mark.parametrize(("make", "reason"), [*REFUSED_EVERYWHERE, *AUDIENCES])
def test_a_hostile_logout_token_ends_nothing(make: Make, reason: str) -> None:
    provider = fake()
    token = provider.logout_token("usher", subject="1", sid="s", forgery=make(KEY))
    assert refused(usher_at(provider), token) == reason


LT = "rp-backchannel-rpinitlogout-lt"
WRONG = [
    pytest.param({"iat": ...}, "time-malformed", id="row106-iat-missing"),
    pytest.param({"iat": NOW - 151}, "token-too-old", id="row106-iat-over-two-minutes-old"),
    pytest.param({"exp": ...}, "time-malformed", id="row106-exp-missing"),
    pytest.param({"exp": NOW - 31}, "token-expired", id="row106-expired"),
    pytest.param({"jti": ...}, "token-id-malformed", id="row106-jti-missing"),
    pytest.param({"jti": ""}, "token-id-malformed", id="row106-jti-empty"),
    pytest.param({"jti": 5}, "token-id-malformed", id="row106-jti-number"),
    pytest.param({"jti": "x" * 256}, "token-id-malformed", id="row106-jti-too-long"),
    pytest.param({"sid": ...}, "subject-malformed", id="row106-neither-sub-nor-sid"),
    pytest.param({"sid": ""}, "subject-malformed", id="row106-sid-empty"),
    pytest.param({"sid": None}, "subject-malformed", id="row106-sid-null"),
    pytest.param({"sid": 5}, "subject-malformed", id="row106-sid-number"),
    pytest.param({"sub": ["1"]}, "subject-malformed", id="row106-sub-list"),
    pytest.param({"sub": ""}, "subject-malformed", id="row106-sub-empty"),
    pytest.param({"events": ...}, "event-malformed", id=f"row106-{LT}-no-event"),
    pytest.param({"events": {"x": {}}}, "event-malformed", id=f"row106-{LT}-wrong-event"),
    pytest.param({"events": {EVENT: True}}, "event-malformed", id="row106-event-true"),
    pytest.param({"events": {EVENT: []}}, "event-malformed", id="row106-event-list"),
    pytest.param({"events": EVENT}, "event-malformed", id="row106-events-text"),
    pytest.param({"events": [EVENT]}, "event-malformed", id="row106-events-list"),
    pytest.param({"events": None}, "event-malformed", id="row106-events-null"),
    pytest.param({"nonce": "n"}, "nonce-present", id=f"row106-{LT}-with-nonce"),
    pytest.param({"nonce": None}, "nonce-present", id="row106-nonce-null"),
    pytest.param(
        {"iss": "https://x.example"}, "issuer-mismatch", id=f"row106-{LT}-wrong-issuer"
    ),
    pytest.param({"aud": "other"}, "audience-mismatch", id=f"row106-{LT}-wrong-aud"),
]


@pytest.mark.parametrize(("claims", "reason"), WRONG)
def test_row_106_a_logout_token_must_say_all_that_it_should(
    provider: FakeOpenIdProvider, usher: OidcProvider, claims: Mapping[str, Any], reason: str
) -> None:
    token = provider.logout_token("usher", sid="s", forgery=Forgery(claims=claims))
    assert refused(usher, token) == reason


@pytest.mark.parametrize(
    ("alg", "form"),
    [
        pytest.param("none", "{header}.{claims}.", id=f"row106-{LT}-alg-none"),
        pytest.param("HS256", "{header}.{claims}.{signature}", id=f"row106-{LT}-wrong-alg"),
    ],
)
def test_row_106_a_logout_token_must_be_signed_as_id_tokens_are(
    provider: FakeOpenIdProvider, usher: OidcProvider, alg: str, form: str
) -> None:
    forgery = Forgery(header={"alg": alg}, form=form)
    token = provider.logout_token("usher", sid="s", forgery=forgery)
    assert refused(usher, token) in {"algorithm-refused", "token-malformed"}


def test_row_106_other_events_and_claims_beside_do_no_harm(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    events = {EVENT: {"more": 1}, "https://other.example/event": {}}
    forgery = Forgery(claims={"events": events, "toe": NOW})
    assert usher.logout_notice(provider.logout_token("usher", sid="s", forgery=forgery))


def test_row_106_an_id_token_is_no_logout_token(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    completion = sign_in(usher, provider)
    assert completion.id_token is not None
    assert refused(usher, completion.id_token) == "token-id-malformed"
    forgery = Forgery(claims={"jti": "j"})
    assert refused(usher, provider.id_token("usher", forgery=forgery)) == "event-malformed"


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "LOGOUT+JWT"])
@pytest.mark.parametrize("strict", [True, False])
def test_row_106_a_logout_token_with_its_type_is_good(
    provider: FakeOpenIdProvider, typ: str, strict: bool
) -> None:
    usher = usher_at(provider, typed_logout_tokens=strict)
    token = provider.logout_token("usher", sid="s", forgery=Forgery(header={"typ": typ}))
    assert usher.logout_notice(token)


@pytest.mark.parametrize("typ", ["JWT", ...])
def test_row_106_one_without_its_type_is_good_unless_the_operator_is_strict(
    provider: FakeOpenIdProvider, typ: object
) -> None:
    token = provider.logout_token("usher", sid="s", forgery=Forgery(header={"typ": typ}))
    assert usher_at(provider).logout_notice(token)
    assert refused(usher_at(provider, typed_logout_tokens=True), token) == "token-type"


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "JOSE"])
@pytest.mark.parametrize("strict", [True, False])
def test_row_106_one_of_another_type_never_is(
    provider: FakeOpenIdProvider, typ: str, strict: bool
) -> None:
    usher = usher_at(provider, typed_logout_tokens=strict)
    token = provider.logout_token("usher", sid="s", forgery=Forgery(header={"typ": typ}))
    assert refused(usher, token) == "token-type"


def test_row_109_the_same_person_at_another_issuer_stays(provider: FakeOpenIdProvider) -> None:
    other = fake(issuer="https://other.example", keys=[SigningKey.generate(key_id="first")])
    token = other.logout_token("usher", subject="1")
    assert refused(usher_at(provider), token) == "bad-signature"
    assert usher_at(other).logout_notice(token).subject == "1"


def test_row_109_a_thousand_bad_tokens_cause_one_look_at_the_keys(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    for number in range(1000):
        forgery = Forgery(header={"kid": str(number)})
        refused(usher, provider.logout_token("usher", sid="s", forgery=forgery))
    assert provider.count(Endpoint.KEYS) == 1


def test_without_keys_no_notice_is_judged(
    provider: FakeOpenIdProvider, usher: OidcProvider
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.KEYS: HangUp()})
    with pytest.raises(ProviderUnavailable):
        usher.logout_notice(provider.logout_token("usher", sid="s"))
