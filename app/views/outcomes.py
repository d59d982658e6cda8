"""`POST /usher/outcomes`: a page reports what became of an activation."""

from __future__ import annotations

from flask import Response

from ..errors import Code, Rejected
from ..outcomes.reports import read
from ..state import current_state
from .blueprint import blueprint
from .client_requests import body_of
from .visits import current_credentials, current_request

LARGEST_REPORT_BYTES = 2048


@blueprint.post("/outcomes")
def outcomes() -> Response:
    """Answer with 202, for a report that was made before too, or with a problem.

    Whoever was refused reports as well, so nobody need be signed in. What is not ours, old, or
    of another browser is 404.
    """
    state = current_state()
    request = current_request()
    cookie = current_credentials(state.settings).cookie
    state.limits.report(cookie, request.remote_addr or "")
    report = read(body_of(request, LARGEST_REPORT_BYTES))
    if not state.support_ids.is_recent(report.support_id, cookie):
        raise Rejected(Code.NOT_FOUND)
    state.outcomes.report(report)
    return Response(status=202, mimetype="application/json")
