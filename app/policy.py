"""The policy: whether the person in front of us gets a token. Pure; refuses by default."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from flask_usher.providers.base import Identity

from .errors import Code
from .sign_ins import Absence, SignIn
from .user_ids import Derive, IdentityUnusable, UserId

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when the decision falls.

    `identity` is what the provider says *now* of the person who signed in, `None` when there
    is no sign-in or the person may no longer come in.
    """

    sign_in: SignIn | Absence | None
    identity: Identity | None


@dataclass(frozen=True, slots=True)
class Issue:
    """Mint a token for this person. Only `Policy.decide` makes one."""

    identity: Identity
    user_id: UserId


@dataclass(frozen=True, slots=True)
class Refuse:
    """No token. `reason` is for the operator's audit line only."""

    code: Code
    reason: str | None = None
    retry_after: int | None = None


Decision = Issue | Refuse
Rule = Callable[[Facts], Refuse | None]


class Policy:
    """The built-in rules, then those of the operator; the first refusal counts.

    A rule returns `None` when it has nothing against a token. One that raises, or returns
    anything else, refuses.
    """

    def __init__(self, user_id: Derive, rules: tuple[Rule, ...] = ()) -> None:
        self._user_id = user_id
        self._rules: tuple[Rule, ...] = (_is_signed_in, _is_active, *rules)

    def decide(self, facts: Facts) -> Decision:
        """Return `Issue` or the `Refuse` that says why not. Never raises."""
        for rule in self._rules:
            refusal = _apply(rule, facts)
            if refusal is not None:
                return refusal
        if facts.identity is None:
            return Refuse(Code.NOT_ALLOWED, "no identity")
        try:
            return Issue(facts.identity, self._user_id(facts.identity))
        except IdentityUnusable as error:
            return Refuse(Code.IDENTITY_UNUSABLE, str(error))


def _apply(rule: Rule, facts: Facts) -> Refuse | None:
    name = getattr(rule, "__name__", type(rule).__name__)
    try:
        refusal = rule(facts)
    except Exception:
        logger.exception("the policy rule %s failed, which refuses", name)
        return Refuse(Code.NOT_ALLOWED, f"the rule {name} failed")
    if refusal is None or (isinstance(refusal, Refuse) and isinstance(refusal.code, Code)):
        return refusal
    return Refuse(Code.NOT_ALLOWED, f"the rule {name} gave no decision")


def _is_signed_in(facts: Facts) -> Refuse | None:
    return Refuse(facts.sign_in.code) if isinstance(facts.sign_in, Absence) else None


def _is_active(facts: Facts) -> Refuse | None:
    return Refuse(Code.ACCOUNT_INACTIVE) if facts.identity is None else None
