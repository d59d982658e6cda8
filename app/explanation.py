"""What would happen to somebody who asks for a token, and why. Mints nothing."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from .errors import Paused
from .pauses import Pause
from .policy import Facts, Policy, Refuse
from .problem_details import problem_details
from .refusals import refusal_of
from .rules.inputs import Input, inputs_of
from .rules.ruleset import Verdict
from .rules.variables import Case


@dataclass(frozen=True, slots=True)
class Step:
    """What one of the operator's rules says, and what it looked at."""

    verdict: Verdict
    inputs: list[Input]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole of it: the steps in order, the decision, and what the browser would get.

    `refusal` is `None` where a token would be issued. `answer` has no token in it.
    """

    version: str
    steps: list[Step]
    refusal: Refuse | None
    shadow: str | None
    answer: dict[str, object] | None

    @property
    def status(self) -> HTTPStatus:
        """The answer's status."""
        return self.refusal.problem.status if self.refusal else HTTPStatus.OK


def explain(
    policy: Policy, facts: Facts, pause: Pause | None, *, support_id: str, sign_in_url: str
) -> Explanation:
    """Ask the policy about these facts, and say what a pause makes of its answer."""
    decision = policy.decide(facts)
    refusal = decision if isinstance(decision, Refuse) else None
    if pause is not None:
        refusal = refusal_of(Paused(pause.message), support_id)
    answer = None
    if refusal is not None:
        answer = problem_details(
            refusal,
            activation=policy.activation(refusal),
            support_id=support_id,
            sign_in_url=sign_in_url if refusal.problem.sign_in_helps else None,
        )
    return Explanation(
        version=policy.version,
        steps=_steps(policy, facts),
        refusal=refusal,
        shadow=policy.shadow_answer(facts),
        answer=answer,
    )


def _steps(policy: Policy, facts: Facts) -> list[Step]:
    if facts.identity is None:
        return []
    case = Case(facts.identity, facts.now, facts.request)
    zone = policy.settings.time_zone
    return [Step(it, inputs_of(it.rule, case, zone)) for it in policy.verdicts(facts)]
