"""The policy: whether the person in front of us gets a token. Pure; refuses by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flask_usher.providers.base import Identity

from ..errors import PROBLEMS, Activation, Code, Problem
from ..rules.ruleset import Verdict
from ..rules.settings import PolicySettings
from ..rules.variables import Asker, Case
from ..sign_ins import Absence, SignIn
from ..user_ids import Derive, IdentityUnusable, UserId


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when the decision falls.

    `identity` is what the provider says *now* of the person who signed in, `None` when there
    is no sign-in or the person may no longer come in. `now` is in seconds since the epoch.
    """

    sign_in: SignIn | Absence | None
    identity: Identity | None
    now: float
    request: Asker = field(default_factory=Asker)


@dataclass(frozen=True, slots=True)
class Issue:
    """Mint a token for this person. Only `Policy.decide` makes one."""

    identity: Identity
    user_id: UserId


@dataclass(frozen=True, slots=True)
class Refuse:
    """No token.

    `code` is one of `Code`, or one of the operator's own with the `own_problem` that it means.
    `reason` and `rule` are for the operator's audit line only.
    """

    code: str
    reason: str | None = None
    retry_after: int | None = None
    rule: str | None = None
    own_problem: Problem | None = None
    activation: Activation | None = None

    @property
    def problem(self) -> Problem:
        """What the code means to those who receive it."""
        return self.own_problem or PROBLEMS[Code(self.code)]


Decision = Issue | Refuse
Rule = Callable[[Facts], Refuse | None]


class Policy:
    """The built-in rules, then those of the settings, then those of the app.

    The first refusal counts. `app_rules` gives that of the app's own rules, if there is one.
    """

    def __init__(
        self,
        user_id: Derive,
        app_rules: Rule | None = None,
        settings: PolicySettings | None = None,
    ) -> None:
        self.settings = settings or PolicySettings()
        self._user_id = user_id
        self._app_rules = app_rules
        self._rules = self.settings.ruleset()
        self._shadow = self.settings.shadow.ruleset() if self.settings.shadow else None
        self.version = self.settings.version
        """What names these rules in the audit log."""

    def decide(self, facts: Facts) -> Decision:
        """Return `Issue` or the `Refuse` that says why not. Never raises."""
        if isinstance(facts.sign_in, Absence):
            return Refuse(facts.sign_in.code)
        if facts.identity is None:
            return Refuse(Code.ACCOUNT_INACTIVE)
        verdict = self._rules.refusal(_case(facts, facts.identity))
        if verdict is not None:
            return refusal_by(verdict)
        refusal = self._app_rules(facts) if self._app_rules else None
        if refusal is not None:
            return refusal
        try:
            return Issue(facts.identity, self._user_id(facts.identity))
        except IdentityUnusable as error:
            return Refuse(Code.IDENTITY_UNUSABLE, str(error))

    def shadow_answer(self, facts: Facts) -> str | None:
        """Return what the shadow's rules say, a code or `issued`; `None` without a shadow."""
        if self._shadow is None or facts.identity is None:
            return None
        return self._shadow.answer(_case(facts, facts.identity))

    def verdicts(self, facts: Facts) -> list[Verdict]:
        """Return what each rule of the settings says."""
        if facts.identity is None:
            return []
        return list(self._rules.verdicts(_case(facts, facts.identity)))

    def activation(self, refusal: Refuse) -> Activation:
        """Return what a refusal makes the page do."""
        return refusal.activation or self.settings.activation.get(refusal.code, "none")


def refusal_by(verdict: Verdict) -> Refuse:
    """Return the refusal that a rule's verdict is."""
    rule = verdict.rule
    return Refuse(
        rule.code,
        verdict.undecided or rule.message,
        rule=rule.code,
        own_problem=rule.problem,
        activation=rule.activation,
    )


def _case(facts: Facts, identity: Identity) -> Case:
    return Case(identity, facts.now, facts.request)
