"""Signing in at a provider that the browser is sent to, and the provider's back channel."""

from __future__ import annotations

from flask import Response, request, url_for

from flask_usher.providers.base import RedirectProvider

from ..attempts import Attempt, Attempts
from ..errors import Code, Rejected
from ..policy import Refuse
from ..state import State, current_state
from .blueprint import blueprint
from .cookies import cookie_name, delete_cookie, set_cookie
from .problems import problem_page, problem_response, refusal_of
from .sign_in import see_other, signed_in, wanted_page
from .visits import current_credentials, current_visit


@blueprint.get("/oidc/<provider>/start")
def start_redirect(provider: str) -> Response:
    """Send the browser to the provider; with `silent=1` the provider shows nothing."""
    state = current_state()
    target = wanted_page(state, request.args.get("next"))
    silent = request.args.get("silent") == "1"
    try:
        challenge = _provider(state, provider).begin(
            redirect_uri=_redirect_uri(state, provider),
            silent=silent,
            language=request.accept_languages.best,
        )
    except Exception as error:
        refusal = refusal_of(error)
        state.audit.write("sign-in", refusal.code, current_visit(), reason=refusal.reason)
        return problem_page(refusal)
    attempts = _attempts(state)
    response = see_other(challenge.url)
    for name in attempts.surplus(request.cookies):
        delete_cookie(response, state.settings, name)
    attempt = Attempt(provider, target, silent, challenge.secrets)
    set_cookie(response, state.settings, *attempts.seal(attempt, state.clock()))
    return response


@blueprint.get("/oidc/<provider>/callback")
def finish_redirect(provider: str) -> Response:
    """Take the provider's answer, sign the visitor in, and send them to where they wanted."""
    state = current_state()
    attempts = _attempts(state)
    answered = request.args.getlist("state")
    try:
        attempt = _attempt(state, provider, answered)
    except Exception as error:
        refusal = refusal_of(error)
        state.audit.write("sign-in", refusal.code, current_visit())
        return problem_page(refusal)
    outcome = state.authentication.finish(
        attempt,
        {name: request.args.getlist(name) for name in request.args},
        redirect_uri=_redirect_uri(state, provider),
        old_cookie=current_credentials(state.settings).cookie,
        visit=current_visit(),
    )
    if not isinstance(outcome, Refuse):
        response = signed_in(state, attempt.target, outcome)
    elif attempt.silent and outcome.code is Code.SIGN_IN_DECLINED:
        response = see_other(attempt.target)
    else:
        response = problem_page(outcome)
    name = attempts.name(attempt.state, request.cookies)
    if name is not None:
        delete_cookie(response, state.settings, name)
    return response


@blueprint.post("/oidc/<provider>/back-channel-logout")
def back_channel_logout(provider: str) -> Response:
    """End what the provider says has ended (OpenID Connect Back-Channel Logout 1.0)."""
    state = current_state()
    try:
        _provider(state, provider)
        tokens = request.form.getlist("logout_token")
        if len(tokens) != 1:
            raise Rejected(Code.MALFORMED_REQUEST)
        refusal = state.authentication.provider_logout(provider, tokens[0], current_visit())
    except Exception as error:
        refusal = refusal_of(error)
        state.audit.write("provider-logout", refusal.code, current_visit())
    return (
        Response(status=200, mimetype="application/json")
        if refusal is None
        else (problem_response(refusal))
    )


def _provider(state: State, name: str) -> RedirectProvider:
    provider = state.providers.get(name)
    if not isinstance(provider, RedirectProvider):
        raise Rejected(Code.NOT_FOUND)
    return provider


def _attempt(state: State, provider: str, answered: list[str]) -> Attempt:
    _provider(state, provider)
    if len(answered) != 1:
        raise Rejected(Code.SIGN_IN_REJECTED)
    attempt = _attempts(state).open(answered[0], request.cookies, state.clock())
    if attempt is None or attempt.provider != provider:
        raise Rejected(Code.SIGN_IN_REJECTED)
    return attempt


def _attempts(state: State) -> Attempts:
    prefix = cookie_name(state.settings) + "-attempt-"
    return Attempts(state.settings.secret_key, prefix)


def _redirect_uri(state: State, provider: str) -> str:
    return state.settings.public_url + url_for("usher.finish_redirect", provider=provider)
