"""Tokens that must be refused whatever they are for, by what is wrong with them.

Each entry is a function from the issuer's signing key to a forgery, with the reason that the
verifier gives. Test ids carry the number of the attack and, where there is one, the name of
the OpenID Foundation's test for relying parties.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flask_usher.testing import (
    BitFlipped,
    FixedSignature,
    Forgery,
    MacWith,
    SignedWith,
    SigningKey,
)

NOW = 1_800_000_000
ISSUER = "https://id.example"
STRANGER = SigningKey.generate(key_id="first")
OTHER_SIGNATURE = STRANGER.sign(b"something else")

Make = Callable[[SigningKey], Forgery]


def _public(encoding: Encoding, form: PublicFormat) -> Callable[[SigningKey], bytes]:
    def encode(key: SigningKey) -> bytes:
        public_key: Any = key.key.public_key
        encoded: bytes = public_key.public_bytes(encoding, form)
        return encoded

    return encode


def _jwk(key: SigningKey) -> bytes:
    return json.dumps(key.jwk).encode()


def _modulus(key: SigningKey) -> bytes:
    return urlsafe_b64decode(str(key.jwk["n"]) + "==")


ENCODINGS: dict[str, Callable[[SigningKey], bytes]] = {
    "pkcs1-pem": _public(Encoding.PEM, PublicFormat.PKCS1),
    "pkcs1-pem-without-line-end": lambda key: _public(Encoding.PEM, PublicFormat.PKCS1)(
        key
    ).strip(),
    "pkcs1-der": _public(Encoding.DER, PublicFormat.PKCS1),
    "spki-pem": _public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "spki-pem-without-line-end": lambda key: _public(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )(key).strip(),
    "spki-der": _public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "openssh": _public(Encoding.OpenSSH, PublicFormat.OpenSSH),
    "jwk": _jwk,
    "modulus": _modulus,
    "empty": lambda key: b"",
}


def _always(forgery: Forgery) -> Make:
    return lambda key: forgery


def _case(id_: str, reason: str, **wrong: Any) -> Any:
    return pytest.param(_always(Forgery(**wrong)), reason, id=id_)


def _header(id_: str, reason: str, **header: Any) -> Any:
    return _case(id_, reason, header=header)


NONE = [
    _case(f"row72-{id_}", reason, header={"alg": alg}, **wrong)
    for alg in ("none", "None", "nOnE", "NONE", " none", "")
    for id_, reason, wrong in (
        (
            f"{alg!r}-without-signature-rp-id_token-sig-none",
            "token-malformed",
            {"form": "{header}.{claims}."},
        ),
        (f"{alg!r}-without-last-part", "token-malformed", {"form": "{header}.{claims}"}),
        (f"{alg!r}-with-signature", "algorithm-refused", {}),
    )
]
MACS = [
    pytest.param(
        lambda key, encode=encode, alg=alg: Forgery(
            header={"alg": alg}, signing=MacWith(encode(key))
        ),
        reason,
        id=f"row73-{alg}-with-the-{name}-rp-id_token-sig-hs256",
    )
    for name, encode in ENCODINGS.items()
    for alg, reason in (("HS256", "algorithm-refused"), ("RS256", "bad-signature"))
]
SIGNATURES = [
    _case("row74-empty", "token-malformed", signing=FixedSignature()),
    _case("row74-one-byte", "bad-signature", signing=FixedSignature(b"\0")),
    _case("row74-zeros", "bad-signature", signing=FixedSignature(bytes(256))),
    _case("row74-ones", "bad-signature", signing=FixedSignature(b"\xff" * 256)),
    _case("row74-of-another-token", "bad-signature", signing=FixedSignature(OTHER_SIGNATURE)),
    _case("row74-one-bit-rp-id_token-bad-sig-rs256", "bad-signature", signing=BitFlipped(1023)),
    _case("row74-another-key-of-that-name", "bad-signature", signing=SignedWith(STRANGER)),
    _case(
        "row74-hs256-rp-id_token-bad-sig-hs256", "algorithm-refused", header={"alg": "HS256"}
    ),
    _case(
        "row102-issuer-b-signed-by-a", "issuer-mismatch", claims={"iss": "https://b.example"}
    ),
]
KEY_IDS = [
    _header("row76-unknown", "unknown-key", kid="other"),
    _header("row76-case", "unknown-key", kid="FIRST"),
    _header("row76-path", "unknown-key", kid="../../../dev/null"),
    _header("row76-sql", "unknown-key", kid="x' UNION SELECT 'secret"),
    _header("row76-nul", "token-malformed", kid="first\0"),
    _header("row76-empty", "token-malformed", kid=""),
    _header("row76-number", "token-malformed", kid=1),
    _header("row76-list", "token-malformed", kid=["first"]),
    _header("row76-null", "token-malformed", kid=None),
    _header("row76-10-kb", "token-too-large", kid="k" * 10_000),
    _header("row76-300-characters", "token-malformed", kid="k" * 300),
    _case("row76-twice", "token-malformed", repeated_header={"kid": "first"}),
]
ALGORITHMS = [
    _case(
        f"row77-{alg}-where-rs256-is-pinned",
        "algorithm-refused",
        header={"alg": alg},
        signing=SignedWith(algorithm=alg),
    )
    for alg in ("RS384", "RS512", "PS256", "PS512")
] + [
    _case(
        "row77-eddsa-where-rs256-is-pinned",
        "algorithm-refused",
        header={"alg": "EdDSA"},
        signing=SignedWith(SigningKey.generate("EdDSA")),
    ),
    _case(
        "row77-header-says-rs256-signature-is-ps256",
        "bad-signature",
        signing=SignedWith(algorithm="PS256"),
    ),
    _header("row77-missing", "token-malformed", alg=...),
    _header("row77-number", "token-malformed", alg=256),
    _header("row77-list", "token-malformed", alg=["RS256"]),
    _header("row77-lower-case", "algorithm-refused", alg="rs256"),
    _header("row77-critical-extension", "token-malformed", crit=["exp"]),
    _header("row77-unencoded-payload", "token-malformed", b64=False, crit=["b64"]),
    _header("row77-unencoded-payload-not-critical", "token-malformed", b64=True),
]
ISSUERS = [
    _case(f"row78-{id_}", "issuer-mismatch", claims={"iss": value})
    for id_, value in {
        "missing": ...,
        "wrong-rp-id_token-issuer-mismatch": "https://other.example",
        "null": None,
        "list": [ISSUER],
        "slash": ISSUER + "/",
        "prefix": ISSUER[:-1],
        "longer": ISSUER + ".evil.example",
        "case": ISSUER.upper(),
        "http-twin": ISSUER.replace("https", "http"),
        "number": 1,
    }.items()
]
TIMES = [
    _case(id_, reason, claims=claims)
    for id_, reason, claims in (
        ("expired", "token-expired", {"exp": NOW - 30}),
        ("exp-missing", "time-malformed", {"exp": ...}),
        ("exp-null", "time-malformed", {"exp": None}),
        ("exp-text", "time-malformed", {"exp": str(NOW + 60)}),
        ("exp-true", "time-malformed", {"exp": True}),
        ("exp-1e300", "time-malformed", {"exp": 1e300}),
        ("exp-beyond-2-to-the-40", "time-malformed", {"exp": 2**40}),
        ("exp-negative", "time-malformed", {"exp": -1}),
        ("row68-iat-35-seconds-ahead", "issued-in-the-future", {"iat": NOW + 35}),
        ("row81-iat-missing-rp-id_token-iat", "time-malformed", {"iat": ...}),
        ("row81-iat-31-seconds-ahead", "issued-in-the-future", {"iat": NOW + 31}),
        ("row81-iat-text", "time-malformed", {"iat": str(NOW)}),
        ("row81-iat-list", "time-malformed", {"iat": [NOW]}),
        ("row81-nbf-31-seconds-ahead", "issued-in-the-future", {"nbf": NOW + 31}),
        ("row81-nbf-text", "time-malformed", {"nbf": "now"}),
        ("row81-nbf-null", "time-malformed", {"nbf": None}),
    )
]
FORMS = [
    _case(f"row88-{id_}", "token-malformed", form=form)
    for id_, form in {
        "one-part": "{header}",
        "two-parts": "{header}.{claims}",
        "four-parts": "{header}.{claims}.{signature}.{signature}",
        "six-parts": "{header}.{claims}.{signature}.{header}.{claims}.{signature}",
        "row86-five-parts": "{header}.{claims}.{signature}.{claims}.{signature}",
        "padding": "{header}.{claims}.{signature}==",
        "header-padding": "{header}=.{claims}.{signature}",
        "line-end": "{header}.{claims}.{signature}\n",
        "space-before": " {header}.{claims}.{signature}",
        "white-space-inside": "{header}. {claims}.{signature}",
        "standard-alphabet": "{header}.{claims}.+/{signature}",
        "empty-header": ".{claims}.{signature}",
        "empty-claims": "{header}..{signature}",
        "other-header-letters": "e30.{claims}.{signature}",
        "header-is-a-list": "W10.{claims}.{signature}",
        "header-is-no-json": "AAAA.{claims}.{signature}",
        "non-ascii": "{header}.{claims}.{signature}é",
        "bearer-prefix": "Bearer {header}.{claims}.{signature}",
    }.items()
] + [
    _case("row88-sub-twice", "token-malformed", repeated_claims={"sub": "somebody-else"}),
    _case("row88-iss-twice", "token-malformed", repeated_claims={"iss": ISSUER}),
    _case("row88-alg-twice", "token-malformed", repeated_header={"alg": "none"}),
]
SIZES = [
    _case("row87-1-mb", "token-too-large", claims={"x": "x" * 1_000_000}),
    _case("row87-header-100-kb", "token-too-large", header={"x": "x" * 100_000}),
    _case("row87-header-600-bytes", "token-too-large", header={"x": "x" * 600}),
    _case("row87-10000-claims", "token-too-large", claims={f"c{n}": n for n in range(10_000)}),
    _case(
        "row87-depth-1000", "token-malformed", claims={"x": json.loads("[" * 900 + "]" * 900)}
    ),
    _case("row87-depth-17", "token-malformed", claims={"x": json.loads("[" * 17 + "]" * 17)}),
    _case("row87-integer-of-5000-digits", "token-malformed", claims={"x": 10**4000}),
    _case("row87-nan", "token-malformed", claims={"x": float("nan")}),
    _case("row87-lone-surrogate", "token-malformed", claims={"x": "\ud800"}),
]
REFUSED_EVERYWHERE = [
    *NONE,
    *MACS,
    *SIGNATURES,
    *KEY_IDS,
    *ALGORITHMS,
    *ISSUERS,
    *TIMES,
    *FORMS,
    *SIZES,
]
AUDIENCES = [
    _case(f"row79-{id_}", reason, claims=claims)
    for id_, reason, claims in (
        ("missing", "audience-mismatch", {"aud": ...}),
        ("null", "audience-mismatch", {"aud": None}),
        ("empty", "audience-mismatch", {"aud": []}),
        ("other-rp-id_token-aud", "audience-mismatch", {"aud": "other"}),
        ("others", "audience-mismatch", {"aud": ["other", "another"]}),
        ("other-with-azp-us", "audience-mismatch", {"aud": "other", "azp": "usher"}),
        ("others-with-azp-us", "audience-mismatch", {"aud": ["other"], "azp": "usher"}),
        ("object", "audience-mismatch", {"aud": {"usher": True}}),
        ("nested", "audience-mismatch", {"aud": [["usher"]]}),
        ("longer", "audience-mismatch", {"aud": "usher2"}),
        ("case", "audience-mismatch", {"aud": "Usher"}),
        ("with-a-number", "audience-mismatch", {"aud": ["usher", 1]}),
    )
]
