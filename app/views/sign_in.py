"""The sign-in page, and signing out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Response, request, url_for
from itsdangerous import BadData, URLSafeSerializer

from ..errors import PROBLEMS, Code, Rejected
from ..policy import Refuse
from ..settings import Settings
from ..sign_ins import CLOCK_TOLERANCE_SECONDS
from ..state import State, current_state
from .blueprint import blueprint
from .next_page import next_page
from .pages import render
from .problems import problem_page, refusal_of
from .session import load_visitor
from .visits import cookie_name, current_credentials, current_visit

FORM_SECONDS = 12 * 3600
# Answers that the form itself can show, so that the visitor can correct what they typed.
_SHOWN_IN_FORM = frozenset({Code.SIGN_IN_FAILED, Code.FORM_EXPIRED, Code.TOO_MANY_REQUESTS})


@blueprint.get("/sign-in")
def sign_in_page() -> Response:
    """Show the form, or send on whoever is signed in already."""
    state = current_state()
    target = _target(state.settings, request.args.get("next"))
    try:
        if load_visitor() is not None:
            return _see_other(target)
        return _form(state, target)
    except Exception as error:
        return problem_page(refusal_of(error))


@blueprint.post("/sign-in")
def sign_in() -> Response:
    """Sign in whoever filled in the form, and send them to `next`."""
    state = current_state()
    settings = state.settings
    visit = current_visit()
    target, username = settings.sign_ins.default_next, ""
    try:
        with _on_record(state):
            target = _target(settings, request.form.get("next"))
            username = request.form.get("username", "")
            _check_form(state)
        old_cookie = current_credentials(settings).cookie
        outcome = state.authentication.sign_in(request.form, old_cookie, visit)
    except Exception as error:
        outcome = refusal_of(error)
    if isinstance(outcome, Refuse):
        if outcome.code in _SHOWN_IN_FORM:
            return _form(state, target, username, outcome)
        return problem_page(outcome)
    response = _see_other(target)
    _set_cookie(response, settings, cookie_name(settings), outcome)
    _delete_cookie(response, settings, _form_cookie(settings))
    return response


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the sign-in: 204 for programs, 303 to `next` for a form."""
    state = current_state()
    settings = state.settings
    state.authentication.sign_out(current_credentials(settings).cookie, current_visit())
    if request.mimetype == "application/x-www-form-urlencoded":
        response = _see_other(_target(settings, request.form.get("next")))
    else:
        response = Response(status=204, mimetype="application/json")
    _delete_cookie(response, settings, cookie_name(settings))
    return response


def _form(
    state: State, target: str, username: str = "", refusal: Refuse | None = None
) -> Response:
    settings = state.settings
    nonce = secrets.token_urlsafe(16)
    page = render(
        "usher/sign_in.html",
        action=url_for("usher.sign_in"),
        next=target,
        form_token=_form_tokens(state).dumps([nonce, state.clock()]),
        username=username,
        error=_sentence(refusal),
        site=settings.public_host,
    )
    response = Response(page, 200 if refusal is None else PROBLEMS[refusal.code].status)
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Cookie realm="usher"'
    if refusal is not None and refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    _set_cookie(response, settings, _form_cookie(settings), nonce)
    return response


def _sentence(refusal: Refuse | None) -> str | None:
    if refusal is None:
        return None
    if refusal.retry_after is not None:
        minutes = -(-refusal.retry_after // 60)
        return f"Too many tries. Please wait {minutes} min and try again."
    problem = PROBLEMS[refusal.code]
    return f"{problem.title}. {problem.detail}"


@contextmanager
def _on_record(state: State) -> Iterator[None]:
    """Write the audit line for a form that no provider gets to see."""
    try:
        yield
    except Exception as error:
        state.audit.write("sign-in", refusal_of(error).code, current_visit())
        raise


def _check_form(state: State) -> None:
    """Make sure that the form was made for this browser, and not long ago."""
    cookie = request.cookies.get(_form_cookie(state.settings), "")
    try:
        nonce, made_at = _form_tokens(state).loads(request.form.get("form_token", ""))
    except BadData as error:
        raise Rejected(Code.FORM_EXPIRED) from error
    in_time = -CLOCK_TOLERANCE_SECONDS <= state.clock() - made_at <= FORM_SECONDS
    if not in_time or not secrets.compare_digest(nonce.encode(), cookie.encode()):
        raise Rejected(Code.FORM_EXPIRED)


def _form_tokens(state: State) -> URLSafeSerializer:
    return URLSafeSerializer(state.settings.secret_key.derive("usher sign-in form"))


def _form_cookie(settings: Settings) -> str:
    return cookie_name(settings) + "-form"


def _target(settings: Settings, given: str | None) -> str:
    prefix = request.script_root + settings.url_prefix
    return next_page(given, default=settings.sign_ins.default_next, prefix=prefix)


def _see_other(target: str) -> Response:
    return Response(status=303, headers={"Location": target})


def _set_cookie(response: Response, settings: Settings, name: str, value: str) -> None:
    response.set_cookie(
        name, value, path="/", secure=settings.secure, httponly=True, samesite="Lax"
    )


def _delete_cookie(response: Response, settings: Settings, name: str) -> None:
    response.delete_cookie(
        name, path="/", secure=settings.secure, httponly=True, samesite="Lax"
    )
