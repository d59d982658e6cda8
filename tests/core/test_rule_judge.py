"""Another implementation of CEL comes to the same verdicts, so that ours is the standard's."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from parts import ROOT
from support.rules import NOW, case, person, verdict

from flask_usher.providers.base import AccountFacts
from flask_usher.rules.variables import Case, percentile

SCRIPT = ROOT / "tests/node/cel_judge.mjs"

EXPRESSIONS = (
    "true",
    "identity.claims.email_verified != true",
    "!identity.claims.email_verified",
    "identity.claims.email_verified",
    "identity.claims.email.endsWith('@shop.example')",
    r"identity.claims.email.matches(r'(?i)^[a-z]+@shop\.example$')",
    "has(identity.claims.email) && identity.claims.email.contains('@')",
    "identity.claims.age < 18",
    "identity.claims.age < 18 || identity.claims.email_verified",
    "identity.claims.age < 18 && identity.claims.email_verified",
    "identity.claims.age < 18 || true",
    "false && identity.claims.age < 18",
    "identity.claims.age < 18 && false",
    "identity.claims.age == 17.0",
    "identity.claims.age != '17'",
    "identity.claims.age in [17, 18]",
    "identity.claims.age + 1 > 18",
    "100 / identity.claims.age > 3",
    "identity.claims.age % 2 == 1",
    "int(identity.claims.age) < 18",
    "double(identity.claims.age) < 17.5",
    "string(identity.claims.age) == '17'",
    "identity.claims.address.country == 'FR'",
    "identity.claims.address.country in ['FR', 'BE']",
    "identity.claims['address']['country'] != 'FR'",
    "has(identity.claims.address) && identity.claims.address.country == 'FR'",
    "'country' in identity.claims.address",
    "'staff' in identity.groups",
    "!('staff' in identity.groups)",
    "size(identity.groups) > 1",
    "identity.groups.size() == 0",
    "identity.groups == ['staff', 'vip-1']",
    "identity.groups[0] == 'staff'",
    "identity.groups.exists(g, g.startsWith('vip-'))",
    "identity.groups.all(g, g.size() > 3)",
    "identity.groups.exists_one(g, g.startsWith('vip-'))",
    "identity.groups.filter(g, g != 'staff').size() == 1",
    "identity.claims.roles.exists(r, r in identity.groups)",
    "identity.claims.roles.exists(r, r > 1)",
    "identity.claims.roles.all(r, r > 1)",
    "identity.claims.phone == null",
    "has(identity.claims.phone)",
    "has(identity.acr)",
    "identity.acr == 'gold'",
    "!has(identity.acr) || identity.acr != 'gold'",
    "has(identity.acr) ? identity.acr == 'gold' : true",
    "'otp' in identity.amr && identity.acr == 'gold'",
    "now - identity.signed_in_at > duration('8h')",
    "now - identity.signed_in_at > duration('1h30m')",
    "identity.signed_in_at < timestamp('2027-01-15T06:30:00+00:00')",
    "now < timestamp('2027-01-15T09:00:00.000001+01:00')",
    "account.created_at > now - duration('24h')",
    "now - account.created_at > duration('86400s')",
    "has(account.name) && account.name == 'jane'",
    "identity.percentile >= 20",
    "identity.percentile < 50.5",
    "request.address.startsWith('10.')",
    "!(request.origin in ['https://www.shop.example'])",
    "local.time < '09:00' || local.time >= '18:00'",
    "local.weekday in [6, 7] || local.date == '2027-01-15'",
    "identity.provider + ':' + identity.subject == 'local:42'",
    "identity.subject > '4' && identity.subject < '5'",
    "'é' < 'z' || 'a' < 'B'",
    "size('hello') == 5",
    "-7 / 2 == -3 && -7 % 2 == -1",
    "1 == 1.0 && 1u == 1",
    "9223372036854775807 > 9223372036854775806.0",
    r"r'\n' == '\\n' && '\u00e9' == 'é'",
    "{'a': 1}.a == 1 && 'a' in {'a': 1}",
    "identity.claims.age > 0 ? true : identity.claims.none",
)

PEOPLE = {
    "nobody": case(person()),
    "jane": Case(
        person(
            {
                "email": "Jane@shop.example",
                "email_verified": True,
                "age": 17,
                "address": {"country": "FR"},
                "roles": ["staff", "boss"],
                "phone": None,
            },
            groups=("staff", "vip-1"),
            acr="gold",
            amr=("pwd", "otp"),
            signed_in_at=NOW - 7200,
            account=AccountFacts(name="jane", created_at=NOW - 86400),
        ),
        NOW,
        case(address="10.0.0.1", origin="https://www.shop.example").request,
    ),
    "john": Case(
        person(
            {
                "email": "john@shop.example.evil.test",
                "email_verified": False,
                "age": 40,
                "address": {"country": "US"},
                "roles": [1, 2],
            },
            groups=("vip-1", "vip-2"),
            acr="silver",
            subject="5",
            signed_in_at=NOW - 8 * 3600 - 1,
            account=AccountFacts(name="john", created_at=NOW - 60),
        ),
        NOW,
        case(address="192.0.2.10", origin="https://evil.test").request,
    ),
    "odd": case(
        person(
            {
                "email": ["jane@shop.example"],
                "email_verified": "true",
                "age": "17",
                "address": "FR",
                "roles": "staff",
                "phone": {},
            },
            groups=("",),
        )
    ),
    "zero": case(person({"age": 0, "email": "", "roles": [], "address": {}, "phone": False})),
}


# A member that is null is there, says the standard: has() tells whether the map has the key.
KNOWN_DIFFERENCES = {("has(identity.claims.phone)", "jane")}


def _moment(seconds: float) -> dict[str, str]:
    return {"$time": datetime.fromtimestamp(seconds, UTC).isoformat()}


def _variables(whom: Case) -> dict[str, Any]:
    who = whom.identity
    account = who.account
    return {
        "identity": {
            "provider": who.provider,
            "subject": who.subject,
            "claims": who.claims,
            "groups": list(who.groups),
            "amr": list(who.amr),
            "signed_in_at": _moment(who.signed_in_at),
            "percentile": {"$double": percentile(who)},
        }
        | ({"acr": who.acr} if who.acr is not None else {}),
        "account": (
            {"name": account.name, "created_at": _moment(account.created_at)} if account else {}
        ),
        "request": {"address": whom.request.address}
        | ({"origin": whom.request.origin} if whom.request.origin else {}),
        "now": _moment(whom.now),
        "local": {"time": "08:00", "weekday": 5, "date": "2027-01-15"},
    }


def _ours(expression: str, whom: Case) -> bool | str:
    found = verdict(expression, whom)
    return found.refuses if found.undecided is None else "undecided"


@pytest.mark.node
def test_another_implementation_comes_to_the_same_verdicts() -> None:
    cases = [(it, name) for it in EXPRESSIONS for name in PEOPLE]
    question = [
        {"expression": expression, "variables": _variables(PEOPLE[name])}
        for expression, name in cases
    ]
    answer = subprocess.run(
        ["node", SCRIPT], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    theirs = [it if isinstance(it, bool) else "undecided" for it in json.loads(answer.stdout)]
    ours = [_ours(expression, PEOPLE[name]) for expression, name in cases]
    different = {it for it, one, other in zip(cases, ours, theirs, strict=True) if one != other}
    assert different == KNOWN_DIFFERENCES
    assert {True, False, "undecided"} == set(ours)


def test_the_size_of_a_text_is_in_bytes_other_than_in_the_standard() -> None:
    """The documentation says so. The standard counts characters."""
    assert verdict("size('héllo') == 6").refuses
