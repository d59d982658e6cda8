"""The minter: tokens exactly as iAdvize documents them, as three other libraries confirm."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from support.judges import (
    JUDGES,
    Judge,
    NotAccepted,
    Opened,
    with_jose,
    with_joserfc,
    with_jwcrypto,
)
from support.keys import private_key, public_key, rsa_key
from support.minting import (
    ISSUER,
    NOW,
    USER_ID,
    VISITOR_DATA,
    issue,
    json_of,
    make_minter,
    unpadded,
)

from flask_usher.keys import PrivateKey, fingerprint
from flask_usher.minter import Minter, Token
from flask_usher.settings import VISITOR_DATA_FIELDS

EXAMPLE = json.loads(
    (Path(__file__).parent.parent / "data/vendor-example-claims.json").read_text()
)
OUTER_HEADER = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}
INNER_HEADER = {"alg": "RS256"}
CLAIM_OF_FIELD = {
    "address": "street_address",
    "city": "locality",
    "country": "country",
    "email": "email",
    "firstName": "given_name",
    "lastName": "family_name",
    "phoneNumber": "phone_number",
    "zipCode": "postal_code",
}
ALL_FIELDS = {field: field for field in VISITOR_DATA_FIELDS}


def opened(token: Token) -> Opened:
    return with_joserfc([token.value])[0]


def test_a_token_holds_what_is_documented_and_nothing_more(minter: Minter) -> None:
    token = minter.mint(issue(email="jane@shop.example", given_name="Jane"))
    found = opened(token)
    assert found.outer_header == OUTER_HEADER
    assert found.inner_header == INNER_HEADER
    assert found.claims == {"iss": ISSUER, "exp": NOW + 60, USER_ID: "local:42"}
    assert (token.expires_at, token.expires_in, token.dropped) == (NOW + 60, 60, ())


def test_row_127_the_headers_are_those_bytes(minter: Minter) -> None:
    token = minter.mint(issue()).value
    assert (
        unpadded(token.split(".")[0])
        == json.dumps(OUTER_HEADER, separators=(",", ":")).encode()
    )
    assert unpadded(inner_of(token).split(".")[0]) == b'{"alg":"RS256"}'


def inner_of(token: str) -> str:
    """Open a token with the bare primitives of RFC 7516, section 5.2."""
    header, wrapped_key, nonce, ciphertext, tag = token.split(".")
    oaep = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    key = rsa_key("recipient").decrypt(unpadded(wrapped_key), oaep)
    assert len(key) == 32
    sealed = unpadded(ciphertext) + unpadded(tag)
    return AESGCM(key).decrypt(unpadded(nonce), sealed, header.encode()).decode()


def test_the_structure_is_that_of_rfc_7516_and_rfc_7515(minter: Minter) -> None:
    token = minter.mint(issue()).value
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){4}", token)
    assert [len(unpadded(part)) for part in token.split(".")[1:3]] == [256, 12]
    assert len(unpadded(token.split(".")[4])) == 16
    inner = inner_of(token)
    assert re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}", inner)
    assert len(unpadded(inner.split(".")[2])) == 256
    assert len(unpadded(token.split(".")[3])) == len(inner)


@pytest.mark.parametrize("judge", JUDGES)
def test_other_libraries_open_and_verify_every_kind_of_token(judge: Judge) -> None:
    claims: dict[str, Any] = {field: f"{field} é李😀" for field in VISITOR_DATA_FIELDS}
    kinds = [
        (make_minter(), issue()),
        (make_minter(), issue("x" * 255)),
        (make_minter(), issue("é" * 255)),
        (make_minter(), issue("😀" * 127)),
        (make_minter(), issue('"\\/<>&')),
        (make_minter(visitor_data=ALL_FIELDS), issue(**claims)),
        (make_minter(visitor_data={"city": "city"}), issue(city="Saint-Étienne")),
        (make_minter(optional_claims=frozenset({"iat", "jti", "kid"})), issue()),
        (make_minter(lifetime_seconds=10), issue()),
        (make_minter(lifetime_seconds=300), issue()),
    ]
    found = judge([minter.mint(decision).value for minter, decision in kinds])
    assert len(found) == len(kinds)
    for item, (_, decision) in zip(found, kinds, strict=True):
        assert item.outer_header == OUTER_HEADER
        assert item.inner_header["alg"] == "RS256"
        assert item.claims["iss"] == ISSUER
        assert item.claims[USER_ID] == decision.user_id
    assert [item.claims["exp"] - NOW for item in found] == [60] * 8 + [10, 300]
    assert found[5].claims[VISITOR_DATA] == claims
    assert found[6].claims[VISITOR_DATA] == {"city": "Saint-Étienne"}
    assert found[7].inner_header == INNER_HEADER | {
        "kid": fingerprint(rsa_key("signing").public_key())
    }
    assert set(found[7].claims) == {"iss", "exp", "iat", "jti", USER_ID}


@pytest.mark.node
def test_the_judges_find_the_same() -> None:
    minter = make_minter(visitor_data=ALL_FIELDS)
    tokens = [minter.mint(issue(f"local:{n}", city="Nantes")).value for n in range(5)]
    assert with_joserfc(tokens) == with_jwcrypto(tokens) == with_jose(tokens)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("spoilt", ["signing_key", "recipient_key", "issuer"])
def test_the_judges_can_say_no(judge: Judge, spoilt: str) -> None:
    other: dict[str, Any] = {
        "signing_key": private_key("other"),
        "recipient_key": public_key("other"),
        "issuer": "https://evil.example",
    }
    token = make_minter(**{spoilt: other[spoilt]}).mint(issue()).value
    with pytest.raises(NotAccepted):
        judge([token])


@pytest.mark.parametrize("judge", [judge for judge in JUDGES if judge.id != "jwcrypto"])
def test_an_old_token_is_not_accepted(judge: Judge) -> None:
    token = make_minter(clock=lambda: NOW - 61).mint(issue()).value
    with pytest.raises(NotAccepted):
        judge([token])


def test_the_vendors_example_is_reproduced() -> None:
    data = EXAMPLE[VISITOR_DATA]
    minter = make_minter(
        issuer=EXAMPLE["iss"],
        clock=lambda: EXAMPLE["exp"] - 60,
        visitor_data=CLAIM_OF_FIELD,
    )
    token = minter.mint(
        issue(
            EXAMPLE[USER_ID], **{claim: data[field] for field, claim in CLAIM_OF_FIELD.items()}
        )
    )
    header, claims, _ = inner_of(token.value).split(".")
    assert json_of(header) == {"alg": "RS256"}
    assert json_of(claims) == EXAMPLE
    assert token.dropped == ()


def test_the_vendors_example_names_all_that_we_may_send() -> None:
    assert set(EXAMPLE) == {"iss", "exp", USER_ID, VISITOR_DATA}
    assert set(EXAMPLE[VISITOR_DATA]) == set(VISITOR_DATA_FIELDS) == set(CLAIM_OF_FIELD)


@pytest.mark.parametrize(
    ("optional", "claims"),
    [
        (frozenset[str](), set[str]()),
        (frozenset({"iat"}), {"iat"}),
        (frozenset({"jti"}), {"jti"}),
        (frozenset({"kid"}), set[str]()),
        (frozenset({"iat", "jti", "kid"}), {"iat", "jti"}),
    ],
)
def test_optional_claims_are_added_one_by_one(
    optional: frozenset[str], claims: set[str]
) -> None:
    found = opened(make_minter(optional_claims=optional).mint(issue()))
    assert set(found.claims) == {"iss", "exp", USER_ID} | claims
    assert found.claims.get("iat", NOW) == NOW
    assert set(found.inner_header) == {"alg"} | (optional & {"kid"})
    assert found.outer_header == OUTER_HEADER


HOSTILE_VALUES: list[Any] = [
    pytest.param("", id="row129-empty"),
    pytest.param("x" * 257, id="row129-257"),
    pytest.param("x" * 1_000_000, id="row129-1-mb"),
    pytest.param(44000, id="row129-integer"),
    pytest.param(10**400, id="row137-huge-integer"),
    pytest.param(4.5, id="row129-float"),
    pytest.param(float("nan"), id="row137-nan"),
    pytest.param(True, id="row129-boolean"),
    pytest.param(["Nantes"], id="row129-list"),
    pytest.param({"locality": "Nantes"}, id="row129-nested"),
    pytest.param(b"Nantes", id="row129-bytes"),
    pytest.param("a\nb", id="row129-line-break"),
    pytest.param("a\x00b", id="row129-nul"),
    pytest.param("a\u202eb", id="row129-bidi"),
    pytest.param("a\ud800b", id="row129-lone-surrogate"),
    pytest.param("a\x1b[31mb", id="row129-ansi"),
    pytest.param("a\u2028b", id="row129-line-separator"),
]


@pytest.mark.parametrize("value", HOSTILE_VALUES)
def test_a_field_that_cannot_be_sent_is_dropped_and_the_mint_goes_on(value: Any) -> None:
    minter = make_minter(visitor_data={"city": "city", "firstName": "given_name"})
    token = minter.mint(issue(city=value, given_name="Jane"))
    assert token.dropped == ("city",)
    assert opened(token).claims[VISITOR_DATA] == {"firstName": "Jane"}
    alone = minter.mint(issue(city=value))
    assert alone.dropped == ("city",)
    assert VISITOR_DATA not in opened(alone).claims


@pytest.mark.parametrize(
    "value", ["x" * 256, "é" * 256, " ", "O'Brien <b>", "李", "😀" * 20, "null"]
)
def test_a_field_that_can_be_sent_is_sent_as_it_stands(value: str) -> None:
    token = make_minter(visitor_data={"city": "city"}).mint(issue(city=value))
    assert token.dropped == ()
    assert opened(token).claims[VISITOR_DATA] == {"city": value}


@pytest.mark.parametrize("claims", [{}, {"city": None}])
def test_a_claim_that_is_not_there_is_nothing_to_note(claims: dict[str, Any]) -> None:
    token = make_minter(visitor_data={"city": "city"}).mint(issue(**claims))
    assert token.dropped == ()
    assert VISITOR_DATA not in opened(token).claims


def test_row_129_only_what_the_settings_name_is_sent() -> None:
    claims = {
        "email": "jane@shop.example",
        "given_name": "Jane",
        "extId": "7",
        "city": "Nantes",
    }
    token = make_minter(visitor_data={"firstName": "given_name"}).mint(issue(**claims))
    assert opened(token).claims[VISITOR_DATA] == {"firstName": "Jane"}


@pytest.mark.parametrize("value", ["x" * 256, "é" * 256, "😀" * 256])
def test_row_129_a_token_has_at_most_4_kb(value: str) -> None:
    minter = make_minter(visitor_data=ALL_FIELDS)
    token = minter.mint(issue("é" * 255, **dict.fromkeys(VISITOR_DATA_FIELDS, value)))
    assert len(token.value) <= 4096
    assert set(token.dropped) == set(VISITOR_DATA_FIELDS)
    assert opened(token).claims[USER_ID] == "é" * 255
    assert VISITOR_DATA not in opened(token).claims


@pytest.mark.parametrize("user_id", ["x" * 255, "é" * 255, "\uffee" * 255, "😀" * 127])
def test_row_129_the_longest_user_id_fits(user_id: str) -> None:
    minter = make_minter(optional_claims=frozenset({"iat", "jti", "kid"}))
    token = minter.mint(issue(user_id))
    assert len(token.value) <= 4096
    assert opened(token).claims[USER_ID] == user_id


class Clock:
    def __init__(self, *times: float) -> None:
        self.times = list(times)

    def __call__(self) -> float:
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(NOW + 0.999, id="row126-fraction"),
        pytest.param(NOW - 120, id="row126-2-minutes-behind"),
        pytest.param(NOW + 120, id="row126-2-minutes-ahead"),
        pytest.param(2208988800, id="row126-2040"),
        pytest.param(2**31 - 1, id="row126-2038"),
        pytest.param(2**31 + 0.5, id="row126-after-2038"),
        pytest.param(4102444800, id="row126-2100"),
        pytest.param(0.5, id="row126-1970"),
    ],
)
@pytest.mark.parametrize("lifetime", [10, 60, 300])
def test_expiry_is_a_whole_number_of_seconds_after_the_mint(now: float, lifetime: int) -> None:
    optional = frozenset({"iat"})
    minter = make_minter(clock=lambda: now, lifetime_seconds=lifetime, optional_claims=optional)
    token = minter.mint(issue())
    claims = json_of(inner_of(token.value).split(".")[1])
    assert type(claims["exp"]) is type(claims["iat"]) is int
    assert claims["exp"] - claims["iat"] == lifetime == token.expires_in
    assert claims["iat"] == int(now)
    assert token.expires_at == claims["exp"]


def test_row_126_a_clock_that_jumps_during_the_mint_does_not_matter() -> None:
    clock = Clock(NOW, NOW + 3600, NOW - 3600, NOW)
    token = make_minter(clock=clock, optional_claims=frozenset({"iat"})).mint(issue())
    claims = opened(token).claims
    assert (claims["iat"], claims["exp"], token.expires_at) == (NOW, NOW + 60, NOW + 60)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -float("inf")])
def test_row_126_without_a_time_there_is_no_token(now: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        make_minter(clock=lambda: now).mint(issue())


@pytest.mark.slow
def test_row_127_and_131_nothing_is_ever_the_same_twice() -> None:
    count = 10_000
    minter = make_minter(optional_claims=frozenset({"jti"}))
    tokens = [minter.mint(issue()).value.split(".") for _ in range(count)]
    for part in range(1, 5):
        assert len({token[part] for token in tokens}) == count
    assert len({token[0] for token in tokens}) == 1


def test_row_127_keys_and_jti_are_new_each_time() -> None:
    minter = make_minter(optional_claims=frozenset({"jti"}))
    tokens = [minter.mint(issue()).value for _ in range(50)]
    oaep = OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None)
    keys = {
        rsa_key("recipient").decrypt(unpadded(token.split(".")[1]), oaep) for token in tokens
    }
    jtis = {json_of(inner_of(token).split(".")[1])["jti"] for token in tokens}
    assert len(keys) == len(jtis) == 50


def test_row_127_randomness_comes_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def urandom(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    monkeypatch.setattr(os, "urandom", urandom)
    token = make_minter().mint(issue()).value
    assert sorted(asked) == [12, 32]
    assert unpadded(token.split(".")[2]) == bytes(12)


class Broken(Exception):
    pass


def broken(*_arguments: Any, **_options: Any) -> Any:
    raise Broken


@pytest.mark.parametrize(
    ("target", "name"),
    [
        pytest.param(os, "urandom", id="row134-random"),
        pytest.param(PrivateKey, "sign", id="row134-sign"),
        pytest.param(AESGCM, "encrypt", id="row134-encrypt"),
    ],
)
def test_what_fails_gives_no_token(
    monkeypatch: pytest.MonkeyPatch, target: Any, name: str
) -> None:
    minter = make_minter()
    if target is AESGCM:
        monkeypatch.setattr("flask_usher.minter.AESGCM", broken)
    else:
        monkeypatch.setattr(target, name, broken)
    with pytest.raises(Broken):
        minter.mint(issue())


def test_a_token_does_not_show_itself(minter: Minter) -> None:
    token = minter.mint(issue())
    assert token.value not in repr(token)
    assert "eyJ" not in repr(token) + str(token)
    assert token.sha256 == hashlib.sha256(token.value.encode()).hexdigest()


def test_the_minter_does_not_show_its_keys(minter: Minter) -> None:
    assert repr(minter).startswith("<flask_usher.minter.Minter object at ")


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255))
def test_any_user_id_arrives_as_it_is(user_id: str) -> None:
    header, claims, _ = inner_of(make_minter().mint(issue(user_id)).value).split(".")
    assert json_of(header) == INNER_HEADER
    assert json_of(claims) == {"iss": ISSUER, "exp": NOW + 60, USER_ID: user_id}


def test_the_visitor_data_of_one_person_is_never_that_of_another() -> None:
    minter = make_minter(visitor_data={"firstName": "given_name"})
    people = [f"name-{number}" for number in range(20)]
    tokens = [minter.mint(issue(name, given_name=name)) for name in people]
    for name, token in zip(people, tokens, strict=True):
        claims = opened(token).claims
        assert claims[USER_ID] == claims[VISITOR_DATA]["firstName"] == name
