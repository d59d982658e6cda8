"""The authorization code flow, as a provider sees it (OpenID Connect Core, section 3.1)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from .forgery import base64url, changed
from .http_exchange import Parameters, Reply, Request, json_reply, redirect, single
from .openid_clients import Client, ClientAuthentication, NotAuthenticated
from .openid_people import Session
from .openid_tokens import ACCESS_TOKEN_SECONDS, FakeTokenIssuer

CODE_SECONDS = 60


class Fault(Exception):
    """What the provider answers with: an error code of RFC 6749 or OpenID Connect."""


@dataclass(frozen=True, slots=True)
class _Grant:
    client: Client
    session: Session
    redirect_uri: str
    scope: str
    nonce: str | None
    challenge: str
    expires_at: float


class CodeFlow:
    """Gives codes for the person who is signed in at `issuer`, and tokens for codes.

    `remember` makes an access token for a client, a scope and a session.
    """

    def __init__(
        self,
        issuer: FakeTokenIssuer,
        clients: Mapping[str, Client],
        authentication: ClientAuthentication,
        remember: Callable[[Client, str, Session], str],
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._authentication = authentication
        self._remember = remember
        self._grants: dict[str, _Grant] = {}

    def authorization(self, request: Request) -> Reply:
        """Answer the browser: back to the client with a code or an error."""
        query = request.query
        client = self._clients.get(single(query, "client_id"))
        redirect_uri = single(query, "redirect_uri")
        if client is None or redirect_uri not in client.redirect_uris:
            return Reply(400)
        outcome: dict[str, object] = {
            "state": single(query, "state") or ...,
            "iss": self._issuer.issuer,
        }
        try:
            _check(query)
            outcome["code"] = self._code(client, redirect_uri, query)
        except Fault as fault:
            outcome["error"] = str(fault)
        way_back = changed(outcome, self._issuer.behaviour.callback)
        mark = "&" if "?" in redirect_uri else "?"
        return redirect(redirect_uri + mark + urlencode(way_back, doseq=True))

    def token(self, request: Request) -> Reply:
        """Answer the client: tokens for a code, once."""
        try:
            client = self._authentication.client(request)
            grant = self._redeem(client, request.form)
        except NotAuthenticated:
            return json_reply({"error": "invalid_client"}, 401)
        except Fault as fault:
            return json_reply({"error": str(fault)}, 400)
        issuer = self._issuer
        answer = {
            "access_token": self._remember(client, grant.scope, grant.session),
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_SECONDS,
            "scope": grant.scope,
            "id_token": issuer.id_token(client.id, nonce=grant.nonce, session=grant.session),
        }
        return json_reply(changed(answer, issuer.behaviour.token_response))

    def _code(self, client: Client, redirect_uri: str, query: Parameters) -> str:
        code = secrets.token_urlsafe(24)
        self._grants[code] = _Grant(
            client,
            self._fresh_session(query),
            redirect_uri,
            single(query, "scope"),
            single(query, "nonce") or None,
            single(query, "code_challenge"),
            self._issuer.clock() + CODE_SECONDS,
        )
        return code

    def _fresh_session(self, query: Parameters) -> Session:
        """Return the session, begun anew when the client asks for that."""
        session, prompt = self._issuer.session, single(query, "prompt")
        if session is None:
            raise Fault("login_required" if prompt == "none" else "access_denied")
        limit = single(query, "max_age")
        too_old = limit and self._issuer.clock() - session.began_at > int(limit)
        if too_old and prompt == "none":
            raise Fault("login_required")
        if too_old or prompt == "login":
            return self._issuer.sign_in(session.person)
        return session

    def _redeem(self, client: Client, form: Parameters) -> _Grant:
        if single(form, "grant_type") != "authorization_code":
            raise Fault("unsupported_grant_type")
        grant = self._grants.pop(single(form, "code"), None)
        if grant is None or grant.client != client or self._issuer.clock() > grant.expires_at:
            raise Fault("invalid_grant")
        digest = hashlib.sha256(single(form, "code_verifier").encode()).digest()
        if base64url(digest) != grant.challenge:
            raise Fault("invalid_grant")
        if single(form, "redirect_uri") != grant.redirect_uri:
            raise Fault("invalid_grant")
        return grant


def _check(query: Parameters) -> None:
    if any(len(values) != 1 for values in query.values()):
        raise Fault("invalid_request")
    if single(query, "response_type") != "code":
        raise Fault("unsupported_response_type")
    if "openid" not in single(query, "scope").split():
        raise Fault("invalid_scope")
    if single(query, "code_challenge_method") != "S256" or not single(query, "code_challenge"):
        raise Fault("invalid_request")
