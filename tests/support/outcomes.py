"""Reports as a page sends them, and what the service has counted of them."""

from __future__ import annotations

from typing import Any

from support.service import Answer, Browser, Service

from flask_usher.outcomes.figures import Figures, last_failures, totals
from flask_usher.outcomes.tables import Failure

FORM: dict[str, Any] = {
    "v": 1,
    "mode": "secured",
    "status": "activated",
    "reason": None,
    "code": None,
    "timings": {"token_ms": 80, "activated_ms": 640},
    "token_remaining_s": 59,
}
FAILED = {"status": "failed", "reason": "invalid key"}


def report(browser: Browser, support_id: str, /, **changes: Any) -> Answer:
    """Send a report; `headers` and the like go to the request."""
    request = {
        name: changes.pop(name) for name in ("headers", "environ_overrides") if name in changes
    }
    body = FORM | {"support_id": support_id} | changes
    return browser.ask("/outcomes", json=body, data=None, **request)


def granted(browser: Browser) -> str:
    """Ask for a token and return the support id of the answer."""
    answer = browser.ask()
    assert answer.status_code == 200, answer.text
    return str(answer.members["support_id"])


def figures(service: Service) -> Figures:
    """Return all that the service has counted up to now."""
    assert service.state.outcomes.save()
    return totals(service.state.database)


def failures(service: Service) -> list[Failure]:
    """Return the failures that the service has kept."""
    assert service.state.outcomes.save()
    return last_failures(service.state.database, 1000)
