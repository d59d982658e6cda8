"""`inspect_token` accepts what the contract asks for, and nothing else; it never raises."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from support.forged_tokens import (
    INNER,
    ISSUER,
    NOW,
    OUTER,
    USER_ID,
    base64url,
    claims,
    hmac_jws,
    jwe,
    jws,
    key,
    token,
)

from flask_usher.inspection import CHECKS, Inspection, inspect_token


def inspect(text: str, **changes: Any) -> Inspection:
    arguments: dict[str, Any] = {
        "recipient_key": key("iadvize"),
        "signing_key": key("brand").public_key(),
        "issuer": ISSUER,
        "now": NOW,
    }
    return inspect_token(text, **(arguments | changes))


def without(header: dict[str, str], name: str) -> dict[str, str]:
    return {member: value for member, value in header.items() if member != name}


def test_a_good_token_passes_every_check_and_shows_what_it_holds() -> None:
    text = token(visitor_data={"firstName": "Jane"})
    found = inspect(text)
    assert found.accepted
    assert [check.name for check in found.checks] == list(CHECKS)
    assert found.outer_header == OUTER
    assert found.inner_header == INNER
    assert found.claims == claims(visitor_data={"firstName": "Jane"})
    assert found.seconds_left == 60
    assert found.token_bytes == len(text)
    assert sum(found.segment_bytes) + 4 == len(text)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iat": NOW, "jti": "1"}, id="optional-claims"),
        pytest.param({"visitor_data": {}}, id="visitor-data-empty"),
        pytest.param(
            {"visitor_data": dict.fromkeys(["address", "city", "country", "email"], "é")},
            id="visitor-data-not-ascii",
        ),
        pytest.param({"user_id": "x" * 255}, id="row119-255"),
        pytest.param({"user_id": "😀" * 127}, id="row119-254-utf16-units"),
    ],
)
def test_what_the_contract_allows_is_accepted(changes: dict[str, Any]) -> None:
    assert inspect(token(**changes)).accepted


KID = {"kid": "2026"}


def test_a_key_id_in_both_headers_is_accepted() -> None:
    assert inspect(jwe(jws(claims(), INNER | KID), OUTER | KID)).accepted


HOSTILE_CLAIMS: list[Any] = [
    pytest.param({"exp": ...}, {"exp-is-integer"}, id="exp-missing"),
    pytest.param({"exp": NOW + 60.5}, {"exp-is-integer"}, id="exp-fraction"),
    pytest.param({"exp": str(NOW + 60)}, {"exp-is-integer"}, id="exp-string"),
    pytest.param({"exp": True}, {"exp-is-integer"}, id="exp-boolean"),
    pytest.param({"exp": 0}, {"not-expired"}, id="exp-epoch"),
    pytest.param({"exp": 2**53 - 1}, {"exp-is-near"}, id="exp-far"),
    pytest.param({"iss": ...}, {"issuer"}, id="iss-missing"),
    pytest.param({"iss": ISSUER + "/"}, {"issuer"}, id="iss-slash"),
    pytest.param({"iss": [ISSUER]}, {"issuer"}, id="iss-list"),
    pytest.param({"user_id": ...}, {"user-id"}, id="row128-user-id-missing"),
    pytest.param({"user_id": None}, {"user-id"}, id="row118-none"),
    pytest.param({"user_id": ""}, {"user-id"}, id="row118-empty"),
    pytest.param({"user_id": " "}, {"user-id"}, id="row118-space"),
    pytest.param({"user_id": "\t"}, {"user-id"}, id="row118-tab"),
    pytest.param({"user_id": "null"}, {"user-id"}, id="row118-null"),
    pytest.param({"user_id": "undefined"}, {"user-id"}, id="row118-undefined"),
    pytest.param({"user_id": "None"}, {"user-id"}, id="row118-none-string"),
    pytest.param({"user_id": 0}, {"user-id"}, id="row118-zero"),
    pytest.param({"user_id": False}, {"user-id"}, id="row118-false"),
    pytest.param({"user_id": []}, {"user-id"}, id="row118-list"),
    pytest.param({"user_id": {}}, {"user-id"}, id="row118-object"),
    pytest.param({"user_id": "x" * 256}, {"user-id"}, id="row128-user-id-256"),
    pytest.param({"user_id": "😀" * 128}, {"user-id"}, id="row119-256-utf16-units"),
    pytest.param({"user_id": "a\u202eb"}, {"user-id"}, id="user-id-bidi"),
    pytest.param({"user_id": "a\u200bb"}, {"user-id"}, id="user-id-zero-width"),
    pytest.param({"user_id": "[object Object]"}, {"user-id"}, id="user-id-object-object"),
    pytest.param({"user_id": "a\x00b"}, {"user-id"}, id="user-id-nul"),
    pytest.param({"visitor_data": None}, {"visitor-data"}, id="visitor-data-null"),
    pytest.param({"visitor_data": "Jane"}, {"visitor-data"}, id="visitor-data-string"),
    pytest.param(
        {"visitor_data": {"city": 1}}, {"visitor-data"}, id="row128-visitor-data-number"
    ),
    pytest.param(
        {"visitor_data": {"city": {}}}, {"visitor-data"}, id="row128-visitor-data-nested"
    ),
    pytest.param({"visitor_data": {"age": "9"}}, {"visitor-data"}, id="visitor-data-unknown"),
    pytest.param({"nbf": NOW}, {"only-known-claims"}, id="claim-nbf"),
    pytest.param({"extId": "7"}, {"only-known-claims"}, id="claim-extId"),
    pytest.param({"jti": "x" * 4096}, {"at-most-4-kb"}, id="too-large"),
]


@pytest.mark.parametrize(("changes", "failed"), HOSTILE_CLAIMS)
def test_bad_claims_fail_their_own_check_only(
    changes: dict[str, Any], failed: set[str]
) -> None:
    found = inspect(token(**changes))
    assert found.failed == failed
    assert not found.accepted


BRAND_SPKI = {
    "der": lambda: (
        key("brand").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ),
    "pem": lambda: (
        key("brand").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ),
    "pkcs1": lambda: key("brand").public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
}


@pytest.mark.parametrize(
    ("make", "failed"),
    [
        pytest.param(
            lambda: jws(jwe(jws(claims()))),
            {"five-segments", "outer-alg", "outer-enc", "outer-cty", "decrypts"},
            id="row128-jwe-in-jws",
        ),
        pytest.param(
            lambda: jwe(jwe(jws(claims()))), {"inner-jws", "inner-alg"}, id="jwe-in-jwe"
        ),
        pytest.param(
            lambda: jwe(b'{"iss": "%s"}' % ISSUER.encode()),
            {"inner-jws", "inner-alg"},
            id="row128-unsigned-json",
        ),
        pytest.param(
            lambda: jwe(base64url(b'{"alg":"none"}') + "." + base64url(b"{}") + "."),
            {"inner-alg", "signature", "exp-is-integer", "issuer", "user-id"},
            id="row128-none",
        ),
        pytest.param(
            lambda: jwe(jws(claims(), {"alg": "none"})),
            {"inner-alg", "signature"},
            id="row128-none-with-signature",
        ),
        pytest.param(
            lambda: jwe(jws(claims(), {"alg": "PS256"})), {"inner-alg", "signature"}, id="PS256"
        ),
        *(
            pytest.param(
                lambda secret=secret: jwe(hmac_jws(claims(), secret())),
                {"inner-alg", "signature"},
                id=f"row128-HS256-with-the-public-key-{form}",
            )
            for form, secret in BRAND_SPKI.items()
        ),
        pytest.param(
            lambda: jwe(jws(claims(), signing_key=key("stranger"))),
            {"signature"},
            id="signed-by-a-stranger",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), recipient=key("stranger").public_key()),
            {"decrypts"},
            id="row128-wrong-recipient",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"alg": "RSA-OAEP"}),
            {"outer-alg", "decrypts"},
            id="outer-alg-RSA-OAEP",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"alg": "rsa-oaep-256"}),
            {"outer-alg", "decrypts"},
            id="outer-alg-lower-case",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"enc": "A128GCM"}),
            {"outer-enc", "decrypts"},
            id="outer-enc-A128GCM",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), without(OUTER, "cty")), {"outer-cty"}, id="no-cty"
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"cty": "jwt"}),
            {"outer-cty"},
            id="cty-lower-case",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"zip": "DEF"}), {"no-zip", "decrypts"}, id="zip"
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"crit": ["exp"], "exp": 1}),
            {"decrypts"},
            id="crit-unknown",
        ),
        pytest.param(
            lambda: jwe(jws(claims()), OUTER | {"x": "y" * 900}),
            {"outer-alg", "outer-enc", "outer-cty", "no-zip", "decrypts"},
            id="outer-header-beyond-1024-bytes",
        ),
        pytest.param(
            lambda: jwe(jws(claims(), INNER | {"kid": "y" * 500})),
            {"inner-jws", "inner-alg"},
            id="inner-header-beyond-512-bytes",
        ),
    ],
)
def test_a_wrong_envelope_fails(make: Any, failed: set[str]) -> None:
    found = inspect(make())
    assert failed <= found.failed
    assert not found.accepted


def bit_flips(segment: str, stride: int) -> list[str]:
    data = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    flipped = []
    for bit in range(0, len(data) * 8, stride):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.append(base64url(bytes(changed)))
    return flipped


@pytest.mark.parametrize(
    ("index", "stride"),
    [
        pytest.param(0, 1, id="row128-header"),
        pytest.param(1, 17, id="row128-encrypted-key"),
        pytest.param(2, 1, id="row128-iv"),
        pytest.param(3, 29, id="row128-ciphertext"),
        pytest.param(4, 1, id="row128-tag"),
    ],
)
def test_one_changed_bit_anywhere_is_not_accepted(index: int, stride: int) -> None:
    segments = token().split(".")
    for flipped in bit_flips(segments[index], stride):
        changed = [*segments[:index], flipped, *segments[index + 1 :]]
        assert "decrypts" in inspect(".".join(changed)).failed


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("tail", ["=", " ", "\n", "+", "/", "%", "é", "\x00"])
def test_only_canonical_base64url_is_accepted(index: int, tail: str) -> None:
    segments = token().split(".")
    segments[index] += tail
    assert not inspect(".".join(segments)).accepted


@pytest.mark.parametrize("shown", [(), (0,), (0, 1), (0, 1, 2, 3), (0, 1, 2, 3, 4, 4)])
def test_only_five_segments_are_accepted(shown: tuple[int, ...]) -> None:
    segments = token().split(".")
    assert "five-segments" in inspect(".".join(segments[i] for i in shown)).failed


@pytest.mark.parametrize(
    ("behind", "failed"),
    [
        pytest.param(59, set(), id="row132-behind-59"),
        pytest.param(60, {"not-expired"}, id="row132-behind-60"),
        pytest.param(61, {"not-expired"}, id="row132-behind-61"),
        pytest.param(-300, set(), id="row132-ahead-300"),
        pytest.param(-301, {"exp-is-near"}, id="row132-ahead-301"),
    ],
)
def test_row_132_clocks_that_differ(behind: int, failed: set[str]) -> None:
    """The brand's clock is `behind` that of iAdvize, by which a token of 60 s is judged."""
    assert inspect(token(exp=NOW + 60), now=NOW + behind).failed == failed


