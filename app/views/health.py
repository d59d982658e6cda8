"""For load balancers: is the process alive, and may it be sent visitors?"""

from __future__ import annotations

import json
from collections.abc import Collection

from flask import Response

from flask_usher.providers.base import RemoteProvider

from ..errors import UsherError
from ..schema import is_current
from ..state import State, current_state
from ..workers import Difference
from .blueprint import blueprint


@blueprint.get("/health/live")
def live() -> Response:
    """Answer 200 as long as the process answers at all."""
    return Response('{"status": "live"}', mimetype="application/json")


@blueprint.get("/health/ready")
def ready() -> Response:
    """Answer 200 when tokens can be issued, else 503 with the name of what is missing.

    With an audit log that may fail and has failed, or with limits that each process counts for
    itself because Redis is away, or with a new policy that has faults so that the one before
    it decides, or with workers that have had different policies or keys for longer than a
    change takes to reach them all, the answer is 200 `degraded`.
    """
    state = current_state()
    found = checks(state)
    status = _status(found.values())
    body = {
        "status": status,
        "checks": found,
        "policy": state.admission.policies.current().version,
        # A provider that is away keeps its own people out, and nobody else's.
        "providers": provider_checks(state),
    }
    return Response(
        json.dumps(body), 503 if status == "not ready" else 200, mimetype="application/json"
    )


def checks(state: State) -> dict[str, str]:
    """Return what tokens need, each with `ok`, `degraded` or what is wrong."""
    found = {}
    try:
        found["database"] = "ok" if is_current(state.database) else "schema not current"
    except UsherError:
        found["database"] = "unavailable"
    try:
        state.audit.check()
        found["audit"] = "ok"
    except UsherError:
        found["audit"] = "degraded" if state.audit.best_effort else "unavailable"
    try:
        state.admission.key_ring.check()
        found["keys"] = "ok"
    except UsherError:
        found["keys"] = "unavailable"
    found["policy"] = "ok" if state.admission.policies.fault is None else "degraded"
    found["limits"] = "degraded" if state.limits.are_degraded() else "ok"
    # As of a few seconds ago: whoever asks causes no look at the others.
    differences = state.presence.differences
    found |= {f"same {it}": "degraded" if it in differences else "ok" for it in Difference}
    return found


def provider_checks(state: State) -> dict[str, str]:
    """Return whether each provider that must be asked elsewhere answers."""
    return {
        name: "ok" if provider.is_ready() else "unavailable"
        for name, provider in state.providers.items()
        if isinstance(provider, RemoteProvider)
    }


def _status(verdicts: Collection[str]) -> str:
    if not set(verdicts) <= {"ok", "degraded"}:
        return "not ready"
    return "degraded" if "degraded" in verdicts else "ready"
