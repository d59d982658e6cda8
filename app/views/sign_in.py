"""Signing in on our own page, and signing out."""

from __future__ import annotations

import json

from flask import Response, request

from ..errors import Code, Rejected
from ..policy import Refuse
from ..state import State, current_state
from .blueprint import blueprint
from .cookies import cookie_name, delete_cookie, set_cookie
from .next_page import next_page
from .problems import as_page, on_record, problem_page, refusal_of
from .session import load_visitor
from .sign_in_form import check_form, form_cookie, sign_in_form, ways_elsewhere
from .visits import current_credentials, current_visit

# Answers that the form itself can show, so that the visitor can correct what they typed.
_SHOWN_IN_FORM = frozenset({Code.SIGN_IN_FAILED, Code.FORM_EXPIRED, Code.TOO_MANY_REQUESTS})


@blueprint.get("/sign-in")
@as_page
def sign_in_page() -> Response:
    """Show the ways to sign in, or take the only one, or send on who is signed in already."""
    state = current_state()
    target = wanted_page(state, request.args.get("next"))
    if load_visitor() is not None:
        return see_other(target)
    if state.authentication.form is not None:
        return sign_in_form(state, target)
    match ways_elsewhere(state, target):
        case []:
            raise Rejected(Code.NOT_FOUND)
        case [only]:
            return see_other(only.href)
        case _:
            return sign_in_form(state, target)


@blueprint.post("/sign-in")
@as_page
def sign_in() -> Response:
    """Sign in whoever filled in the form, and send them to `next`."""
    state = current_state()
    settings = state.settings
    target, username = settings.sign_ins.default_next, ""
    outcome: str | Refuse
    try:
        with on_record("sign-in"):
            target = wanted_page(state, request.form.get("next"))
            username = request.form.get("username", "")
            check_form(state)
        old_cookie = current_credentials(settings).cookie
        outcome = state.authentication.sign_in(request.form, old_cookie, current_visit())
    except Exception as error:
        outcome = refusal_of(error)
    if isinstance(outcome, Refuse):
        if outcome.code in _SHOWN_IN_FORM:
            return sign_in_form(state, target, username, outcome)
        return problem_page(outcome, target)
    response = signed_in(state, target, outcome)
    delete_cookie(response, settings, form_cookie(settings))
    return response


@blueprint.post("/sign-out")
def sign_out() -> Response:
    """End the sign-in.

    For a form, 303 to `next` or to the provider's own sign-out; for programs 204, or 200 with
    `sign_out_url` where the provider has a sign-out of its own.
    """
    state = current_state()
    settings = state.settings
    # Providers send visitors on to registered addresses only, so this one never varies.
    return_to = settings.public_url + settings.sign_ins.default_next
    elsewhere = state.authentication.sign_out(
        current_credentials(settings).cookie, return_to, current_visit()
    )
    if request.mimetype == "application/x-www-form-urlencoded":
        response = see_other(elsewhere or wanted_page(state, request.form.get("next")))
    elif elsewhere is not None:
        body = json.dumps({"sign_out_url": elsewhere})
        response = Response(body, mimetype="application/json")
    else:
        response = Response(status=204, mimetype="application/json")
    delete_cookie(response, settings, cookie_name(settings))
    return response


def wanted_page(state: State, given: str | None) -> str:
    """Return the page to go to afterwards, if it is a safe one, else the default."""
    settings = state.settings
    prefix = request.script_root + settings.url_prefix
    return next_page(given, default=settings.sign_ins.default_next, prefix=prefix)


def see_other(target: str) -> Response:
    """Return a redirect after which the browser fetches `target` (303)."""
    return Response(status=303, headers={"Location": target})


def signed_in(state: State, target: str, cookie: str) -> Response:
    """Return the redirect that gives the browser its sign-in cookie."""
    response = see_other(target)
    set_cookie(response, state.settings, cookie_name(state.settings), cookie)
    return response