@pytest.mark.parametrize(
    ("late", "accepted"),
    [pytest.param(9, True, id="within"), pytest.param(10, False, id="row128-expired-beyond")],
)
def test_tolerance_moves_the_end(late: int, accepted: bool) -> None:
    found = inspect(token(), now=NOW + 60 + late, tolerance_seconds=10)
    assert found.accepted is accepted
    assert found.seconds_left == -late


@pytest.mark.parametrize(
    ("missing", "unjudged"),
    [
        pytest.param("signing_key", {"signature"}, id="no-signing-key"),
        pytest.param("issuer", {"issuer"}, id="no-issuer"),
        pytest.param("recipient_key", set(list(CHECKS)[6:]), id="no-recipient-key"),
    ],
)
def test_what_cannot_be_judged_is_neither_passed_nor_accepted(
    missing: str, unjudged: set[str]
) -> None:
    found = inspect(token(), **{missing: None})
    assert {check.name for check in found.checks if check.passed is None} == unjudged
    assert not found.failed
    assert not found.accepted


DEEP = b'{"a":' * 400 + b"1" + b"}" * 400
STRANGE_JSON = [
    pytest.param(DEEP, id="depth-bomb"),
    pytest.param(b'{"exp":1,"exp":2}', id="duplicate-members"),
    pytest.param(b'{"exp":NaN}', id="nan"),
    pytest.param(b'{"exp":Infinity}', id="infinity"),
    pytest.param(b'{"exp":1e999}', id="float-overflow"),
    pytest.param(b'{"exp":' + b"9" * 5000 + b"}", id="huge-integer"),
    pytest.param(b'{"exp":9007199254740992}', id="integer-beyond-2-53"),
    pytest.param(b'{"iss":"\\ud800"}', id="lone-surrogate"),
    pytest.param('{"iss":"é"}'.encode("utf-16"), id="utf-16"),
    pytest.param(b'{"iss":"\xff"}', id="not-utf-8"),
    pytest.param(b'\xef\xbb\xbf{"a":1}', id="byte-order-mark"),
    pytest.param(b"[]", id="array"),
    pytest.param(b'"text"', id="string"),
    pytest.param(b"null", id="null"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"{", id="cut-off"),
]


