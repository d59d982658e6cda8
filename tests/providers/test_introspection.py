"""An app with an opaque access token is whom the issuer says it is, or nobody."""

from __future__ import annotations

import logging
import threading
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
from support.openid import CLIENT, DirectHttp, at_once, fake

from flask_usher.providers.base import CredentialsRefused, Identity, ProviderUnavailable
from flask_usher.providers.introspection import REFUSED_SECONDS, IntrospectionProvider
from flask_usher.testing import (
    JANE,
    Behaviour,
    Clock,
    Endpoint,
    FakeOpenIdProvider,
    FakeTokenIssuer,
    HangUp,
    Late,
    Reply,
    RequestProviderContract,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> FakeOpenIdProvider:
    return fake(clock=clock)


def usher_of(issuer: FakeOpenIdProvider, **changes: Any) -> IntrospectionProvider:
    options: dict[str, Any] = {"client_secret": CLIENT.secret, "http": DirectHttp(issuer)}
    return IntrospectionProvider(
        "app",
        access_token_settings(issuer),
        issuer.clock,
        client_id=CLIENT.id,
        background=at_once,
        **(options | changes),
    )


@pytest.fixture
def provider(issuer: FakeOpenIdProvider) -> IntrospectionProvider:
    return usher_of(issuer)


def token(issuer: FakeOpenIdProvider) -> str:
    return issuer.opaque_token(APP, audience=AUDIENCE, scope=SCOPE)


def calls(issuer: FakeOpenIdProvider) -> int:
    return issuer.count(Endpoint.INTROSPECTION)


class TestContract(RequestProviderContract):
    @pytest.fixture(autouse=True)
    def _set_up(self, issuer: FakeOpenIdProvider, provider: IntrospectionProvider) -> None:
        self._issuer = issuer
        self._provider = provider

    def provider(self) -> IntrospectionProvider:
        return self._provider

    def headers(self) -> Mapping[str, Sequence[str]]:
        return bearer(token(self._issuer))


def test_the_issuer_says_who_it_is(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    issuer.behaviour = Behaviour(introspection={"email": "jane@shop.example", "groups": ["g"]})
    shown = token(issuer)
    assert provider.identify(bearer(shown)) == Identity(
        provider="app",
        subject=JANE.subject,
        signed_in_at=clock.now,
        claims={"email": "jane@shop.example"},
        groups=("g",),
    )
    call = issuer.requests[-1]
    assert call.form == {"token": [shown], "token_type_hint": ["access_token"]}
    assert "token" not in call.query


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"active": False}, "token-inactive", id="row113-inactive"),
        pytest.param({"active": "true"}, "token-inactive", id="row113-active-in-words"),
        pytest.param({"active": 1}, "token-inactive", id="row113-active-1"),
        pytest.param({"active": None}, "token-inactive", id="row113-active-null"),
        pytest.param({"active": ...}, "token-inactive", id="row113-active-missing"),
        pytest.param({"iss": "https://other.example"}, "issuer-mismatch", id="row112-iss"),
        pytest.param({"iss": None}, "issuer-mismatch", id="row112-iss-null"),
        pytest.param({"aud": ...}, "audience-mismatch", id="row112-no-aud"),
        pytest.param({"aud": "other"}, "audience-mismatch", id="row112-aud"),
        pytest.param({"aud": ["other"]}, "audience-mismatch", id="row112-aud-list"),
        pytest.param({"aud": "usher other"}, "audience-mismatch", id="row112-aud-text"),
        pytest.param({"exp": ...}, "time-malformed", id="row112-no-exp"),
        pytest.param({"exp": "soon"}, "time-malformed", id="row112-exp-text"),
        pytest.param({"exp": True}, "time-malformed", id="row112-exp-true"),
        pytest.param({"exp": 1_800_000_000}, "token-expired", id="row112-expired"),
        pytest.param({"nbf": 1_800_000_031}, "issued-in-the-future", id="row112-nbf"),
        pytest.param({"nbf": "now"}, "time-malformed", id="row112-nbf-text"),
        pytest.param({"token_type": "DPoP"}, "token-type", id="dpop"),
        pytest.param({"token_type": 1}, "token-type", id="type-number"),
        pytest.param({"client_id": ...}, "client-malformed", id="row116-no-client"),
        pytest.param({"client_id": [APP]}, "client-malformed", id="row116-client-list"),
    ],
)
def test_an_answer_that_vouches_for_nobody_lets_nobody_in(
    provider: IntrospectionProvider,
    issuer: FakeOpenIdProvider,
    changes: dict[str, Any],
    reason: str,
) -> None:
    shown = token(issuer)
    issuer.behaviour = Behaviour(introspection=changes)
    assert refusal(provider, shown) == ("invalid_token", reason)
    issuer.behaviour = Behaviour()
    issuer.clock.advance(REFUSED_SECONDS)
    assert provider.identify(bearer(shown)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ...},
        {"token_type": ...},
        {"token_type": "bearer"},
        {"jti": ...},
        {"aud": [AUDIENCE, "x"]},
        {"nbf": 1_800_000_029},
    ],
    ids=str,
)
def test_what_rfc_7662_leaves_open_may_be_missing(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider, changes: dict[str, Any]
) -> None:
    issuer.behaviour = Behaviour(introspection=changes)
    assert provider.identify(bearer(token(issuer))) is not None


