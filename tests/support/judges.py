"""Three libraries that the minter is not built on, each of which opens and verifies tokens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc import jwe, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from jwcrypto.common import JWException
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from parts import ROOT
from support.keys import private_pem, public_pem, rsa_key
from support.minting import ISSUER, NOW, USER_ID

SCRIPT = ROOT / "tests/node/judge.mjs"


@dataclass(frozen=True)
class Opened:
    """What a judge found in a token that it accepted."""

    outer_header: Mapping[str, Any]
    inner_header: Mapping[str, Any]
    claims: Mapping[str, Any]


class NotAccepted(Exception):
    """The judge turns a token down."""


Judge = Callable[[Sequence[str]], list[Opened]]


def with_joserfc(tokens: Sequence[str]) -> list[Opened]:
    """Open with joserfc; raises `NotAccepted`."""
    recipient = RSAKey.import_key(private_pem(rsa_key("recipient")))
    signer = RSAKey.import_key(public_pem(rsa_key("signing").public_key()))
    registry = jwt.JWTClaimsRegistry(
        now=NOW, leeway=0, iss={"essential": True, "value": ISSUER}, exp={"essential": True}
    )

    def opened(token: str) -> Opened:
        outer = jwe.decrypt_compact(token, recipient, algorithms=["RSA-OAEP-256", "A256GCM"])
        assert outer.plaintext is not None
        inner = jwt.decode(outer.plaintext.decode(), signer, algorithms=["RS256"])
        registry.validate(inner.claims)
        return Opened(outer.protected, inner.header, inner.claims)

    return [_or_not_accepted(opened, token) for token in tokens]


def with_jwcrypto(tokens: Sequence[str]) -> list[Opened]:
    """Open with jwcrypto; raises `NotAccepted`."""
    recipient = JWK.from_pem(private_pem(rsa_key("recipient")))
    signer = JWK.from_pem(public_pem(rsa_key("signing").public_key()))

    def opened(token: str) -> Opened:
        outer = JWE(algs=["RSA-OAEP-256", "A256GCM"])
        outer.deserialize(token, recipient)
        inner = JWT(algs=["RS256"], check_claims={"iss": ISSUER, USER_ID: None})
        # It knows no other clock than the machine's; the other judges look at the time.
        inner.leeway = NOW
        inner.deserialize(outer.payload.decode(), signer)
        return Opened(
            json.loads(outer.objects["protected"]),
            json.loads(inner.header),
            json.loads(inner.claims),
        )

    return [_or_not_accepted(opened, token) for token in tokens]


def with_jose(tokens: Sequence[str]) -> list[Opened]:
    """Open with npm's jose, in one Node.js process; raises `NotAccepted`."""
    question = {
        "recipientKey": private_pem(rsa_key("recipient")).decode(),
        "signingKey": public_pem(rsa_key("signing").public_key()).decode(),
        "issuer": ISSUER,
        "now": NOW,
        "tokens": list(tokens),
    }
    answer = subprocess.run(
        ["node", SCRIPT], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    found = json.loads(answer.stdout)
    errors = [item["error"] for item in found if "error" in item]
    if errors:
        raise NotAccepted(errors)
    return [Opened(item["outerHeader"], item["innerHeader"], item["claims"]) for item in found]


def _or_not_accepted(opened: Callable[[str], Opened], token: str) -> Opened:
    try:
        return opened(token)
    except (JoseError, JWException, ValueError) as error:
        raise NotAccepted(repr(error)) from error


JUDGES = [
    pytest.param(with_joserfc, id="joserfc"),
    pytest.param(with_jwcrypto, id="jwcrypto"),
    pytest.param(with_jose, id="jose", marks=pytest.mark.node),
]
