"""The cookies that Usher sets, all with the same attributes."""

from __future__ import annotations

from flask import Response

from ..settings import Settings


def cookie_name(settings: Settings) -> str:
    """Return the name of the sign-in cookie; the names of the others begin with it.

    Browsers hold a `__Host-` cookie back from plain http, and keep it from being set by
    other hosts (RFC 6265bis, section 4.1.3.2).
    """
    return "__Host-usher" if settings.secure else "usher"


def set_cookie(response: Response, settings: Settings, name: str, value: str) -> None:
    """Set a cookie that ends with the browser."""
    response.set_cookie(
        name, value, path="/", secure=settings.secure, httponly=True, samesite="Lax"
    )


def delete_cookie(response: Response, settings: Settings, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        name, path="/", secure=settings.secure, httponly=True, samesite="Lax"
    )
