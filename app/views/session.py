"""`GET /usher/session` for pages, and Flask-Login's view of the same."""

from __future__ import annotations

import json

from flask import Flask, Response, redirect, request, url_for
from flask_login import LoginManager, UserMixin, current_user
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response as BaseResponse

from flask_usher.providers.base import CredentialsRefused, Identity

from ..errors import Rejected, TooManyRequests
from ..sign_ins import Absence, SignIn
from ..state import current_state
from .blueprint import blueprint
from .visits import current_credentials, current_visit


class Visitor(UserMixin):  # type: ignore[misc]
    """Flask-Login's user: a sign-in, and who the person is now."""

    def __init__(self, sign_in: SignIn | None, identity: Identity) -> None:
        self.sign_in = sign_in
        self.identity = identity

    def get_id(self) -> str:
        """Return the id of the sign-in record (not the cookie), else of the person."""
        if self.sign_in is None:
            return f"{self.identity.provider}:{self.identity.subject}"
        return self.sign_in.id


class VisitorManager(LoginManager):  # type: ignore[misc]
    """Flask-Login's manager, with our sign-ins in the place of its own.

    Its own look at the host app's session, write to it and vary the answer with it, even
    where a page asks nobody who they are.
    """

    def init_app(self, app: Flask, add_context_processor: bool = True) -> None:
        """Put the manager on an app; in templates `current_user` is loaded when it is used."""
        app.login_manager = self  # type: ignore[attr-defined]
        if add_context_processor:
            app.context_processor(lambda: {"current_user": current_user})

    def unauthorized(self) -> BaseResponse:
        """Send the visitor to the sign-in page, and from there back to this one."""
        page = request.full_path if request.query_string else request.path
        target = iri_to_uri(request.script_root + page)
        return redirect(url_for("usher.sign_in_page", next=target))

    def _load_user(self) -> None:
        self._update_request_context_with_user(user_of_request())


def load_visitor() -> Visitor | None:
    """Return whoever is signed in. Raises what `Admission.recognise` does."""
    state = current_state()
    credentials = current_credentials(state.settings)
    sign_in, identity = state.admission.recognise(credentials, current_visit())
    if isinstance(sign_in, Absence) or identity is None:
        return None
    return Visitor(sign_in, identity)


def user_of_request() -> Visitor | None:
    """Return whoever is signed in, for the app's own pages.

    There, credentials that we refuse may be meant for somebody else.
    """
    try:
        return load_visitor()
    except (CredentialsRefused, Rejected, TooManyRequests):
        return None


@blueprint.get("/session")
def session() -> Response:
    """Answer with `{"signed_in", "provider", "visitor", "expires_at"}`."""
    visitor = load_visitor()
    body: dict[str, object] = {"signed_in": visitor is not None}
    if visitor is not None:
        body["provider"] = visitor.identity.provider
        body["visitor"] = current_state().visitor_keys.key(visitor.identity)
    if visitor is not None and visitor.sign_in is not None:
        body["expires_at"] = int(visitor.sign_in.expires_at)
    return Response(json.dumps(body), mimetype="application/json")
