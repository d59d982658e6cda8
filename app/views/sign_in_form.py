"""The page on which a visitor signs in, and the token that ties its form to one browser."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response, request, url_for
from itsdangerous import BadData, URLSafeSerializer

from flask_usher.providers.base import RedirectProvider

from ..errors import Code, Rejected
from ..policy import Refuse
from ..provider_settings import HostProviderSettings
from ..settings import Settings
from ..sign_ins import CLOCK_TOLERANCE_SECONDS
from ..state import State
from .cookies import cookie_name, set_cookie
from .pages import render
from .problems import with_headers

FORM_SECONDS = 12 * 3600
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to sign in that lies elsewhere, and what its button says."""

    href: str
    text: str


def sign_in_form(
    state: State, target: str, username: str = "", refusal: Refuse | None = None
) -> Response:
    """Return the page, with whatever ways of signing in there are."""
    settings = state.settings
    nonce = secrets.token_urlsafe(16)
    page = render(
        "usher/sign_in.html",
        action=url_for("usher.sign_in") if state.authentication.form else None,
        ways=ways_elsewhere(state, target),
        next=target,
        language=page_language(),
        form_token=_form_tokens(state).dumps([nonce, state.clock()]),
        username=username,
        error=_sentence(refusal),
        site=settings.public_host,
    )
    response = Response(page, 200 if refusal is None else refusal.problem.status)
    set_cookie(response, settings, form_cookie(settings), nonce)
    return response if refusal is None else with_headers(response, refusal)


def ways_elsewhere(state: State, target: str) -> list[Way]:
    """Return where else people can sign in, to come back to `target`."""
    ways = []
    for name, provider in state.providers.items():
        table = state.settings.providers[name]
        if isinstance(provider, RedirectProvider):
            href = url_for(
                "usher.start_redirect", provider=name, next=target, lang=page_language()
            )
        elif isinstance(table, HostProviderSettings):
            mark = "&" if "?" in table.sign_in_path else "?"
            href = f"{table.sign_in_path}{mark}{urlencode({'next': target})}"
        else:
            continue
        ways.append(Way(href, getattr(table, "label", None) or name))
    return ways


def page_language() -> str | None:
    """Return the language of the page that sends the visitor (BCP 47), if it says so."""
    given = request.values.get("lang", "")
    return given if LANGUAGE.fullmatch(given) else None


def check_form(state: State) -> None:
    """Make sure that the form was made for this browser, and not long ago.

    Raises `Rejected`.
    """
    cookie = request.cookies.get(form_cookie(state.settings), "")
    try:
        nonce, made_at = _form_tokens(state).loads(request.form.get("form_token", ""))
    except BadData as error:
        raise Rejected(Code.FORM_EXPIRED) from error
    in_time = -CLOCK_TOLERANCE_SECONDS <= state.clock() - made_at <= FORM_SECONDS
    if not in_time or not secrets.compare_digest(nonce.encode(), cookie.encode()):
        raise Rejected(Code.FORM_EXPIRED)


def form_cookie(settings: Settings) -> str:
    """Return the name of the cookie that belongs to the form."""
    return cookie_name(settings) + "-form"


def _sentence(refusal: Refuse | None) -> str | None:
    if refusal is None:
        return None
    if refusal.retry_after is not None:
        minutes = -(-refusal.retry_after // 60)
        return f"Too many tries. Please wait {minutes} min and try again."
    return f"{refusal.problem.title}. {refusal.problem.detail}"


def _form_tokens(state: State) -> URLSafeSerializer:
    return URLSafeSerializer(state.settings.secret_key.derive("usher sign-in form"))
