"""The tables of the settings that hold rules, and their tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, InstanceOf, StrictBool, ValidationInfo

from flask_usher.providers.base import AccountFacts, Identity

from ..errors import PROBLEMS, Activation, Problem
from ..setting_types import Table, fault, text_like
from .expression_faults import ExpressionFault
from .expressions import Expression
from .variables import Asker, Case

MOST_RULES = 2000
ISSUED = "issued"


def _own_code(value: object) -> object:
    if value in PROBLEMS or value == ISSUED:
        raise fault(f"a code of your own: {value!r} has a meaning already")
    return value


def _expression(value: object, info: ValidationInfo) -> Expression:
    if not isinstance(value, str):
        raise fault("an expression of CEL, as a string")
    try:
        return Expression.parse(value)
    except ExpressionFault as error:
        code = info.data.get("code")
        raise fault(f"{error}, in the rule {code!r}" if code else str(error)) from None


def _zone(value: object) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value if isinstance(value, str) else "")
    except (KeyError, ValueError, OSError):
        raise fault("a time zone such as Europe/Paris") from None


OwnCode = Annotated[
    str,
    BeforeValidator(_own_code),
    text_like(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", "a code such as email-not-verified"),
    Field(max_length=64),
]
Text = Annotated[str, text_like(r"[^\x00-\x1f\x7f]{1,200}", "a line of 1 to 200 characters")]
TimeZone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class RuleTable(Table):
    """`[[policy.rules]]`: one reason to refuse."""

    code: OwnCode
    """The rule's name, and what the page is told."""
    refuse_when: Annotated[InstanceOf[Expression], BeforeValidator(_expression)]
    """An expression in CEL. It refuses when true, and when it can't be decided."""
    message: Text | None = None
    """For the audit log and `usher policy explain`: what this refusal means."""
    remedy: Text | None = None
    """For `usher policy explain`: what helps."""
    activation: Activation = "none"
    """What the page does: `none`, or `anonymous` for an anonymous chat."""
    retryable: StrictBool = False
    """Whether the same request may succeed later, with nobody doing anything."""
    sign_in_helps: StrictBool = False
    """Whether signing in again may help; the answer then has the sign-in page's address."""

    @property
    def problem(self) -> Problem:
        """What the page is told: the code, and nothing of the rule."""
        return Problem(
            HTTPStatus.FORBIDDEN,
            "The policy does not allow a token",
            "One of the operator's rules refuses; the audit line says which.",
            sign_in_helps=self.sign_in_helps,
            retryable=self.retryable,
        )


class IdentityTable(Table):
    """`identity` of a test: a person, as a provider would vouch for them."""

    provider: str = "local"
    subject: str = "somebody"
    claims: Mapping[str, Any] = Field(default_factory=dict)
    groups: tuple[str, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    signed_in_at: datetime | None = None
    """The moment of the test when absent."""


class AccountTable(Table):
    """`account` of a test: what the table of accounts would hold."""

    name: str = "somebody"
    created_at: datetime | None = None
    """The moment of the test when absent."""


class RequestTable(Table):
    """`request` of a test."""

    address: str = "192.0.2.1"
    origin: str | None = None


class CaseTable(Table):
    """Somebody who asks for a token, as a table."""

    identity: IdentityTable = Field(default_factory=IdentityTable)
    account: AccountTable | None = None
    request: RequestTable = Field(default_factory=RequestTable)
    now: datetime | None = None
    """The moment; that at which the test runs when absent. Without an offset it is in UTC."""

    def case(self) -> Case:
        """Return it as the rules see it."""
        moment = self.now or datetime.now(UTC)
        now = _seconds(moment)
        account = None
        if self.account is not None:
            created_at = _seconds(self.account.created_at or moment)
            account = AccountFacts(name=self.account.name, created_at=created_at)
        who = self.identity
        identity = Identity(
            provider=who.provider,
            subject=who.subject,
            signed_in_at=_seconds(who.signed_in_at or moment),
            claims=who.claims,
            groups=who.groups,
            acr=who.acr,
            amr=who.amr,
            account=account,
        )
        return Case(identity, now, Asker(self.request.address, self.request.origin))


class TestTable(CaseTable):
    """`[[policy.tests]]`: somebody, and what the rules must say of them."""

    __test__ = False

    name: Text
    """What the test shows."""
    expect: str
    """`issued`, or the code of the rule that must refuse."""


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


Rules = Annotated[tuple[RuleTable, ...], Field(max_length=MOST_RULES)]
