"""Who is signed in to the host app, by its own Flask-Login."""

from __future__ import annotations

import time

from flask_login import current_user

from flask_usher.providers.base import Identity


def flask_login_identity() -> Identity | None:
    """Return Flask-Login's current user: its id, and no claims.

    A host that wants claims, groups or a sign-in time in the token or the policy passes a
    function of its own to `Usher(app, identify=…)`.
    """
    if not current_user.is_authenticated:
        return None
    return Identity(
        provider="host", subject=str(current_user.get_id()), signed_in_at=time.time()
    )
