"""Who is signed in to the shop, in Usher's words."""

from __future__ import annotations

from flask_login import current_user

from flask_usher.providers.base import Identity


def identify() -> Identity | None:
    """Return the customer of the current request, if there is one."""
    if not current_user.is_authenticated:
        return None
    return Identity(
        provider="shop",
        subject=current_user.get_id(),
        signed_in_at=current_user.signed_in_at,
        claims={
            "customer": current_user.number,
            "given_name": current_user.given_name,
            "family_name": current_user.family_name,
        },
    )
