"""The tokens of a fake OpenID provider, without any HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from .forgery import Forgery, changed, signed_token
from .openid_behaviour import FLAWLESS, Behaviour
from .openid_people import JANE, Person, Session
from .signing import SigningKey

ID_TOKEN_SECONDS = 300
ACCESS_TOKEN_SECONDS = 600
LOGOUT_TOKEN_SECONDS = 120
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class FakeTokenIssuer:
    """Signs tokens with `keys`: all of them are published, the first one signs.

    `behaviour` says what to do differently from now on, `session` who is signed in at the
    provider (Jane, to begin with). All of these may be set at any time. A `forgery` given to
    a method takes the place of the behaviour's.
    """

    def __init__(
        self,
        issuer: str = "https://id.example",
        *,
        keys: Sequence[SigningKey] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.keys = tuple(keys) or (SigningKey.generate(),)
        self.clock = clock
        self.behaviour: Behaviour = FLAWLESS
        self.session: Session | None = None
        self.sign_in(JANE)

    def sign_in(self, person: Person) -> Session:
        """Let this person be the one at the browser, signed in just now."""
        self.session = Session(person, secrets.token_hex(8), self.clock())
        return self.session

    def sign_out(self) -> None:
        """Let nobody be signed in at the provider."""
        self.session = None

    def rotate(self, key: SigningKey | None = None) -> SigningKey:
        """Sign with a new key from now on, and go on publishing the older ones."""
        key = key or SigningKey.generate(self.keys[0].algorithm)
        self.keys = (key, *self.keys)
        return key

    def id_token(
        self,
        client_id: str,
        *,
        nonce: str | None = None,
        session: Session | None = None,
        forgery: Forgery | None = None,
    ) -> str:
        """Return an ID token about the person of `session` (OpenID Connect Core, section 2)."""
        session = session or self.current_session()
        person = session.person
        claims = {
            **person.claims,
            **self._base(ID_TOKEN_SECONDS),
            "sub": person.subject,
            "aud": client_id,
            "auth_time": int(session.began_at),
            "sid": session.sid,
            "nonce": ... if nonce is None else nonce,
            "acr": person.acr or ...,
            "amr": list(person.amr) or ...,
        }
        return self._signed("JWT", claims, forgery or self.behaviour.id_token)

    def access_token(
        self,
        client_id: str,
        *,
        audience: str,
        scope: str = "",
        session: Session | None = None,
        forgery: Forgery | None = None,
    ) -> str:
        """Return a client's access token for a resource server, as a JWT (RFC 9068)."""
        claims = self.access_claims(client_id, audience, scope, session)
        return self._signed("at+jwt", claims, forgery or self.behaviour.access_token)

    def access_claims(
        self, client_id: str, audience: str, scope: str, session: Session | None
    ) -> Mapping[str, object]:
        """Return what an access token of either kind says."""
        return {
            **self._base(ACCESS_TOKEN_SECONDS),
            "sub": (session or self.current_session()).person.subject,
            "aud": audience,
            "client_id": client_id,
            "jti": secrets.token_hex(16),
            "scope": scope or ...,
        }

    def logout_token(
        self,
        client_id: str,
        *,
        subject: str | None = None,
        sid: str | None = None,
        forgery: Forgery | None = None,
    ) -> str:
        """Return the notice that a person or one session is out (Back-Channel Logout 2.4)."""
        claims = {
            **self._base(LOGOUT_TOKEN_SECONDS),
            "aud": client_id,
            "jti": secrets.token_hex(16),
            "events": {LOGOUT_EVENT: {}},
            "sub": subject or ...,
            "sid": sid or ...,
        }
        return self._signed("logout+jwt", claims, forgery or self.behaviour.logout_token)

    def current_session(self) -> Session:
        """Return the session at the provider. Raises `LookupError` when nobody is in."""
        if self.session is None:
            raise LookupError("nobody is signed in at the provider")
        return self.session

    def _base(self, lifetime_seconds: int) -> Mapping[str, object]:
        now = int(self.clock())
        return {"iss": self.issuer, "iat": now, "exp": now + lifetime_seconds}

    def _signed(self, kind: str, claims: Mapping[str, object], forgery: Forgery) -> str:
        return signed_token(changed({}, claims), self.keys[0], kind=kind, forgery=forgery)
