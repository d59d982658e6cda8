"""Keys are found when they are needed, kept while nothing better is to be had, and no more."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from support.openid import KEY, PUBLIC_KEY, DirectHttp, at_once, fake, sign_in, usher_at
from support.threads import together

from flask_usher.providers.base import CredentialsRefused, ProviderUnavailable
from flask_usher.providers.key_sets import KeySets
from flask_usher.providers.oidc import OidcProvider
from flask_usher.providers.refreshing import Fetched, Refreshing
from flask_usher.providers.verification_keys import read_key_set
from flask_usher.testing import (
    Behaviour,
    Clock,
    Endpoint,
    FakeOpenIdProvider,
    FixedSignature,
    Forgery,
    HangUp,
    Reply,
    Request,
    SigningKey,
)

DOWN = Behaviour(answers={Endpoint.KEYS: HangUp()})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(clock: Clock) -> FakeOpenIdProvider:
    return fake(clock=clock)


@pytest.fixture
def usher(provider: FakeOpenIdProvider) -> OidcProvider:
    return usher_at(provider)


@pytest.fixture
def keys(provider: FakeOpenIdProvider) -> KeySets:
    return key_sets(provider)


def key_sets(
    provider: FakeOpenIdProvider, background: Callable[[Callable[[], None]], None] = at_once
) -> KeySets:
    return KeySets(
        DirectHttp(provider),
        lambda: provider.url(Endpoint.KEYS),
        algorithms=("RS256",),
        clock=provider.clock,
        background=background,
    )


def key_reply(*keys: SigningKey, **headers: str) -> Reply:
    body = json.dumps({"keys": [key.jwk for key in keys]}).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(200, body, named)


def refused(usher: OidcProvider, token: str) -> str:
    with pytest.raises(CredentialsRefused) as caught:
        usher.logout_notice(token)
    return caught.value.reason


def test_nothing_is_fetched_before_it_is_needed(
    provider: FakeOpenIdProvider, keys: KeySets
) -> None:
    assert not provider.requests
    assert keys.for_issuers_tokens.current().find("first", "RS256")
    assert provider.count(Endpoint.KEYS) == 1


def test_row_92_a_key_that_signs_at_once_is_found_by_one_more_look(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock
) -> None:
    sign_in(usher, provider)
    clock.advance(10)
    provider.rotate()
    sign_in(usher, provider)
    sign_in(usher, provider)
    assert provider.count(Endpoint.KEYS) == 2


def test_row_93_another_key_under_an_old_name_is_found_by_one_more_look(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock
) -> None:
    sign_in(usher, provider)
    clock.advance(10)
    provider.keys = (KEY.renewed(),)
    sign_in(usher, provider)
    sign_in(usher, provider)
    assert provider.count(Endpoint.KEYS) == 2


def test_row_93_the_look_for_it_is_throttled_for_strangers(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock
) -> None:
    assert usher.logout_notice(provider.logout_token("usher", sid="1"))
    provider.keys = (KEY.renewed(),)
    notice = provider.logout_token("usher", sid="2")
    assert refused(usher, notice) == "bad-signature"
    clock.advance(59)
    assert refused(usher, notice) == "bad-signature"
    clock.advance(1)
    assert usher.logout_notice(notice).sid == "2"
    assert provider.count(Endpoint.KEYS) == 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param({}, 300, id="row94-none"),
        pytest.param({"Cache_Control": "max-age=0"}, 60, id="row94-zero"),
        pytest.param({"Cache_Control": "max-age=1"}, 60, id="row94-one-second"),
        pytest.param({"Cache_Control": "max-age=31536000"}, 300, id="row94-a-year"),
        pytest.param({"Cache_Control": "max-age=" + "9" * 5000}, 300, id="row94-5000-digits"),
        pytest.param({"Cache_Control": 'public, Max-Age="120"'}, 120, id="row94-two-minutes"),
        pytest.param({"Cache_Control": "max-age=-5"}, 300, id="row94-negative"),
        pytest.param({"Cache_Control": "max-age=soon"}, 300, id="row94-text"),
        pytest.param({"Cache_Control": "max-age=²"}, 300, id="row94-superscript"),
        pytest.param({"Cache_Control": "no-store"}, 300, id="row94-no-store"),
    ],
)
def test_row_94_how_long_keys_are_good_has_limits(
    provider: FakeOpenIdProvider,
    keys: KeySets,
    clock: Clock,
    header: dict[str, str],
    seconds: float,
) -> None:
    provider.behaviour = Behaviour(answers={Endpoint.KEYS: key_reply(KEY, **header)})
    reader = keys.for_issuers_tokens
    reader.current()
    clock.advance(seconds * 0.8 - 1)
    reader.current()
    assert provider.count(Endpoint.KEYS) == 1
    clock.advance(1)
    reader.current()
    assert provider.count(Endpoint.KEYS) == 2


@pytest.mark.parametrize("behaviour", [Behaviour(), DOWN], ids=["up", "down"])
@pytest.mark.parametrize("wrong", ["unknown-key", "bad-signature"])
def test_row_96_a_flood_of_tokens_causes_one_look_a_minute(
    provider: FakeOpenIdProvider,
    usher: OidcProvider,
    clock: Clock,
    behaviour: Behaviour,
    wrong: str,
) -> None:
    assert usher.logout_notice(provider.logout_token("usher", sid="1"))
    provider.behaviour = behaviour
    began, looks = clock.now, []
    record = provider.answer

    def answer(request: Request) -> Any:
        if request.path == Endpoint.KEYS:
            looks.append(clock.now)
        return record(request)

    provider.answer = answer  # type: ignore[method-assign]
    for number in range(10_000):
        kid = str(number) if wrong == "unknown-key" else "first"
        forgery = Forgery(header={"kid": kid}, signing=FixedSignature(bytes(256)))
        token = provider.logout_token("usher", sid="2", forgery=forgery)
        assert refused(usher, token) == wrong
        clock.advance(0.06)
    assert clock.now - began > 590
    assert len(looks) >= 5
    assert all(later - sooner >= 60 for sooner, later in pairwise(looks))


def test_row_96_an_issuer_that_never_answered_is_asked_once_a_minute(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock
) -> None:
    provider.behaviour = DOWN
    for _ in range(1000):
        with pytest.raises(ProviderUnavailable):
            keys.for_strangers_tokens.current()
        clock.advance(0.1)
    assert provider.count(Endpoint.KEYS) == 2


def test_row_97_strangers_do_not_use_up_what_sign_ins_need(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock
) -> None:
    sign_in(usher, provider)
    clock.advance(60)
    for number in range(100):
        forgery = Forgery(header={"kid": str(number)})
        refused(usher, provider.logout_token("usher", sid="1", forgery=forgery))
    assert provider.count(Endpoint.KEYS) == 2
    provider.rotate()
    assert sign_in(usher, provider).identity
    assert provider.count(Endpoint.KEYS) == 3


def test_sign_ins_have_a_limit_as_well(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock
) -> None:
    reader = keys.for_issuers_tokens
    held = reader.current()
    assert reader.newer(held) is None
    clock.advance(9.9)
    assert reader.newer(held) is None
    assert provider.count(Endpoint.KEYS) == 1
    clock.advance(0.1)
    assert reader.newer(held) is not None
    assert provider.count(Endpoint.KEYS) == 2


@pytest.mark.parametrize("age", [240, 299, 300, 3000], ids=lambda age: f"row98-after-{age}-s")
def test_row_98_five_hundred_at_once_cause_one_look(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock, age: float
) -> None:
    reader = keys.for_strangers_tokens
    reader.current()
    clock.advance(age)
    found = together(500, lambda number: reader.current().find("first", "RS256"))
    assert all(found)
    assert provider.count(Endpoint.KEYS) == 2


def test_row_98_the_first_ones_wait_for_one_look(provider: FakeOpenIdProvider) -> None:
    usher = usher_at(provider)
    usher.begin(redirect_uri="https://www.shop.example/")
    together(16, lambda number: usher._keys.for_issuers_tokens.current())
    assert provider.count(Endpoint.KEYS) == 1


def test_keys_are_looked_at_again_before_anybody_has_to_wait(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    later: list[Callable[[], None]] = []
    reader = key_sets(provider, later.append).for_strangers_tokens
    held = reader.current()
    clock.advance(240)
    assert [reader.current() is held for _ in range(3)] == [True] * 3
    (look,) = later
    look()
    assert reader.current() is not held
    assert provider.count(Endpoint.KEYS) == 2


def test_row_99_last_good_keys_serve_for_an_hour_and_then_none_do(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock
) -> None:
    reader = keys.for_strangers_tokens
    held = reader.current()
    provider.behaviour = DOWN
    for _ in range(59):
        clock.advance(60)
        assert reader.current() is held
    clock.advance(60)
    with pytest.raises(ProviderUnavailable):
        reader.current()
    provider.behaviour = Behaviour()
    clock.advance(60)
    assert reader.current().find("first", "RS256")


@pytest.mark.parametrize("pause", [1, 30, 299, 300])
def test_row_99_a_withdrawn_key_is_good_for_no_more_than_300_seconds(
    provider: FakeOpenIdProvider, usher: OidcProvider, clock: Clock, pause: int
) -> None:
    notice = provider.logout_token("usher", sid="1")
    assert usher.logout_notice(notice)
    provider.keys = (SigningKey.generate(key_id="second"),)
    withdrawn = clock.now
    old = FakeOpenIdProvider(provider.issuer, keys=[KEY], clock=clock)
    while clock.now < withdrawn + 300:
        clock.advance(min(pause, withdrawn + 300 - clock.now))
        try:
            usher.logout_notice(old.logout_token("usher", sid="1"))
        except CredentialsRefused:
            break
    assert refused(usher, old.logout_token("usher", sid="1")) == "unknown-key"
    assert clock.now <= withdrawn + 300


def test_row_99_a_failure_long_ago_does_not_keep_a_withdrawn_key_alive(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock
) -> None:
    reader = keys.for_strangers_tokens
    held = reader.current()
    provider.behaviour = DOWN
    clock.advance(250)
    assert reader.current() is held
    provider.behaviour = Behaviour()
    provider.keys = (SigningKey.generate(key_id="second"),)
    clock.advance(2000)
    assert reader.current().find("first", "RS256") is None


@pytest.mark.parametrize("seconds", [-3600, -1])
def test_a_clock_that_was_set_back_does_not_make_keys_last(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock, seconds: float
) -> None:
    reader = keys.for_strangers_tokens
    reader.current()
    clock.advance(seconds)
    assert reader.current()
    assert provider.count(Endpoint.KEYS) == 2


class _Hanging(DirectHttp):
    """Answers when it is `released`."""

    def __init__(self, provider: FakeOpenIdProvider) -> None:
        super().__init__(provider)
        self.arrived, self.released = threading.Event(), threading.Event()

    def equip(self, session: Any) -> None:
        self.arrived.set()
        assert self.released.wait(30)
        super().equip(session)


def _in_a_thread(http: _Hanging, work: Callable[[], object]) -> threading.Thread:
    """Start the work and return when it has come to the provider."""
    http.arrived.clear()
    thread = threading.Thread(target=work)
    thread.start()
    assert http.arrived.wait(30)
    return thread


def test_nobody_waits_for_a_look_while_the_old_keys_will_do(
    provider: FakeOpenIdProvider, clock: Clock
) -> None:
    http = _Hanging(provider)
    keys = KeySets(
        http, lambda: provider.url(Endpoint.KEYS), algorithms=("RS256",), clock=clock
    )
    http.released.set()
    held = keys.for_strangers_tokens.current()
    http.released.clear()
    clock.advance(300)
    first = _in_a_thread(http, keys.for_strangers_tokens.current)
    assert keys.for_strangers_tokens.current() is held
    assert keys.for_issuers_tokens.current() is held
    http.released.set()
    first.join()
    assert keys.for_strangers_tokens.current() is not held


def test_a_look_that_somebody_else_made_meanwhile_does_as_well(clock: Clock) -> None:
    looks = 0

    def fetch() -> Fetched[int]:
        nonlocal looks
        looks += 1
        return Fetched(looks, 300)

    document = Refreshing(fetch, clock=clock, stale_seconds=3600)
    seen = document.looks
    for _ in range(2):
        document.look(seen, lambda: True)
    assert looks == 1


@pytest.mark.parametrize("keys_are_known", [True, False])
def test_a_provider_that_hangs_holds_up_few_strangers(
    provider: FakeOpenIdProvider, clock: Clock, keys_are_known: bool
) -> None:
    http = _Hanging(provider)
    keys = KeySets(
        http, lambda: provider.url(Endpoint.KEYS), algorithms=("RS256",), clock=clock
    )
    reader = keys.for_strangers_tokens
    read: Callable[[], object] = reader.current
    if keys_are_known:
        http.released.set()
        held = reader.current()
        http.released.clear()
        clock.advance(60)
        read = lambda: reader.newer(held)  # noqa: E731
    turned_away = threading.Semaphore(0)

    def stranger(number: int) -> object:
        try:
            return read()
        except ProviderUnavailable:
            turned_away.release()
            return None

    def release(number: int) -> None:
        if number < 20:
            found[number] = stranger(number)
            return
        for _ in range(16):
            assert turned_away.acquire(timeout=30)
        http.released.set()

    found: list[object] = [None] * 20
    together(21, release)
    assert len([it for it in found if it]) == 4
    assert provider.count(Endpoint.KEYS) == 1 + keys_are_known


def _number(value: int) -> str:
    return urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8)).decode().rstrip("=")


GOOD = KEY.jwk
CURVE = SigningKey.generate("ES256", key_id="curve").jwk
PRIVATE = KEY.key.as_dict(private=True)
MODULUS = PUBLIC_KEY.public_numbers().n
SHORT = generate_private_key(65537, 1024).public_key().public_numbers().n
POISON: dict[str, object] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "bad"},
    "symmetric-with-alg": {"kty": "oct", "k": "c2VjcmV0", "kid": "bad", "alg": "RS256"},
    "private": {**PRIVATE, "kid": "bad"},
    "private-d-only": {**GOOD, "d": PRIVATE["d"], "kid": "bad"},
    "private-p-only": {**GOOD, "p": "AQAB", "kid": "bad"},
    "for-encryption": {**GOOD, "use": "enc", "kid": "bad"},
    "use-null": {**GOOD, "use": None, "kid": "bad"},
    "for-signing-only": {**GOOD, "key_ops": ["sign"], "kid": "bad"},
    "key_ops-text": {**GOOD, "key_ops": "verify", "kid": "bad"},
    "rsa-1024": {**GOOD, "n": _number(SHORT), "kid": "bad"},
    "rsa-16384": {**GOOD, "n": _number((1 << 16384) - 1), "kid": "bad"},
    "exponent-1": {**GOOD, "e": "AQ", "kid": "bad"},
    "exponent-3": {**GOOD, "e": "Aw", "kid": "bad"},
    "exponent-even": {**GOOD, "e": "AQAA", "kid": "bad"},
    "exponent-missing": {k: v for k, v in GOOD.items() if k != "e"} | {"kid": "bad"},
    "modulus-even": {**GOOD, "n": _number(MODULUS - 1), "kid": "bad"},
    "modulus-number": {**GOOD, "n": 5, "kid": "bad"},
    "modulus-null": {**GOOD, "n": None, "kid": "bad"},
    "modulus-empty": {**GOOD, "n": "", "kid": "bad"},
    "modulus-not-base64": {**GOOD, "n": "é%", "kid": "bad"},
    "alg-hs256": {**GOOD, "alg": "HS256", "kid": "bad"},
    "alg-none": {**GOOD, "alg": "none", "kid": "bad"},
    "alg-not-pinned": {**GOOD, "alg": "RS512", "kid": "bad"},
    "alg-of-another-type": {**GOOD, "alg": "ES256", "kid": "bad"},
    "alg-null": {**GOOD, "alg": None, "kid": "bad"},
    "kty-missing": {k: v for k, v in GOOD.items() if k != "kty"} | {"kid": "bad"},
    "kty-unknown": {**GOOD, "kty": "DSA", "kid": "bad"},
    "kty-list": {**GOOD, "kty": ["RSA"], "kid": "bad"},
    "kid-number": {**GOOD, "kid": 1},
    "kid-null": {**GOOD, "kid": None},
    "kid-empty": {**GOOD, "kid": ""},
    "kid-nul": {**GOOD, "kid": "bad\0"},
    "kid-10-kb": {**GOOD, "kid": "k" * 10_000},
    "off-curve": {**CURVE, "y": CURVE["x"], "kid": "bad"},
    "curve-x-short": {**CURVE, "x": "AQ", "kid": "bad"},
    "curve-other": {**CURVE, "crv": "secp256k1", "kid": "bad"},
    "curve-of-another-algorithm": {**CURVE, "crv": "P-384", "kid": "bad"},
    "curve-missing": {k: v for k, v in CURVE.items() if k != "crv"} | {"kid": "bad"},
    "empty": {},
    "null": None,
    "text": "key",
    "list": [GOOD],
}


@pytest.mark.parametrize("name", POISON, ids=lambda name: f"row101-{name}")
@pytest.mark.parametrize("first", [True, False], ids=["bad-first", "good-first"])
def test_row_101_one_bad_entry_does_not_spoil_the_others(name: str, first: bool) -> None:
    entries = [POISON[name], GOOD, CURVE] if first else [GOOD, CURVE, POISON[name]]
    found = read_key_set({"keys": entries}, ("RS256", "ES256"))
    assert sorted(str(key.key_id) for key in found.keys) == ["curve", "first"]


@pytest.mark.parametrize("name", POISON, ids=lambda name: f"row101-{name}")
def test_row_101_where_none_is_good_the_last_good_ones_are_kept(
    provider: FakeOpenIdProvider, keys: KeySets, clock: Clock, name: str
) -> None:
    held = keys.for_issuers_tokens.current()
    provider.behaviour = Behaviour(key_set={"keys": [POISON[name]]})
    clock.advance(300)
    assert keys.for_issuers_tokens.current() is held
    assert provider.count(Endpoint.KEYS) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"keys": []}, id="row101-empty"),
        pytest.param({"keys": None}, id="row101-null"),
        pytest.param({"keys": {"first": GOOD}}, id="row101-object"),
        pytest.param({}, id="row101-without-keys"),
        pytest.param(GOOD, id="row101-a-bare-key"),
    ],
)
def test_row_101_a_document_without_keys_is_no_key_set(answer: Mapping[str, Any]) -> None:
    assert read_key_set(answer, ("RS256",)).keys == ()


def test_row_101_of_thousands_of_keys_the_first_hundred_count() -> None:
    other = [{**CURVE, "kid": f"k{number}"} for number in range(10_000)]
    found = read_key_set({"keys": [GOOD, *other]}, ("RS256", "ES256"))
    assert len(found.keys) == 100
    assert found.find("first", "RS256")


def test_row_101_a_key_of_the_roca_kind_is_skipped() -> None:
    product = 1
    for prime in (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157):
        product *= prime
    # A modulus that is 65537**k modulo each prime, as CVE-2017-15361 makes them.
    modulus = pow(65537, 12345, product)
    modulus += product * ((1 << 2047) // product + 1)
    modulus += 0 if modulus % 2 else product
    assert modulus.bit_length() == 2048
    entry = {**GOOD, "n": _number(modulus)}
    assert read_key_set({"keys": [entry]}, ("RS256",)).keys == ()


def test_a_key_without_a_name_is_for_tokens_without_one() -> None:
    entry = {name: value for name, value in GOOD.items() if name != "kid"}
    found = read_key_set({"keys": [entry]}, ("RS256",))
    assert found.find(None, "RS256")
    assert found.find("first", "RS256") is None


def test_a_key_without_an_algorithm_is_for_the_first_that_fits() -> None:
    entry = {name: value for name, value in GOOD.items() if name != "alg"}
    (key,) = read_key_set({"keys": [entry]}, ("ES256", "PS256", "RS256")).keys
    assert key.algorithm == "PS256"


def test_row_102_keys_of_one_issuer_are_none_of_another() -> None:
    clock = Clock()
    one = fake(clock=clock)
    two = fake(issuer="https://other.example", keys=[KEY.renewed()], clock=clock)
    here, there = usher_at(one), usher_at(two, name="other")
    assert here.logout_notice(one.logout_token("usher", sid="1"))
    assert there.logout_notice(two.logout_token("usher", sid="1"))
    as_two = Forgery(claims={"iss": two.issuer})
    assert (
        refused(here, one.logout_token("usher", sid="1", forgery=as_two)) == "issuer-mismatch"
    )
    assert refused(there, one.logout_token("usher", sid="1", forgery=as_two)) == "bad-signature"
