"""What a refusal tells the page (RFC 9457): enough to act on, nothing of the rule behind."""

from __future__ import annotations

from .errors import Activation
from .policy import Refuse

TYPE_PREFIX = "urn:usher:problem:"


def problem_details(
    refusal: Refuse, *, activation: Activation, support_id: str, sign_in_url: str | None
) -> dict[str, object]:
    """Return the members of the answer; `sign_in_url` is for where signing in may help."""
    problem = refusal.problem
    members: dict[str, object] = {
        "type": TYPE_PREFIX + refusal.code,
        "title": problem.title,
        "status": problem.status.value,
        "detail": problem.detail,
        "code": refusal.code,
        "activation": activation,
        "retryable": problem.retryable,
        "support_id": support_id,
    }
    if sign_in_url is not None:
        members["sign_in_url"] = sign_in_url
    return members
