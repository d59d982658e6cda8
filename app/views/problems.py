"""The one place where errors become answers: RFC 9457 for programs, a page for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

from flask import Blueprint, Response, request, url_for
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from .. import refusals
from ..errors import Code
from ..policy import Refuse
from ..problem_details import problem_details
from ..provider_settings import BearerProviderSettings
from ..state import current_state
from .pages import render
from .visits import current_visit

# RFC 6750, section 3.1.
BEARER_ERRORS: dict[str, str] = {
    Code.INVALID_TOKEN: "invalid_token",
    Code.INSUFFICIENT_SCOPE: "insufficient_scope",
    Code.MALFORMED_REQUEST: "invalid_request",
    Code.AMBIGUOUS_CREDENTIALS: "invalid_request",
}
_CODES_BY_STATUS = {
    400: Code.MALFORMED_REQUEST,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.CONTENT_TOO_LARGE,
    415: Code.UNSUPPORTED_MEDIA_TYPE,
}


def problem_response(refusal: Refuse) -> Response:
    """Return the answer for a refusal as `application/problem+json`."""
    body = problem_details(
        refusal,
        activation=current_state().admission.policies.current().activation(refusal),
        support_id=current_visit().support_id,
        sign_in_url=url_for("usher.sign_in_page") if refusal.problem.sign_in_helps else None,
    )
    response = Response(
        json.dumps(body) + "\n", refusal.problem.status, mimetype="application/problem+json"
    )
    return with_headers(response, refusal)


def problem_page(refusal: Refuse, target: str | None = None) -> Response:
    """Return the answer for a refusal as a page; `target` is where the visitor was going."""
    problem = refusal.problem
    link = None
    # While one provider is away, there may be another way to sign in.
    if problem.sign_in_helps or refusal.code is Code.PROVIDER_UNAVAILABLE:
        href = url_for("usher.sign_in_page", next=target)
        link = {"href": href, "text": "Go to the sign-in page"}
    page = render(
        "usher/problem.html",
        title=problem.title,
        detail=problem.detail,
        support_id=current_visit().support_id,
        link=link,
    )
    return with_headers(Response(page, problem.status), refusal)


def as_page(view: Callable[..., Response]) -> Callable[..., Response]:
    """Make every error in a view that people see a page."""

    @wraps(view)
    def shown(**arguments: str) -> Response:
        try:
            return view(**arguments)
        except Exception as error:
            return problem_page(refusal_of(error))

    return shown


@contextmanager
def on_record(event: str, provider: str | None = None) -> Iterator[None]:
    """Write the audit line for what is turned away before any decision."""
    try:
        yield
    except Exception as error:
        current_state().audit.write(
            event, refusal_of(error).code, current_visit(), provider=provider
        )
        raise


def refusal_of(error: Exception) -> Refuse:
    """Return the refusal that an exception in a view amounts to."""
    if isinstance(error, RequestEntityTooLarge):
        return Refuse(Code.CONTENT_TOO_LARGE)
    if isinstance(error, HTTPException):
        return Refuse(_CODES_BY_STATUS.get(error.code or 500, Code.MALFORMED_REQUEST))
    return refusals.refusal_of(error, current_visit().support_id)


def answer_errors(blueprint: Blueprint) -> None:
    """Make every error in the blueprint's views a problem."""

    @blueprint.errorhandler(Exception)
    def answer(error: Exception) -> Response:
        return problem_response(refusal_of(error))


def with_headers(response: Response, refusal: Refuse) -> Response:
    """Add what RFC 9110 and RFC 6750 want to see beside the status."""
    bearer_error = BEARER_ERRORS.get(refusal.code)
    if bearer_error is not None and "Authorization" in request.headers:
        challenge = f'Bearer realm="usher", error="{bearer_error}"'
        response.headers["WWW-Authenticate"] = challenge
    elif response.status_code == 401:
        response.headers.extend([("WWW-Authenticate", it) for it in _challenges()])
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _challenges() -> list[str]:
    """Return by what a request could say who is asking."""
    tables = current_state().settings.providers.values()
    takes_tokens = any(isinstance(table, BearerProviderSettings) for table in tables)
    return ['Cookie realm="usher"'] + ['Bearer realm="usher"'] * takes_tokens
