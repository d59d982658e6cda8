"""What every page of the shop has: a form token, and headers that say what it may load."""

from __future__ import annotations

import secrets

from flask import Blueprint, Response, abort, request, session
from markupsafe import Markup

FORM_TOKEN = "form_token"  # noqa: S105
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def protect(blueprint: Blueprint) -> None:
    """Guard the pages of a blueprint, and those of nobody else."""
    blueprint.before_request(_check_form)
    blueprint.after_request(_add_headers)
    blueprint.app_context_processor(lambda: {FORM_TOKEN: form_token, "current": current})


def form_token() -> str:
    """Return what a form of this browser must send along."""
    token: str = session.setdefault(FORM_TOKEN, secrets.token_urlsafe())
    return token


def current(endpoint: str) -> Markup:
    """Return the attribute that marks the link to the page that is shown."""
    return Markup(' aria-current="page"') if request.endpoint == endpoint else Markup()


def _check_form() -> None:
    if request.method != "POST":
        return
    given, own = request.form.get(FORM_TOKEN, ""), session.get(FORM_TOKEN, "")
    if not own or not secrets.compare_digest(given.encode(), own.encode()):
        abort(400, "This form has expired. Go back, load the page again, and send it again.")


def _add_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
