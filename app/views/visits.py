"""What the views take from a request: the visit for the audit log, and the cookie."""

from __future__ import annotations

from typing import Any, cast

from flask import Request, request

from ..admission import Credentials
from ..audit import Visit
from ..request_ids import request_id
from ..settings import Settings
from ..state import current_state
from .cookies import cookie_name

IDENTIFYING_HEADERS = ("authorization",)
VISIT = "flask_usher.visit"
BODY_LIMIT_BYTES = 16 * 1024


def current_request() -> Request:
    """Return the current request itself; through Flask's proxy each access costs more."""
    return cast(Any, request)._get_current_object()  # type: ignore[no-any-return]


def current_visit() -> Visit:
    """Return where the current request came from, with one support id for all of it."""
    request = current_request()
    # Not in Flask's `g`, which outlives a request that is made inside an app context.
    visit: Visit | None = request.environ.get(VISIT)
    if visit is None:
        state = current_state()
        visit = request.environ[VISIT] = Visit(
            support_id=state.support_ids.new(_cookie(request, state.settings)),
            address=request.remote_addr or "",
            site=request.headers.get("Origin"),
            request_id=request_id(request.environ),
        )
    return visit


def current_credentials(settings: Settings) -> Credentials:
    """Return what the current request shows. Two cookies of one name count as none."""
    headers = {
        name: request.headers.getlist(name)
        for name in IDENTIFYING_HEADERS
        if name in request.headers
    }
    return Credentials(_cookie(request, settings), headers)


def _cookie(request: Request, settings: Settings) -> str | None:
    cookies = request.cookies.getlist(cookie_name(settings))
    return cookies[0] if len(cookies) == 1 else None
