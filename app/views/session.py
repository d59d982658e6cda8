"""`GET /usher/session` for pages, and Flask-Login's view of the same."""

from __future__ import annotations

import json

from flask import Request, Response
from flask_login import UserMixin

from flask_usher.providers.base import CredentialsRefused, Identity

from ..errors import Rejected
from ..sign_ins import Absence, SignIn
from ..state import current_state
from .blueprint import blueprint
from .visits import current_credentials


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


def load_visitor() -> Visitor | None:
    """Return whoever is signed in. Raises what `Admission.recognise` does."""
    state = current_state()
    sign_in, identity = state.admission.recognise(current_credentials(state.settings))
    if isinstance(sign_in, Absence) or identity is None:
        return None
    return Visitor(sign_in, identity)


def user_of_request(_request: Request) -> Visitor | None:
    """Return whoever is signed in, for Flask-Login's `request_loader`.

    On the app's own pages, credentials that we refuse may be meant for somebody else.
    """
    try:
        return load_visitor()
    except (CredentialsRefused, Rejected):
        return None


@blueprint.get("/session")
def session() -> Response:
    """Answer with `{"signed_in", "provider", "expires_at"}`."""
    visitor = load_visitor()
    body: dict[str, object] = {"signed_in": visitor is not None}
    if visitor is not None:
        body["provider"] = visitor.identity.provider
    if visitor is not None and visitor.sign_in is not None:
        body["expires_at"] = int(visitor.sign_in.expires_at)
    return Response(json.dumps(body), mimetype="application/json")
