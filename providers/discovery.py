"""What an issuer says of itself (OpenID Connect Discovery 1.0, RFC 8414)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .base import ProviderUnavailable
from .http_client import HttpClient
from .refreshing import Fetched, Refreshing, in_a_thread

logger = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/openid-configuration"
FRESH_SECONDS = 3600
STALE_SECONDS = 24 * 3600
COOL_DOWN_SECONDS = 10
ROOM = 64

_OPTIONAL = ("userinfo_endpoint", "end_session_endpoint", "introspection_endpoint")


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of an issuer's metadata that we use. Every endpoint has been checked."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    introspection_endpoint: str | None
    names_itself: bool
    """Whether it sends `iss` with every authorization response (RFC 9207)."""


class Discovery:
    """Finds out an issuer's metadata when they are first needed, and keeps them.

    Endpoints must be on the issuer's host or on one of `endpoint_hosts`, each with or without
    a port.
    """

    def __init__(
        self,
        http: HttpClient,
        issuer: str,
        *,
        algorithms: Collection[str],
        clock: Callable[[], float],
        endpoint_hosts: Collection[str] = (),
        background: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._algorithms = frozenset(algorithms)
        self._hosts = {urlsplit(issuer).hostname, *endpoint_hosts}
        document = Refreshing(
            self._fetch, clock=clock, stale_seconds=STALE_SECONDS, background=background
        )
        self._reader = document.reader(cool_down_seconds=COOL_DOWN_SECONDS, room=ROOM)

    def is_ready(self) -> bool:
        """Tell whether the metadata could be had at the last look, without waiting."""
        return self._reader.is_ready()

    def metadata(self) -> Metadata:
        """Return the metadata. Raises `ProviderUnavailable`."""
        return self._reader.current()

    def ask(self) -> Metadata:
        """Return the metadata as they are now. Raises `ProviderUnavailable`, which says why."""
        return self._fetch().value

    def _fetch(self) -> Fetched[Metadata]:
        answer = self._http.get(self._issuer.rstrip("/") + WELL_KNOWN)
        try:
            return Fetched(self._read(answer.json_object()), FRESH_SECONDS)
        except _Unacceptable as error:
            # This does not mend itself, so the operator must learn of it.
            logger.error("the metadata of %s can't be used: %s", self._issuer, error)
            raise ProviderUnavailable(f"unusable metadata: {error}") from error

    def _read(self, document: Mapping[str, Any]) -> Metadata:
        if document.get("issuer") != self._issuer:
            raise _Unacceptable("they are those of another issuer")
        if not _offers(document, "response_types_supported", {"code"}):
            raise _Unacceptable("no authorization code flow")
        if not _offers(document, "id_token_signing_alg_values_supported", self._algorithms):
            raise _Unacceptable("none of the algorithms in the settings")
        names_itself = document.get("authorization_response_iss_parameter_supported") is True
        optional = {
            name: self._endpoint(document, name) if name in document else None
            for name in _OPTIONAL
        }
        return Metadata(
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            names_itself=names_itself,
            **optional,
        )

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        url = document.get(name)
        if not self._http.bounds.allow(url):
            raise _Unacceptable(f"{name} is missing or no plain https address")
        parts = urlsplit(str(url))
        if self._hosts.isdisjoint({parts.hostname, parts.netloc}):
            raise _Unacceptable(f"{name} is on a host that endpoint_hosts does not name")
        return str(url)


def _offers(document: Mapping[str, Any], name: str, wanted: Collection[str]) -> bool:
    """Tell whether one of these is on offer. Metadata may leave the list out."""
    offered = document.get(name, ...)
    return offered is ... or (
        isinstance(offered, list) and any(one in offered for one in wanted)
    )


class _Unacceptable(Exception):
    """Why these metadata are none of ours, without what they hold."""
