"""A fake OpenID provider that behaves: real tokens, real checks, and faults on demand.

It follows OpenID Connect Core 1.0 (code flow), Discovery 1.0 and RP-Initiated Logout 1.0,
RFC 7636 (PKCE, S256 only), RFC 9207 (`iss` on the way back) and RFC 7662 (introspection). The
person at the browser agrees to everything.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import JoseError

from .forgery import changed
from .http_exchange import Answer, Reply, Request, json_reply, redirect, single
from .loopback_server import LoopbackServer
from .openid_behaviour import Endpoint, Late
from .openid_clients import METHODS, Client, ClientAuthentication, NotAuthenticated
from .openid_code_flow import CodeFlow
from .openid_people import Person, Session
from .openid_tokens import ACCESS_TOKEN_SECONDS, FakeTokenIssuer
from .signing import SigningKey


@dataclass(frozen=True, slots=True)
class _OpaqueToken:
    claims: Mapping[str, object]
    person: Person
    expires_at: float


class FakeOpenIdProvider(FakeTokenIssuer):
    """A provider for `clients`. `requests` holds what came in.

    `answer` takes and gives values; `serving` puts it behind a real port.
    """

    def __init__(
        self,
        issuer: str = "https://id.example",
        *,
        clients: Iterable[Client] = (),
        keys: Sequence[SigningKey] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(issuer, keys=keys, clock=clock)
        self.clients = {client.id: client for client in clients}
        self.requests: list[Request] = []
        self._tokens: dict[str, _OpaqueToken] = {}
        self._lock = threading.Lock()
        audiences = (issuer, self.url(Endpoint.TOKEN), self.url(Endpoint.INTROSPECTION))
        self._authentication = ClientAuthentication(self.clients, audiences, clock)
        flow = CodeFlow(self, self.clients, self._authentication, self._userinfo_token)
        self._handlers: dict[str, Callable[[Request], Reply]] = {
            Endpoint.DISCOVERY: self._discovery,
            Endpoint.KEYS: self._key_set,
            Endpoint.AUTHORIZATION: flow.authorization,
            Endpoint.TOKEN: flow.token,
            Endpoint.USERINFO: self._userinfo,
            Endpoint.INTROSPECTION: self._introspection,
            Endpoint.END_SESSION: self._end_session,
        }

    @classmethod
    @contextmanager
    def serving(
        cls,
        *,
        clients: Iterable[Client] = (),
        keys: Sequence[SigningKey] = (),
        clock: Callable[[], float] = time.time,
    ) -> Iterator[FakeOpenIdProvider]:
        """Give a provider on a free port of 127.0.0.1, which is its issuer, for the block."""
        with LoopbackServer() as server:
            provider = cls(server.origin, clients=clients, keys=keys, clock=clock)
            server.serve(provider.answer)
            yield provider

    def url(self, endpoint: Endpoint) -> str:
        """Return the address of an endpoint."""
        return self.issuer + endpoint

    def count(self, endpoint: Endpoint) -> int:
        """Return how many requests an endpoint has had."""
        path = urlsplit(self.url(endpoint)).path
        return sum(request.path == path for request in self.requests)

    def authorize(self, url: str) -> dict[str, list[str]]:
        """Go where a challenge sends the browser; return the query of the way back."""
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True)
        answer = self.answer(Request("GET", parts.path, query))
        location = dict(answer.headers).get("Location") if isinstance(answer, Reply) else None
        if location is None:
            raise ValueError(f"the provider does not send the browser back: {answer}")
        return parse_qs(urlsplit(location).query, keep_blank_values=True)

    def opaque_token(
        self, client_id: str, *, audience: str, scope: str = "", session: Session | None = None
    ) -> str:
        """Return an access token whose meaning only this provider can tell."""
        session = session or self.current_session()
        claims = changed({}, self.access_claims(client_id, audience, scope, session))
        token = secrets.token_urlsafe(32)
        expires_at = self.clock() + ACCESS_TOKEN_SECONDS
        self._tokens[token] = _OpaqueToken(claims, session.person, expires_at)
        return token

    def revoke(self, token: str) -> None:
        """Let an opaque token be good no longer."""
        self._tokens.pop(token, None)

    def answer(self, request: Request) -> Answer:
        """Answer one HTTP request."""
        path = request.path.removeprefix(urlsplit(self.issuer).path)
        handle = self._handlers.get(path)
        with self._lock:
            self.requests.append(request)
            if handle is None:
                return Reply(404)
            override = self.behaviour.answers.get(Endpoint(path))
            if override is None:
                return handle(request)
            if isinstance(override, Late):
                return replace(handle(request), delay_seconds=override.seconds)
            return override

    def _discovery(self, request: Request) -> Reply:
        metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": self.url(Endpoint.AUTHORIZATION),
            "token_endpoint": self.url(Endpoint.TOKEN),
            "userinfo_endpoint": self.url(Endpoint.USERINFO),
            "introspection_endpoint": self.url(Endpoint.INTROSPECTION),
            "end_session_endpoint": self.url(Endpoint.END_SESSION),
            "jwks_uri": self.url(Endpoint.KEYS),
            "scopes_supported": ["openid", "profile", "email"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [key.algorithm for key in self.keys],
            "token_endpoint_auth_methods_supported": list(METHODS),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
        return json_reply(changed(metadata, self.behaviour.metadata))

    def _key_set(self, request: Request) -> Reply:
        keys = {"keys": [key.jwk for key in self.keys]}
        return json_reply(changed(keys, self.behaviour.key_set))

    def _userinfo(self, request: Request) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return Reply(401, headers=(("WWW-Authenticate", 'Bearer error="invalid_token"'),))
        person = self._tokens[token].person
        members = {**person.claims, **person.more_claims, "sub": person.subject}
        return json_reply(changed(members, self.behaviour.userinfo))

    def _introspection(self, request: Request) -> Reply:
        try:
            self._authentication.client(request)
        except NotAuthenticated:
            return json_reply({"error": "invalid_client"}, 401)
        known = self._tokens.get(single(request.form, "token"))
        answer: dict[str, object] = {"active": False}
        if known is not None and self.clock() < known.expires_at:
            answer = {"active": True, "token_type": "Bearer", **known.claims}
        return json_reply(changed(answer, self.behaviour.introspection))

    def _end_session(self, request: Request) -> Reply:
        query = request.query
        return_to = single(query, "post_logout_redirect_uri")
        client = self.clients.get(self._audience_of(single(query, "id_token_hint")))
        if client is None or return_to not in client.post_logout_redirect_uris:
            return Reply(400)
        self.sign_out()
        state = single(query, "state")
        return redirect(f"{return_to}?{urlencode({'state': state})}" if state else return_to)

    def _audience_of(self, id_token: str) -> str:
        """Return who an ID token of ours was for; the empty string if it is none."""
        for key in self.keys:
            try:
                token = jws.deserialize_compact(id_token, key.key, algorithms=[key.algorithm])
            except (JoseError, ValueError):
                continue
            return str(json.loads(token.payload).get("aud"))
        return ""

    def _userinfo_token(self, client: Client, scope: str, session: Session) -> str:
        return self.opaque_token(
            client.id, audience=self.url(Endpoint.USERINFO), scope=scope, session=session
        )