@pytest.mark.parametrize("claims", SUBJECTS)
def test_a_subject_must_be_one(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider, claims: dict[str, Any]
) -> None:
    issuer.behaviour = Behaviour(introspection=claims)
    assert refusal(provider, token(issuer)) == ("invalid_token", "subject-malformed")


@pytest.mark.parametrize(("claims", "expected"), CLIENTS_AND_SCOPES)
def test_only_listed_apps_with_the_scope_may_ask(
    provider: IntrospectionProvider,
    issuer: FakeOpenIdProvider,
    claims: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    issuer.behaviour = Behaviour(introspection=claims)
    shown = token(issuer)
    # The second time it comes out of the cache, and is refused just the same.
    assert [refusal(provider, shown) for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Reply(500), id="row113-500"),
        pytest.param(Reply(503, b"<html>"), id="row113-503"),
        pytest.param(Reply(429), id="row113-429"),
        pytest.param(Reply(401, b"{}"), id="row113-401"),
        pytest.param(Reply(204), id="row113-204"),
        pytest.param(HangUp(), id="row113-hangs-up"),
        pytest.param(Late(30), id="row113-timeout"),
        pytest.param(Reply(200, b"<html>"), id="row113-html"),
        pytest.param(Reply(200, b"[]"), id="row113-list"),
        pytest.param(Reply(200, b"true"), id="row113-true"),
        pytest.param(Reply(200, b'{"active": tr'), id="row113-cut-short"),
        pytest.param(Reply(200, b'{"active": false, "active": true}'), id="row113-twice"),
    ],
)
def test_a_fault_of_the_issuer_is_none_of_the_apps(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider, answer: Any
) -> None:
    shown = token(issuer)
    issuer.behaviour = Behaviour(answers={Endpoint.INTROSPECTION: answer})
    with pytest.raises(ProviderUnavailable):
        provider.identify(bearer(shown))
    issuer.behaviour = Behaviour()
    assert provider.identify(bearer(shown)) is not None


def test_an_issuer_without_introspection_cannot_tell(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider
) -> None:
    issuer.behaviour = Behaviour(metadata={"introspection_endpoint": ...})
    with pytest.raises(ProviderUnavailable):
        provider.identify(bearer(token(issuer)))


