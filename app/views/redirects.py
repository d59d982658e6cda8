"""Signing in at a provider that the browser is sent to, and the provider's back channel."""

from __future__ import annotations

from flask import Response, request, url_for

from flask_usher.providers.base import ProviderUnavailable

from ..errors import Code, Rejected
from ..policy import Refuse
from ..provider_settings import OidcProviderSettings
from ..sign_ins import Attempt, Attempts
from ..state import State, current_state
from .blueprint import blueprint
from .cookies import cookie_name, delete_cookie, set_cookie
from .problems import as_page, on_record, problem_page, problem_response
from .sign_in import see_other, signed_in, wanted_page
from .sign_in_form import LANGUAGE, page_language
from .visits import current_credentials, current_visit

LONGEST_HINT = 255


@blueprint.get("/oidc/<provider>/start")
@as_page
def start_redirect(provider: str) -> Response:
    """Send the browser to the provider.

    With `silent=1` the provider shows nothing: the visitor comes back to `next` at once, signed
    in or not. `lang` is the language of the page that they come from. A provider that sends
    visitors here by itself gives `iss`, and perhaps `login_hint` and `target_link_uri` (OpenID
    Connect Core 1.0, section 4).
    """
    state = current_state()
    target, login_hint = wanted_page(state, request.args.get("next")), None
    if "iss" in request.args:
        with on_record("sign-in", provider):
            _check_issuer(state, provider)
        target, login_hint = wanted_page(state, _target_link(state)), _login_hint()
    silent = request.args.get("silent") == "1"
    try:
        with on_record("sign-in", provider):
            challenge = state.authentication.redirect(provider).begin(
                redirect_uri=_redirect_uri(state, provider),
                silent=silent,
                language=page_language() or _browser_language(),
                login_hint=login_hint,
            )
    except ProviderUnavailable:
        if silent:
            return see_other(target)
        raise
    attempts = _attempts(state)
    cookie = attempts.seal(Attempt(provider, target, silent, state.clock(), challenge.secrets))
    response = see_other(challenge.url)
    for name in attempts.surplus(request.cookies, cookie):
        delete_cookie(response, state.settings, name)
    set_cookie(response, state.settings, *cookie)
    return response


@blueprint.get("/oidc/<provider>/callback")
@as_page
def finish_redirect(provider: str) -> Response:
    """Take the provider's answer, sign the visitor in, and send them to where they wanted."""
    state = current_state()
    attempts = _attempts(state)
    with on_record("sign-in", provider):
        attempt = _attempt(state, provider)
    outcome = state.authentication.finish(
        attempt,
        {name: request.args.getlist(name) for name in request.args},
        redirect_uri=_redirect_uri(state, provider),
        old_cookie=current_credentials(state.settings).cookie,
        visit=current_visit(),
    )
    if not isinstance(outcome, Refuse):
        response = signed_in(state, attempt.target, outcome)
    elif attempt.silent:
        response = see_other(attempt.target)
    else:
        response = problem_page(outcome, attempt.target)
    name = attempts.name(attempt.state, request.cookies)
    if name is not None:
        delete_cookie(response, state.settings, name)
    return response


@blueprint.post("/oidc/<provider>/back-channel-logout")
def back_channel_logout(provider: str) -> Response:
    """End what the provider says has ended (OpenID Connect Back-Channel Logout 1.0)."""
    state = current_state()
    with on_record("provider-logout", provider):
        state.authentication.redirect(provider)
        tokens = request.form.getlist("logout_token")
        if len(tokens) != 1:
            raise Rejected(Code.MALFORMED_REQUEST)
    refusal = state.authentication.provider_logout(provider, tokens[0], current_visit())
    if refusal is not None:
        return problem_response(refusal)
    return Response(status=200, mimetype="text/plain")


def _attempt(state: State, provider: str) -> Attempt:
    """Return the attempt that is answered. Raises `Rejected`."""
    state.authentication.redirect(provider)
    answered = request.args.getlist("state")
    if len(answered) != 1:
        raise Rejected(Code.SIGN_IN_REJECTED)
    attempt = _attempts(state).open(answered[0], request.cookies, state.clock())
    if attempt is None or attempt.provider != provider:
        raise Rejected(Code.SIGN_IN_REJECTED)
    return attempt


def _check_issuer(state: State, provider: str) -> None:
    """Make sure that the provider names itself. Raises `Rejected`."""
    state.authentication.redirect(provider)
    table = state.settings.providers[provider]
    issuer = table.issuer if isinstance(table, OidcProviderSettings) else None
    if request.args.getlist("iss") != [issuer]:
        raise Rejected(Code.SIGN_IN_REJECTED)


def _target_link(state: State) -> str:
    """Return what the provider gives as an address of ours, without the origin."""
    return request.args.get("target_link_uri", "").removeprefix(state.settings.public_url)


def _login_hint() -> str | None:
    given = request.args.get("login_hint", "")
    return given if 0 < len(given) <= LONGEST_HINT and given.isprintable() else None


def _attempts(state: State) -> Attempts:
    prefix = cookie_name(state.settings) + "-attempt-"
    return Attempts(state.settings.secret_key, prefix)


def _redirect_uri(state: State, provider: str) -> str:
    return state.settings.public_url + url_for("usher.finish_redirect", provider=provider)


def _browser_language() -> str | None:
    preferred = request.accept_languages.best
    return preferred if preferred and LANGUAGE.fullmatch(preferred) else None
