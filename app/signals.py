"""Signals: a host app learns of each decision, once it is on record.

What a receiver raises is logged and goes no further: the decision has been made. Whoever wants
a say in it writes a policy rule.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace
from flask import Flask

from .audit import Details, Visit

_signals = Namespace()

token_issued = _signals.signal("usher-token-issued")
"""A token was issued: `visit`, `identity`, `policy`, `expires_at`."""
token_refused = _signals.signal("usher-token-refused")
"""No token was issued: `visit`, `identity` (if known), `code`, `reason`, `policy`, `rule`."""
signed_in = _signals.signal("usher-signed-in")
"""Somebody signed in: `visit`, `identity`."""
sign_in_failed = _signals.signal("usher-sign-in-failed")
"""Somebody did not sign in: `visit`, `provider` (if known), `code`, `reason`."""
signed_out = _signals.signal("usher-signed-out")
"""Somebody signed out: `visit`, `provider`, `subject`."""

logger = logging.getLogger(__name__)


class Signals:
    """Turns what is on record into signals, with the app as the sender."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, event: str, code: str, visit: Visit, details: Details) -> None:
        """Send the signal of this decision, if there is one and anybody listens."""
        signal = _signal_of(event, code)
        if signal is None or not signal.receivers or signal.is_muted:
            return
        values: dict[str, Any] = {"visit": visit} | _values(signal, code, details)
        # Not `signal.send`: there the first receiver that raises keeps it from the others.
        for receiver in signal.receivers_for(self._app):
            try:
                self._app.ensure_sync(receiver)(self._app, **values)
            except Exception:
                logger.exception("a receiver of %s failed (%s)", signal.name, visit.support_id)


def _values(signal: NamedSignal, code: str, details: Details) -> dict[str, object]:
    """Return what a signal says beside the visit. A token is never part of it."""
    person, token = details.get("identity"), details.get("token")
    why: dict[str, object] = {"code": code, "reason": details.get("reason")}
    decided: dict[str, object] = {"identity": person, "policy": details.get("policy")}
    if signal is token_issued:
        return decided | {"expires_at": token.expires_at if token else None}
    if signal is token_refused:
        return decided | why | {"rule": details.get("rule")}
    if signal is signed_in:
        return {"identity": person}
    if signal is sign_in_failed:
        return why | {"provider": details.get("provider")}
    return {
        "provider": person.provider if person else None,
        "subject": person.subject if person else None,
    }


def _signal_of(event: str, code: str) -> NamedSignal | None:
    match event:
        case "token":
            return token_issued if code == "issued" else token_refused
        case "sign-in":
            return signed_in if code == "signed-in" else sign_in_failed
        case "sign-out" if code == "signed-out":
            return signed_out
        case _:
            return None
