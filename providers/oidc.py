"""Sign-in at an OpenID provider: the authorization code flow (OpenID Connect Core 1.0).

With PKCE (RFC 7636), state, nonce and issuer identification (RFC 9207), always; logging out
with RP-Initiated Logout 1.0 and Back-Channel Logout 1.0.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from .authorization_response import read_code
from .base import (
    Challenge,
    Completion,
    CredentialsRefused,
    Identity,
    LogoutNotice,
    ProviderUnavailable,
    SignInFailed,
)
from .bulkhead import CONCURRENCY, Bulkhead
from .code_exchange import CodeExchange, Tokens
from .compact_jws import InvalidToken
from .discovery import Discovery, Metadata
from .http_client import HttpClient
from .id_tokens import Attempt, check
from .jwt_verification import (
    ID_TOKEN,
    LOGOUT_TOKEN,
    TYPED_LOGOUT_TOKEN,
    VerifiedToken,
    Verifier,
    is_subject,
)
from .key_sets import KeySets
from .oidc_identity import PROTOCOL_CLAIMS, identity
from .oidc_settings import OidcSettings
from .refreshing import in_a_thread

# A longer one would make an address that servers turn away.
MAXIMUM_HINT_CHARACTERS = 4096

_SECRET = re.compile(r"[A-Za-z0-9._-]{43,128}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{1,35}")


class OidcProvider:
    """A redirect provider. `clock` gives seconds since the epoch.

    Nothing is asked of the provider before the first sign-in. At most `concurrency` visitors
    wait for it at once to sign in, and as many to sign out. The reasons in `SignInFailed` are
    those of `read_code`, `Verifier` and `id_tokens.check`, and `attempt-malformed`,
    `code-refused`, `userinfo-mismatch`.
    """

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        clock: Callable[[], float] = time.time,
        *,
        http: HttpClient | None = None,
        background: Callable[[Callable[[], None]], None] = in_a_thread,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self._http = http or HttpClient(settings.bounds)
        self._discovery = Discovery(
            self._http,
            settings.issuer,
            algorithms=settings.algorithms,
            clock=clock,
            endpoint_hosts=settings.endpoint_hosts,
            background=background,
        )
        self._keys = KeySets(
            self._http,
            lambda: self._discovery.metadata().jwks_uri,
            algorithms=settings.algorithms,
            clock=clock,
            background=background,
        )
        logout_kind = TYPED_LOGOUT_TOKEN if settings.typed_logout_tokens else LOGOUT_TOKEN
        shared: Any = {
            "issuer": settings.issuer,
            "audience": settings.client_id,
            "algorithms": settings.algorithms,
            "clock": clock,
        }
        self._id_tokens = Verifier(ID_TOKEN, keys=self._keys.for_issuers_tokens, **shared)
        self._logout_tokens = Verifier(
            logout_kind, keys=self._keys.for_strangers_tokens, **shared
        )
        self._exchange = CodeExchange(self._http, settings, clock)
        self._sign_ins = Bulkhead(concurrency)
        self._sign_outs = Bulkhead(concurrency)

    def is_ready(self) -> bool:
        """Tell whether the provider answered when it was last asked, with keys as well.

        Nobody waits: what has not been asked yet, or not lately, is asked in the background.
        """
        return self._discovery.is_ready() and self._keys.for_issuers_tokens.is_ready()

    def begin(
        self,
        *,
        redirect_uri: str,
        silent: bool = False,
        language: str | None = None,
        login_hint: str | None = None,
    ) -> Challenge:
        """Start one attempt: `silent` sends `prompt=none`, `language` as `ui_locales`."""
        with self._sign_ins:
            metadata = self._discovery.metadata()
        settings = self.settings
        state = self._new_state()
        nonce, code_verifier = random.token_urlsafe(32), random.token_urlsafe(48)
        age = settings.max_age_seconds
        url = self._exchange.authorization_url(
            metadata.authorization_endpoint,
            redirect_uri=redirect_uri,
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
            prompt="none" if silent else None,
            ui_locales=language if language and _LANGUAGE.fullmatch(language) else None,
            login_hint=login_hint,
            acr_values=" ".join(settings.acr_values) or None,
            max_age=None if age is None else str(age),
        )
        return Challenge(url, {"state": state, "nonce": nonce, "code_verifier": code_verifier})

    def complete(
        self,
        query: Mapping[str, Sequence[str]],
        secrets: Mapping[str, str],
        *,
        redirect_uri: str,
    ) -> Completion:
        """Finish the attempt: redeem the code and verify who it is."""
        state, nonce, code_verifier = (
            secrets.get(name, "") for name in ("state", "nonce", "code_verifier")
        )
        known = (_SECRET.fullmatch(it) for it in (state, nonce, code_verifier))
        if not (all(known) and self._is_our_state(state)):
            raise SignInFailed("attempt-malformed")
        with self._sign_ins:
            metadata = self._discovery.metadata()
            code = read_code(
                query,
                state=state,
                issuer=self.settings.issuer,
                names_itself=metadata.names_itself,
            )
            tokens = self._exchange.redeem(
                metadata.token_endpoint,
                code,
                code_verifier=code_verifier,
                redirect_uri=redirect_uri,
            )
            verified = self._verify(tokens, nonce)
            claims = {**self._userinfo(metadata, verified, tokens), **verified.claims}
        sid = verified.claims.get("sid")
        return Completion(
            identity(self.name, claims, self.settings.claims, self._clock()),
            sid if is_subject(sid) else None,
            tokens.unverified_id_token,
            verified.claims["iat"],
        )

    def current(self, identity: Identity) -> Identity | None:
        """Return the identity: an OpenID provider can't be asked, but tells of logouts."""
        return identity

    def logout_url(self, *, id_token: str | None, return_to: str) -> str | None:
        """Return the provider's logout address; `None` when it has none or does not answer."""
        try:
            with self._sign_outs:
                endpoint = self._discovery.metadata().end_session_endpoint
        except ProviderUnavailable:
            return None
        if endpoint is None:
            return None
        parameters = {
            "client_id": self.settings.client_id,
            "post_logout_redirect_uri": return_to,
        }
        if id_token is not None and len(id_token) <= MAXIMUM_HINT_CHARACTERS:
            parameters["id_token_hint"] = id_token
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"

    def logout_notice(self, logout_token: str) -> LogoutNotice:
        """Verify a logout token.

        Whoever waits for the keys is in their own small room: a provider does not tell twice
        of a logout, so a crowd of strangers must not keep it out.
        """
        try:
            claims = self._logout_tokens.verify(logout_token).claims
        except InvalidToken as error:
            raise CredentialsRefused("invalid_request", error.reason) from error
        return LogoutNotice(
            subject=claims.get("sub"),
            sid=claims.get("sid"),
            token_id=claims["jti"],
            issued_at=claims["iat"],
            expires_at=claims["exp"],
        )

    def _verify(self, tokens: Tokens, nonce: str) -> VerifiedToken:
        settings = self.settings
        attempt = Attempt(
            nonce=nonce,
            access_token=tokens.access_token,
            acr_values=settings.acr_values,
            max_age_seconds=settings.max_age_seconds,
        )
        try:
            verified = self._id_tokens.verify(tokens.unverified_id_token)
            check(verified, attempt, self._clock())
        except InvalidToken as error:
            raise SignInFailed(error.reason) from error
        return verified

    def _userinfo(
        self, metadata: Metadata, verified: VerifiedToken, tokens: Tokens
    ) -> Mapping[str, Any]:
        if not self.settings.userinfo:
            return {}
        if metadata.userinfo_endpoint is None:
            raise ProviderUnavailable("the provider has no userinfo endpoint")
        answer = self._http.get(metadata.userinfo_endpoint, bearer=tokens.access_token)
        claims = answer.json_object()
        if claims.get("sub") != verified.claims["sub"]:
            raise SignInFailed("userinfo-mismatch")
        return {name: it for name, it in claims.items() if name not in PROTOCOL_CLAIMS}

    def _new_state(self) -> str:
        value = random.token_urlsafe(32)
        return f"{value}.{self._mark(value)}"

    def _is_our_state(self, state: str) -> bool:
        value, _, mark = state.rpartition(".")
        return hmac.compare_digest(mark.encode("utf-8", "replace"), self._mark(value).encode())

    def _mark(self, value: str) -> str:
        """Bind a state to this provider, so that no other takes it for one of its own."""
        parts = (self.name, self.settings.issuer, self.settings.client_id, value)
        digest = hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()
        return urlsafe_b64encode(digest[:16]).decode().rstrip("=")
