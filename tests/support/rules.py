"""People and expressions for the tests of rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from flask_usher.providers.base import AccountFacts, Identity
from flask_usher.rules.ruleset import Ruleset, Verdict
from flask_usher.rules.tables import RuleTable
from flask_usher.rules.variables import Asker, Case

NOW = 1_800_000_000.0
"""Friday, 15 January 2027, 8:00 in UTC."""


def person(claims: Mapping[Any, Any] | None = None, **members: Any) -> Identity:
    """Return somebody who signed in at `NOW`."""
    known: dict[str, Any] = {"provider": "local", "subject": "42", "signed_in_at": NOW}
    return Identity(**known | {"claims": claims or {}} | members)


def case(identity: Identity | None = None, now: float = NOW, **asker: Any) -> Case:
    """Return somebody who asks for a token."""
    return Case(identity or person(), now, Asker(**{"address": "192.0.2.1"} | asker))


def jane() -> Case:
    """Return somebody of whom everything is known."""
    account = AccountFacts(name="jane", created_at=NOW - 86400)
    claims = {"email": "jane@shop.example", "email_verified": True, "age": 30, "roles": ["a"]}
    identity = person(
        claims, groups=("staff",), acr="silver", amr=("pwd", "otp"), account=account
    )
    return case(identity, origin="https://www.shop.example")


def ruleset(*expressions: str, zone: str = "UTC") -> Ruleset:
    """Return rules with the codes `rule-0`, `rule-1` and so on."""
    rules = tuple(
        RuleTable.model_validate({"code": f"rule-{number}", "refuse_when": text})
        for number, text in enumerate(expressions)
    )
    return Ruleset(rules, ZoneInfo(zone))


def verdict(expression: str, whom: Case | None = None, zone: str = "UTC") -> Verdict:
    """Return what one rule says of somebody, by default of `jane`."""
    (only,) = ruleset(expression, zone=zone).verdicts(whom or jane())
    return only
