"""Who is signed in to the host app, by its own Flask-Login."""

from __future__ import annotations

from flask_login import current_user

from flask_usher.providers.base import Identity

UNKNOWN_TIME = 0.0
"""Flask-Login does not keep when somebody signed in: for rules, as long ago as can be."""


def flask_login_identity() -> Identity | None:
    """Return Flask-Login's current user: its id, and no claims.

    A host that wants claims, groups or a sign-in time in the token or the policy passes a
    function of its own to `Usher(app, identify=…)`. Raises `RuntimeError` for a user whose
    `get_id()` is something else than its `id`: where sessions can be ended, that is often the
    session's name, and the userId must not change with it.
    """
    if not current_user.is_authenticated or not current_user.is_active:
        return None
    subject = str(current_user.get_id())
    if subject != str(getattr(current_user, "id", None)):
        raise RuntimeError(
            "get_id() of Flask-Login's user is not its id: pass Usher(app, identify=…)"
        )
    return Identity(provider="host", subject=subject, signed_in_at=UNKNOWN_TIME)