def test_a_wrong_secret_is_the_operators_to_mend(
    issuer: FakeOpenIdProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider = usher_of(issuer, client_secret="not-this-one")
    shown = token(issuer)
    with pytest.raises(ProviderUnavailable):
        provider.identify(bearer(shown))
    assert [it.levelno for it in caplog.records] == [logging.ERROR]
    assert issuer.issuer in caplog.text
    assert shown not in caplog.text
    assert "not-this-one" not in caplog.text


def test_row_117_what_can_be_no_token_is_shown_to_nobody(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider
) -> None:
    for value in ("a b", "é", "\0", "x" * 9000, '"', "a,b"):
        with pytest.raises(CredentialsRefused):
            provider.identify(bearer(value))
    assert provider.identify({"authorization": ["Basic dTpw"]}) is None
    assert issuer.requests == []


def test_row_102_the_token_of_another_issuer_is_shown_to_nobody(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider, clock: Clock
) -> None:
    other = FakeTokenIssuer("https://other.example", clock=clock)
    foreign = other.access_token(APP, audience=AUDIENCE, scope=SCOPE)
    assert refusal(provider, foreign) == ("invalid_token", "issuer-mismatch")
    assert issuer.requests == []


def test_a_jwt_of_the_issuer_may_be_introspected(
    provider: IntrospectionProvider, issuer: FakeOpenIdProvider
) -> None:
    own = issuer.access_token(APP, audience=AUDIENCE, scope=SCOPE)
    assert refusal(provider, own) == ("invalid_token", "token-inactive")
    assert calls(issuer) == 1


class TestCache:
    def test_row_113_an_answer_is_good_for_30_seconds(
        self, provider: IntrospectionProvider, issuer: FakeOpenIdProvider, clock: Clock
    ) -> None:
        shown = token(issuer)
        first = provider.identify(bearer(shown))
        issuer.revoke(shown)
        clock.advance(29)
        assert provider.identify(bearer(shown)) == first
        assert calls(issuer) == 1
        clock.advance(1)
        assert refusal(provider, shown) == ("invalid_token", "token-inactive")

    def test_row_113_and_never_longer_than_the_token(
        self, provider: IntrospectionProvider, issuer: FakeOpenIdProvider, clock: Clock
    ) -> None:
        shown = token(issuer)
        clock.advance(590)
        assert provider.identify(bearer(shown)) is not None
        clock.advance(10)
        assert refusal(provider, shown) == ("invalid_token", "token-inactive")

    def test_row_113_a_clock_that_is_set_back_asks_again(
        self, provider: IntrospectionProvider, issuer: FakeOpenIdProvider, clock: Clock
    ) -> None:
        shown = token(issuer)
        provider.identify(bearer(shown))
        clock.advance(-1)
        provider.identify(bearer(shown))
        assert calls(issuer) == 2

    def test_row_113_each_token_has_an_answer_of_its_own(
        self, provider: IntrospectionProvider, issuer: FakeOpenIdProvider
    ) -> None:
        shown = token(issuer)
        provider.identify(bearer(shown))
        assert refusal(provider, shown + "x") == ("invalid_token", "token-inactive")
        assert calls(issuer) == 2

    def test_row_113_providers_share_no_answers(self, issuer: FakeOpenIdProvider) -> None:
        shown = token(issuer)
        for _ in range(2):
            assert usher_of(issuer).identify(bearer(shown)) is not None
        assert calls(issuer) == 2

    def test_a_refusal_is_remembered_for_as_long_as_a_tag_tries_again(
        self, provider: IntrospectionProvider, issuer: FakeOpenIdProvider
    ) -> None:
        for _ in range(4):
            assert refusal(provider, "unknown") == ("invalid_token", "token-inactive")
        assert calls(issuer) == 1
        issuer.clock.advance(REFUSED_SECONDS)
        assert refusal(provider, "unknown") == ("invalid_token", "token-inactive")
        assert calls(issuer) == 2

    def test_refusals_crowd_out_no_good_answers(
        self,
        provider: IntrospectionProvider,
        issuer: FakeOpenIdProvider,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("flask_usher.providers.introspection_cache.MAXIMUM_ENTRIES", 2)
        good = token(issuer)
        assert provider.identify(bearer(good)) is not None
        for number in range(5):
            refusal(provider, f"unknown-{number}")
        before = calls(issuer)
        assert provider.identify(bearer(good)) is not None
        assert calls(issuer) == before

    def test_the_number_of_answers_is_limited(
        self,
        provider: IntrospectionProvider,
        issuer: FakeOpenIdProvider,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("flask_usher.providers.introspection_cache.MAXIMUM_ENTRIES", 2)
        first, second, third = (token(issuer) for _ in range(3))
        for shown in (first, second, third, second, third):
            provider.identify(bearer(shown))
        assert calls(issuer) == 3
        provider.identify(bearer(first))
        assert calls(issuer) == 4


class SlowHttp(DirectHttp):
    """Answers nobody before `go_on`, once it is slow."""

    def __init__(self, issuer: FakeOpenIdProvider) -> None:
        super().__init__(issuer)
        self.is_slow = False
        self.waiting = threading.Semaphore(0)
        self.go_on = threading.Event()

    def equip(self, session: Any) -> None:
        super().equip(session)
        if self.is_slow:
            self.waiting.release()
            self.go_on.wait()


def test_row_61_a_slow_issuer_holds_up_a_few_requests_only(issuer: FakeOpenIdProvider) -> None:
    http = SlowHttp(issuer)
    provider = usher_of(issuer, http=http, concurrency=2)
    known = token(issuer)
    provider.identify(bearer(known))
    http.is_slow = True
    threads = [
        threading.Thread(target=provider.identify, args=(bearer(token(issuer)),))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
        http.waiting.acquire()
    try:
        with pytest.raises(ProviderUnavailable, match="too many"):
            provider.identify(bearer(token(issuer)))
        assert provider.identify(bearer(known)) is not None
    finally:
        http.go_on.set()
        for thread in threads:
            thread.join()