@pytest.mark.parametrize("raw", STRANGE_JSON)
def test_strange_claims_are_not_accepted(raw: bytes) -> None:
    found = inspect(jwe(jws(raw)))
    assert "inner-jws" in found.failed
    assert found.claims is None


@pytest.mark.parametrize("raw", STRANGE_JSON)
def test_strange_headers_are_not_accepted(raw: bytes) -> None:
    assert "decrypts" in inspect(jwe(jws(claims()), raw)).failed
    assert "inner-jws" in inspect(jwe(jws(claims(), raw))).failed


def test_duplicate_user_ids_are_not_accepted() -> None:
    raw = b'{"iss":"%s","exp":%d,"%s":"a","%s":"b"}' % (
        ISSUER.encode(),
        NOW + 60,
        USER_ID.encode(),
        USER_ID.encode(),
    )
    assert "inner-jws" in inspect(jwe(jws(raw))).failed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("....", id="five-empty-segments"),
        pytest.param("." * 1_000_000, id="a-million-dots"),
        pytest.param("e" * 5_000_000, id="5-MB"),
        pytest.param("é.ü.😀.\u202e.\x00", id="not-ascii"),
        pytest.param("\ud800.a.b.c.d", id="lone-surrogate"),
        pytest.param("{}", id="json"),
        pytest.param("../../etc/passwd", id="path"),
    ],
)
def test_garbage_is_not_accepted(text: str) -> None:
    found = inspect(text)
    assert not found.accepted
    assert found.outer_header is None
    assert len(found.segment_bytes) <= 10


def test_the_library_limits_on_sizes_stand() -> None:
    plaintext = jws(claims(jti="x" * 60_000))
    assert "decrypts" in inspect(jwe(plaintext)).failed


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    assert not inspect(text).accepted


@given(st.binary(max_size=300))
def test_no_plaintext_makes_it_raise(plaintext: bytes) -> None:
    assert not inspect(jwe(plaintext)).accepted


def test_details_are_short_and_printable() -> None:
    strange = {"exp": "\x1b[31m", "iss": "é\u202e" * 500, "user_id": "\x00", "x\ny": "z"}
    for check in inspect(token(**strange)).checks:
        assert len(check.detail) <= 300
        assert re.fullmatch(r"[\x20-\x7e…]*", check.detail)
