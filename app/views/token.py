"""`POST /usher/token`: the token, or the reason why there is none."""

from __future__ import annotations

import json
import re

from flask import Request, Response
from werkzeug.exceptions import HTTPException

from ..errors import Code, Rejected, UsherError
from ..minter import Token
from ..policy import Refuse
from ..state import current_state
from .blueprint import blueprint
from .problems import problem_response, refusal_of
from .rate_limits import tell_standing
from .visits import BODY_LIMIT_BYTES, current_credentials, current_request, current_visit

CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{0,63}")
# The request says nothing in its body, and this is all that may stand for nothing in JSON.
EMPTY_OBJECT = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*")
FETCH_MODES = frozenset({"cors", "same-origin"})


@blueprint.post("/token")
def token() -> Response:
    """Answer with `{"token", "expires_at", "expires_in"}` or a problem, never a redirect."""
    state = current_state()
    visit = current_visit()
    try:
        _check_request(current_request())
    except UsherError as error:
        state.audit.write("token", error.code, visit)
        raise
    outcome, standing = state.admission.admit(current_credentials(state.settings), visit)
    response = _answer(outcome)
    if standing is not None:
        tell_standing(response, standing)
    return response


def _answer(outcome: Token | Refuse) -> Response:
    if isinstance(outcome, Refuse):
        return problem_response(outcome)
    body = {
        "token": outcome.value,
        "expires_at": outcome.expires_at,
        "expires_in": outcome.expires_in,
    }
    return Response(json.dumps(body), mimetype="application/json")


def _check_request(request: Request) -> None:
    headers = request.headers
    # The header makes a browser ask first (CORS preflight) before it sends this from elsewhere.
    if not CLIENT.fullmatch(headers.get("X-Usher-Client", "")):
        raise Rejected(Code.CLIENT_HEADER_REQUIRED)
    if headers.get("Sec-Fetch-Mode", "cors") not in FETCH_MODES or "Sec-Purpose" in headers:
        raise Rejected(Code.CROSS_ORIGIN)
    # RFC 6750, section 2.3: addresses are written into logs.
    if "access_token" in request.args:
        raise Rejected(Code.MALFORMED_REQUEST)
    # RFC 9110, section 15.5.16: a compressed body is as unknown as another type.
    if request.mimetype != "application/json" or "Content-Encoding" in headers:
        raise Rejected(Code.UNSUPPORTED_MEDIA_TYPE)
    try:
        body = request.get_data(cache=False)
    except HTTPException as error:
        raise Rejected(Code(refusal_of(error).code)) from error
    if len(body) > BODY_LIMIT_BYTES:
        raise Rejected(Code.CONTENT_TOO_LARGE)
    if not EMPTY_OBJECT.fullmatch(body):
        raise Rejected(Code.MALFORMED_REQUEST)
