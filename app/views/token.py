"""`POST /usher/token`: the token, or the reason why there is none."""

from __future__ import annotations

import json
import re

from flask import Request, Response

from ..audit import Visit
from ..errors import Code, Rejected, UsherError
from ..minter import Token
from ..policy import Refuse
from ..state import State, current_state
from .blueprint import blueprint
from .client_requests import body_of
from .problems import problem_response
from .rate_limits import tell_standing
from .visits import BODY_LIMIT_BYTES, current_credentials, current_request, current_visit

# The request says nothing in its body, and this is all that may stand for nothing in JSON.
EMPTY_OBJECT = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*")


@blueprint.post("/token")
def token() -> Response:
    """Answer with the token or a problem, never a redirect.

    Beside `token` the answer holds `expires_at`, `expires_in`, `support_id`, and `visitor`:
    the same word for the same person.
    """
    state = current_state()
    visit = current_visit()
    try:
        _check_request(current_request())
    except UsherError as error:
        state.audit.write("token", error.code, visit)
        raise
    outcome, standing = state.admission.admit(current_credentials(state.settings), visit)
    response = _answer(state, visit, outcome)
    if standing is not None:
        tell_standing(response, standing)
    return response


def _answer(state: State, visit: Visit, outcome: Token | Refuse) -> Response:
    if isinstance(outcome, Refuse):
        return problem_response(outcome)
    body = {
        "token": outcome.value,
        "expires_at": outcome.expires_at,
        "expires_in": outcome.expires_in,
        "support_id": visit.support_id,
        "visitor": state.visitor_keys.key(outcome.identity),
    }
    return Response(json.dumps(body), mimetype="application/json")


def _check_request(request: Request) -> None:
    if not EMPTY_OBJECT.fullmatch(body_of(request, BODY_LIMIT_BYTES)):
        raise Rejected(Code.MALFORMED_REQUEST)
