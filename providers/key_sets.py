"""The keys with which an issuer signs, as it publishes them (RFC 7517).

A new key is found as soon as a token needs it, within limits; a provider that is down or
publishes rubbish does not take away the keys that were good a moment ago.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from .base import ProviderUnavailable
from .http_client import Answer, HttpClient
from .refreshing import Fetched, Reader, Refreshing, in_a_thread
from .verification_keys import KeySet, read_key_set

logger = logging.getLogger(__name__)

MINIMUM_FRESH_SECONDS = 60
MAXIMUM_FRESH_SECONDS = 300
STALE_SECONDS = 3600

# Anybody can send a bearer or logout token with an unknown key; ID tokens come from the
# issuer itself, so a real rotation is seen at once even while strangers cry wolf.
STRANGERS_COOL_DOWN_SECONDS = 60
ISSUERS_COOL_DOWN_SECONDS = 10
# Sign-ins are limited before they come here; tokens from strangers are not.
STRANGERS_ROOM = 4
ISSUERS_ROOM = 64


class KeySets:
    """One issuer's keys for one purpose. `url` finds out where they are, when it is needed."""

    def __init__(
        self,
        http: HttpClient,
        url: Callable[[], str],
        *,
        algorithms: Iterable[str],
        clock: Callable[[], float],
        background: Callable[[Callable[[], None]], None] = in_a_thread,
    ) -> None:
        self._http = http
        self._url = url
        self._algorithms = tuple(algorithms)
        document = Refreshing(
            self._fetch, clock=clock, stale_seconds=STALE_SECONDS, background=background
        )
        self.for_issuers_tokens: Reader[KeySet] = document.reader(
            cool_down_seconds=ISSUERS_COOL_DOWN_SECONDS, room=ISSUERS_ROOM
        )
        """Keys for tokens that the issuer itself has handed to us, and for its readiness."""
        self.for_strangers_tokens: Reader[KeySet] = document.reader(
            cool_down_seconds=STRANGERS_COOL_DOWN_SECONDS, room=STRANGERS_ROOM
        )
        """Keys for tokens that anybody may have sent."""

    def _fetch(self) -> Fetched[KeySet]:
        answer = self._http.get(self._url())
        keys = read_key_set(answer.json_object(), self._algorithms)
        if not keys.keys:
            logger.error("no usable key among those of %s", answer.host)
            raise ProviderUnavailable("no usable key")
        return Fetched(keys, _fresh_seconds(answer))


def _fresh_seconds(answer: Answer) -> float:
    """Return the `max-age` of Cache-Control (RFC 9111, 5.2.2.1), within our limits."""
    for directive in answer.headers.get("cache-control", "").split(","):
        name, _, value = directive.strip().lower().partition("=")
        value = value.strip('"')
        if name == "max-age" and value.isascii() and value.isdigit():
            seconds = int(value[:9])
            return max(MINIMUM_FRESH_SECONDS, min(seconds, MAXIMUM_FRESH_SECONDS))
    return MAXIMUM_FRESH_SECONDS
