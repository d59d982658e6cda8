"""No token gets past the verifier that is not exactly what it should be."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from support.forged_tokens import jwe
from support.hostile_tokens import AUDIENCES, NOW, REFUSED_EVERYWHERE, Make
from support.openid import CLIENT, KEY, PUBLIC_KEY, FixedKeys, fake, sign_in, usher_at

from flask_usher.providers.base import ProviderUnavailable, SignInFailed
from flask_usher.providers.compact_jws import InvalidToken
from flask_usher.providers.jwt_verification import (
    ACCESS_TOKEN,
    ID_TOKEN,
    LOGOUT_TOKEN,
    TokenKind,
    Verifier,
)
from flask_usher.testing import (
    Behaviour,
    BitFlipped,
    Clock,
    FakeOpenIdProvider,
    FakeTokenIssuer,
    FixedSignature,
    Forgery,
    SignedWith,
    SigningKey,
    base64url,
)

AUDIENCE = "usher"
EC_KEY = SigningKey.generate("ES256", key_id="curve")


@pytest.fixture
def issuer() -> FakeTokenIssuer:
    return FakeTokenIssuer(keys=[KEY], clock=Clock())


def verifier(
    issuer: FakeTokenIssuer,
    kind: TokenKind = ID_TOKEN,
    *algorithms: str,
    keys: FixedKeys | None = None,
) -> Verifier:
    pinned = algorithms or ("RS256",)
    return Verifier(
        kind,
        issuer=issuer.issuer,
        audience=AUDIENCE,
        keys=keys or FixedKeys.of(issuer, *pinned),
        algorithms=pinned,
        clock=issuer.clock,
    )


def refusal(verifier: Verifier, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        verifier.verify(token)
    return caught.value.reason


def tokens(issuer: FakeTokenIssuer, forgery: Forgery) -> dict[str, tuple[TokenKind, str]]:
    """Return a token of each kind with the same fault."""
    access = issuer.access_token(AUDIENCE, audience=AUDIENCE, forgery=forgery)
    logout = issuer.logout_token(AUDIENCE, subject="248289761001", forgery=forgery)
    return {
        "id": (ID_TOKEN, issuer.id_token(AUDIENCE, nonce="n", forgery=forgery)),
        "access": (ACCESS_TOKEN, access),
        "logout": (LOGOUT_TOKEN, logout),
    }


@pytest.mark.parametrize("kind", ["id", "access", "logout"])
@pytest.mark.parametrize(("make", "reason"), [*REFUSED_EVERYWHERE, *AUDIENCES])
def test_a_hostile_token_of_any_kind_is_refused(
    issuer: FakeTokenIssuer, make: Make, reason: str, kind: str
) -> None:
    token_kind, token = tokens(issuer, make(KEY))[kind]
    assert refusal(verifier(issuer, token_kind), token) == reason


@pytest.mark.parametrize(("make", "reason"), [*REFUSED_EVERYWHERE, *AUDIENCES])
def test_a_hostile_id_token_signs_nobody_in(make: Make, reason: str) -> None:
    provider = fake()
    usher = usher_at(provider)
    provider.behaviour = Behaviour(id_token=make(KEY))
    with pytest.raises(SignInFailed) as caught:
        sign_in(usher, provider)
    assert caught.value.reason == reason


def test_row_88_a_text_that_is_no_unicode_is_no_token(issuer: FakeTokenIssuer) -> None:
    token = issuer.id_token(AUDIENCE, nonce="n")
    assert refusal(verifier(issuer), token + "\ud800") == "token-malformed"


@pytest.mark.parametrize("kind", ["id", "access", "logout"])
def test_a_good_token_of_each_kind_is_what_it_says(issuer: FakeTokenIssuer, kind: str) -> None:
    token_kind, token = tokens(issuer, Forgery())[kind]
    verified = verifier(issuer, token_kind).verify(token)
    assert verified.claims["iss"] == issuer.issuer
    assert verified.algorithm == "RS256"


GOOD = [
    pytest.param({}, id="plain"),
    pytest.param({"aud": [AUDIENCE]}, id="row79-list-of-us"),
    pytest.param({"aud": [AUDIENCE, "x"], "azp": AUDIENCE}, id="row79-others-and-azp-us"),
    pytest.param({"azp": AUDIENCE}, id="row79-azp-us"),
    pytest.param({"iat": NOW + 25}, id="row68-iat-25-seconds-ahead"),
    pytest.param({"exp": NOW - 29}, id="expired-within-the-leeway"),
    pytest.param({"nbf": NOW + 30}, id="row81-nbf-within-the-leeway"),
    pytest.param({"iat": NOW - 600.5, "exp": NOW + 0.5}, id="fractions"),
    pytest.param({"sub": "x" * 255}, id="row83-sub-of-255"),
    pytest.param({"sub": "zoë|" + "愛"}, id="row83-sub-of-letters"),
    pytest.param({"other": {"deep": [{"er": [1, 2.5, None, True]}]}}, id="unknown-claims"),
]


@pytest.mark.parametrize("claims", GOOD)
def test_what_is_allowed_is_accepted_here_and_by_pyjwt(
    issuer: FakeTokenIssuer, claims: Mapping[str, Any]
) -> None:
    token = issuer.id_token(AUDIENCE, nonce="n", forgery=Forgery(claims=claims))
    verified = verifier(issuer).verify(token)
    theirs = jwt.decode(
        token,
        PUBLIC_KEY,
        algorithms=["RS256"],
        audience=AUDIENCE,
        issuer=issuer.issuer,
        options={
            "require": ["iss", "aud", "exp", "iat", "sub"],
            "verify_signature": True,
            "verify_aud": True,
            "verify_iss": True,
            # PyJWT has no clock but the machine's.
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    assert verified.claims == theirs


@pytest.mark.parametrize(
    ("algorithm", "bits"),
    [
        pytest.param("RS256", 2048, id="row74-rp-id_token-bad-sig-rs256"),
        pytest.param("ES256", 512, id="row74-rp-id_token-bad-sig-es256"),
    ],
)
def test_row_74_every_flipped_bit_of_the_signature_is_noticed(
    algorithm: str, bits: int
) -> None:
    key = SigningKey.generate(algorithm)
    issuer = FakeTokenIssuer(keys=[key], clock=Clock())
    checked = verifier(issuer, ID_TOKEN, algorithm)
    good = issuer.id_token(AUDIENCE, nonce="n")
    checked.verify(good)
    signed, _, signature = good.rpartition(".")
    whole = jwt.utils.base64url_decode(signature)
    assert len(whole) * 8 == bits
    for bit in range(bits):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refusal(checked, f"{signed}.{base64url(bytes(flipped))}") == "bad-signature"


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(bytes(64), id="row74-es256-r-s-0"),
        pytest.param(bytes(31) + b"\1" + bytes(31) + b"\1", id="row74-es256-r-s-1"),
        pytest.param(b"\xff" * 64, id="row74-es256-r-s-too-large"),
        pytest.param(bytes(63), id="row74-es256-too-short"),
        pytest.param(bytes(65), id="row74-es256-too-long"),
        pytest.param(b"\x30\x06\x02\x01\x01\x02\x01\x01", id="row74-es256-der"),
    ],
)
def test_row_74_degenerate_signatures_on_the_curve_are_refused(signature: bytes) -> None:
    issuer = FakeTokenIssuer(keys=[EC_KEY], clock=Clock())
    forgery = Forgery(signing=FixedSignature(signature))
    token = issuer.id_token(AUDIENCE, forgery=forgery)
    assert refusal(verifier(issuer, ID_TOKEN, "ES256"), token) == "bad-signature"


@pytest.mark.parametrize(
    "algorithm",
    [
        pytest.param("RS256", id="rp-id_token-sig-rs256"),
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        pytest.param("ES256", id="rp-id_token-sig-es256"),
        "ES384",
        "ES512",
        "EdDSA",
    ],
)
def test_each_algorithm_is_good_when_it_is_pinned_and_only_then(algorithm: str) -> None:
    issuer = FakeTokenIssuer(keys=[SigningKey.generate(algorithm)], clock=Clock())
    token = issuer.id_token(AUDIENCE, nonce="n")
    assert verifier(issuer, ID_TOKEN, algorithm).verify(token).algorithm == algorithm
    other = "ES256" if algorithm == "RS256" else "RS256"
    assert refusal(verifier(issuer, ID_TOKEN, other), token) == "algorithm-refused"


@pytest.mark.parametrize(
    ("named", "signed"),
    [
        pytest.param("PS256", "RS256", id="row77-rs256-by-a-ps256-key"),
        pytest.param("RS256", "PS256", id="row77-ps256-by-an-rs256-key"),
    ],
)
def test_row_77_a_key_is_good_for_one_algorithm_even_when_both_are_pinned(
    named: str, signed: str
) -> None:
    key = SigningKey.generate(named)
    issuer = FakeTokenIssuer(keys=[key], clock=Clock())
    forgery = Forgery(header={"alg": signed}, signing=SignedWith(algorithm=signed))
    token = issuer.id_token(AUDIENCE, forgery=forgery)
    assert refusal(verifier(issuer, ID_TOKEN, "RS256", "PS256"), token) == "unknown-key"


@pytest.mark.parametrize("pinned", [("RS256", "ES256"), ("ES256", "RS256")])
def test_row_77_a_token_by_the_other_type_of_key_is_refused(pinned: tuple[str, str]) -> None:
    rsa, curve = KEY.renamed("one"), EC_KEY.renamed("one")
    issuer = FakeTokenIssuer(keys=[rsa, curve], clock=Clock())
    forgery = Forgery(header={"alg": "ES256"})
    token = issuer.id_token(AUDIENCE, forgery=forgery)
    assert refusal(verifier(issuer, ID_TOKEN, *pinned), token) == "bad-signature"


WITHOUT_KID = Forgery(header={"kid": ...})


def test_row_76_without_kid_the_only_key_is_it_rp_id_token_kid_absent_single_jwks(
    issuer: FakeTokenIssuer,
) -> None:
    token = issuer.id_token(AUDIENCE, forgery=WITHOUT_KID)
    assert verifier(issuer).verify(token)


def test_row_76_without_kid_keys_of_other_algorithms_do_not_count() -> None:
    issuer = FakeTokenIssuer(keys=[KEY, EC_KEY], clock=Clock())
    token = issuer.id_token(AUDIENCE, forgery=WITHOUT_KID)
    assert verifier(issuer, ID_TOKEN, "RS256", "ES256").verify(token)


def test_row_76_without_kid_two_keys_are_none_rp_id_token_kid_absent_multiple_jwks() -> None:
    issuer = FakeTokenIssuer(keys=[KEY, SigningKey.generate()], clock=Clock())
    token = issuer.id_token(AUDIENCE, forgery=WITHOUT_KID)
    assert refusal(verifier(issuer), token) == "unknown-key"


def test_row_76_a_kid_that_two_keys_have_names_none() -> None:
    issuer = FakeTokenIssuer(keys=[KEY, KEY.renewed()], clock=Clock())
    assert refusal(verifier(issuer), issuer.id_token(AUDIENCE)) == "unknown-key"


def test_row_76_the_same_key_twice_is_one_key() -> None:
    issuer = FakeTokenIssuer(keys=[KEY, KEY], clock=Clock())
    assert verifier(issuer).verify(issuer.id_token(AUDIENCE))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param({"aud": [AUDIENCE, "x"]}, "authorized-party", id="row79-two-without-azp"),
        pytest.param({"azp": "x"}, "authorized-party", id="row79-azp-other"),
        pytest.param({"azp": None}, "authorized-party", id="row79-azp-null"),
        pytest.param({"azp": [AUDIENCE]}, "authorized-party", id="row79-azp-list"),
        pytest.param({"iat": NOW - 631}, "token-too-old", id="row81-eleven-minutes-old"),
        pytest.param({"iat": NOW - 604_800}, "token-too-old", id="row81-a-week-old"),
        pytest.param({"sub": ...}, "subject", id="row83-missing-rp-id_token-sub"),
        pytest.param({"sub": ""}, "subject", id="row83-empty"),
        pytest.param({"sub": 248289761001}, "subject", id="row83-number"),
        pytest.param({"sub": None}, "subject", id="row83-null"),
        pytest.param({"sub": ["1"]}, "subject", id="row83-list"),
        pytest.param({"sub": "x" * 256}, "subject", id="row83-256-characters"),
        pytest.param({"sub": "1\0"}, "subject", id="row83-nul"),
        pytest.param({"sub": "1\n"}, "subject", id="row83-line-break"),
        pytest.param({"sub": "1\u202e"}, "subject", id="row83-bidi"),
        pytest.param({"sub": "1\u200b"}, "subject", id="row83-zero-width"),
        pytest.param({"nonce": ...}, "nonce-mismatch", id="row82-missing-rp-nonce-invalid"),
        pytest.param({"nonce": "wrong"}, "nonce-mismatch", id="row82-wrong-rp-nonce-invalid"),
        pytest.param({"nonce": ""}, "nonce-mismatch", id="row82-empty"),
        pytest.param({"nonce": ["n"]}, "nonce-mismatch", id="row82-list"),
        pytest.param({"nonce": None}, "nonce-mismatch", id="row82-null"),
        pytest.param(
            {"nonce": ..., "nonce_supported": False}, "nonce-mismatch", id="row82-unsupported"
        ),
        pytest.param(
            {"at_hash": "x"}, "access-token", id="row84-wrong-rp-id_token-bad-at_hash"
        ),
        pytest.param({"at_hash": ""}, "access-token", id="row84-empty"),
        pytest.param({"at_hash": None}, "access-token", id="row84-null"),
        pytest.param({"at_hash": 1}, "access-token", id="row84-number"),
    ],
)
def test_an_id_token_about_something_else_signs_nobody_in(
    claims: Mapping[str, object], reason: str
) -> None:
    provider = fake()
    usher = usher_at(provider)
    provider.behaviour = Behaviour(id_token=Forgery(claims=claims))
    with pytest.raises(SignInFailed) as caught:
        sign_in(usher, provider)
    assert caught.value.reason.startswith(reason)


def test_row_82_an_id_token_that_was_used_is_of_no_use_again() -> None:
    provider = fake()
    usher = usher_at(provider)
    used = sign_in(usher, provider).id_token
    provider.behaviour = Behaviour(token_response={"id_token": used})
    with pytest.raises(SignInFailed, match="nonce-mismatch"):
        sign_in(usher, provider)


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [("RS256", "sha256"), ("ES384", "sha384"), ("PS512", "sha512"), ("EdDSA", "sha512")],
)
def test_row_84_the_hash_of_the_access_token_is_that_of_the_algorithm(
    algorithm: str, digest: str
) -> None:
    provider = fake(keys=[SigningKey.generate(algorithm)])
    usher = usher_at(provider, algorithms=(algorithm,))
    whole = hashlib.new(digest, b"access").digest()
    provider.behaviour = Behaviour(
        token_response={"access_token": "access"},
        id_token=Forgery(claims={"at_hash": base64url(whole[: len(whole) // 2])}),
    )
    assert sign_in(usher, provider).identity
    provider.behaviour = Behaviour(
        token_response={"access_token": "another"}, id_token=provider.behaviour.id_token
    )
    with pytest.raises(SignInFailed, match="access-token-mismatch"):
        sign_in(usher, provider)


def test_row_84_without_the_hash_the_code_flow_is_good_rp_id_token_missing_at_hash() -> None:
    provider = fake()
    assert sign_in(usher_at(provider), provider).identity


def _jwe(header: Mapping[str, object], ciphertext: bytes = b"x") -> str:
    parts = [json.dumps(header).encode(), b"key", b"nonce-of-12-", ciphertext, b"tag"]
    return ".".join(map(base64url, parts))


BOMB = zlib.compress(bytes(4_000_000), 9)[2:-4]
ENCRYPTED = {
    "oaep-rp-id_token-sig+enc": _jwe({"alg": "RSA-OAEP-256", "enc": "A256GCM"}),
    "rsa1_5": _jwe({"alg": "RSA1_5", "enc": "A128CBC-HS256"}),
    "pbes2-2-to-the-31": _jwe(
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "AAAA", "p2c": 2**31}
    ),
    "zip-bomb": _jwe({"alg": "dir", "enc": "A128GCM", "zip": "DEF"}, BOMB),
    "real-around-unsigned": jwe(b'{"sub": "1"}', recipient=PUBLIC_KEY),
}


@pytest.mark.parametrize("kind", [ID_TOKEN, ACCESS_TOKEN, LOGOUT_TOKEN])
@pytest.mark.parametrize("name", ENCRYPTED, ids=lambda name: f"row86-{name}")
def test_row_86_encrypted_tokens_are_refused_unopened(
    issuer: FakeTokenIssuer, name: str, kind: TokenKind
) -> None:
    assert refusal(verifier(issuer, kind), ENCRYPTED[name]) == "token-malformed"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_row_88_each_part_has_one_spelling(issuer: FakeTokenIssuer, part: int) -> None:
    # Bits that are left over in the last character decode to nothing.
    spellings = 0
    for extra in range(4):
        forgery = Forgery(claims={"x": "x" * extra}, header={"x": "x" * extra})
        parts = issuer.id_token(AUDIENCE, nonce="n", forgery=forgery).split(".")
        if len(parts[part]) % 4 == 0:
            continue
        spellings += 1
        following = chr(ord(parts[part][-1]) + 1)
        assert following.isalnum()
        parts[part] = parts[part][:-1] + following
        assert refusal(verifier(issuer), ".".join(parts)) == "token-malformed"
    assert spellings


@pytest.mark.parametrize(
    ("made", "taken"),
    [
        pytest.param(made, taken, id=f"row89-{made}-token-as-{taken}-token")
        for made in ("id", "access", "logout")
        for taken in ("id", "access", "logout")
        if made != taken
    ],
)
@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE]])
def test_row_89_no_kind_of_token_passes_for_another(
    issuer: FakeTokenIssuer, made: str, taken: str, audience: object
) -> None:
    given = tokens(issuer, Forgery(claims={"aud": audience}))
    kind, _ = given[taken]
    # An ID token may lack a type, and so may a logout token: then the claims tell.
    expected = "token-id-malformed" if (made, taken) == ("id", "logout") else "token-type"
    assert refusal(verifier(issuer, kind), given[made][1]) == expected


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT"])
def test_row_89_the_type_may_be_spelt_in_full_and_in_any_case(
    issuer: FakeTokenIssuer, typ: str
) -> None:
    forgery = Forgery(header={"typ": typ})
    token = issuer.access_token(AUDIENCE, audience=AUDIENCE, forgery=forgery)
    assert verifier(issuer, ACCESS_TOKEN).verify(token)


@pytest.mark.parametrize("typ", [..., "JWT", "jwt", "application/jwt"])
def test_row_89_an_id_token_is_a_plain_jwt(issuer: FakeTokenIssuer, typ: object) -> None:
    token = issuer.id_token(AUDIENCE, forgery=Forgery(header={"typ": typ}))
    assert verifier(issuer).verify(token)


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "", "JWT ", "JOSE", "secevent+jwt"])
def test_row_89_an_id_token_of_another_type_is_none(issuer: FakeTokenIssuer, typ: str) -> None:
    token = issuer.id_token(AUDIENCE, forgery=Forgery(header={"typ": typ}))
    assert refusal(verifier(issuer), token) == "token-type"


@pytest.mark.parametrize("typ", [None, 1, ["JWT"]], ids=str)
def test_row_89_a_type_is_a_text(issuer: FakeTokenIssuer, typ: object) -> None:
    token = issuer.id_token(AUDIENCE, forgery=Forgery(header={"typ": typ}))
    assert refusal(verifier(issuer), token) == "token-malformed"


@pytest.mark.parametrize(
    ("changes", "claims", "reason"),
    [
        pytest.param({"max_age_seconds": 60}, {"auth_time": ...}, "time", id="no-auth_time"),
        pytest.param({"max_age_seconds": 60}, {"auth_time": "0"}, "time", id="auth_time-text"),
        pytest.param({"max_age_seconds": 60}, {"auth_time": NOW - 91}, "too-old", id="too-old"),
        pytest.param({"acr_values": ("gold",)}, {}, "acr-not-met", id="no-acr"),
        pytest.param({"acr_values": ("gold",)}, {"acr": "silver"}, "acr-not-met", id="lower"),
        pytest.param({"acr_values": ("gold",)}, {"acr": ["gold"]}, "acr-not-met", id="list"),
    ],
)
def test_row_91_a_weaker_authentication_than_demanded_signs_nobody_in(
    changes: dict[str, Any], claims: Mapping[str, object], reason: str
) -> None:
    provider = fake()
    usher = usher_at(provider, **changes)
    provider.behaviour = Behaviour(id_token=Forgery(claims=claims))
    with pytest.raises(SignInFailed, match=reason):
        sign_in(usher, provider)


def test_row_91_the_authentication_that_is_demanded_is_good() -> None:
    provider = fake()
    usher = usher_at(provider, max_age_seconds=60, acr_values=("silver", "gold"))
    claims = {"acr": "gold", "auth_time": NOW - 90}
    provider.behaviour = Behaviour(id_token=Forgery(claims=claims))
    assert sign_in(usher, provider).identity.acr == "gold"


def test_row_68_a_clock_ahead_is_named_to_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = fake()
    usher = usher_at(provider)
    provider.behaviour = Behaviour(id_token=Forgery(claims={"iat": NOW + 35}))
    with pytest.raises(SignInFailed, match="issued-in-the-future"):
        sign_in(usher, provider)
    assert "https://id.example is 35 s ahead of this machine's clock" in caplog.text


def test_a_bad_signature_is_found_before_bad_claims(issuer: FakeTokenIssuer) -> None:
    forgery = Forgery(claims={"iss": "x", "exp": 0, "aud": "x"}, signing=BitFlipped())
    token = issuer.id_token(AUDIENCE, forgery=forgery)
    assert refusal(verifier(issuer), token) == "bad-signature"


def test_newer_keys_are_wished_for_only_where_they_could_help(issuer: FakeTokenIssuer) -> None:
    keys = FixedKeys.of(issuer)
    checked = verifier(issuer, keys=keys)
    for wrong in (
        Forgery(header={"alg": "none"}),
        Forgery(header={"typ": "x"}),
        Forgery(form="{header}.{claims}"),
        Forgery(claims={"exp": 0}),
    ):
        refusal(checked, issuer.id_token(AUDIENCE, forgery=wrong))
    assert keys.asked == 0
    for wrong in (Forgery(header={"kid": "x"}), Forgery(signing=BitFlipped())):
        refusal(checked, issuer.id_token(AUDIENCE, forgery=wrong))
    assert keys.asked == 2


def test_a_provider_that_promises_unsigned_tokens_only_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = fake()
    provider.behaviour = Behaviour(metadata={"id_token_signing_alg_values_supported": ["none"]})
    with pytest.raises(ProviderUnavailable):
        sign_in(usher_at(provider), provider)
    assert "none of the algorithms in the settings" in caplog.text


def test_row_72_unsigned_is_refused_though_the_metadata_allow_it() -> None:
    provider: FakeOpenIdProvider = fake(CLIENT)
    usher = usher_at(provider)
    provider.behaviour = Behaviour(
        metadata={"id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]},
        id_token=Forgery(header={"alg": "none"}),
    )
    with pytest.raises(SignInFailed, match="algorithm-refused"):
        sign_in(usher, provider)
