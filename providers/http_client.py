"""The way out to identity providers: `requests`, within bounds.

https only, certificates checked, no redirect followed, no proxy or password file from the
environment, public addresses only, and an end to every call. Nothing of what a provider
answers gets into a message or a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from .base import ProviderUnavailable
from .bounded_transport import BoundedTransport, Bounds
from .strict_json import NotStrictJson, strict_object


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's whole answer. Header names are in lower case."""

    host: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, response: requests.Response) -> Answer:
        """Return the answer in a response of an equipped session."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        host = urlsplit(response.url).hostname or ""
        return cls(host, response.status_code, headers, response.content)

    def json_object(self, *statuses: int) -> dict[str, Any]:
        """Return the JSON object of an answer with one of `statuses`, or else with 200.

        Raises `ProviderUnavailable`.
        """
        if self.status not in (statuses or (HTTPStatus.OK,)):
            raise ProviderUnavailable(f"{self.host} answered {self.status}")
        try:
            return strict_object(self.body)
        except NotStrictJson as error:
            raise ProviderUnavailable(f"{self.host} answered unusable JSON: {error}") from error


class HttpClient:
    """Talks to one provider."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds

    def get(self, url: str, *, bearer: str | None = None) -> Answer:
        """Return what is at `url`. Raises `ProviderUnavailable`."""
        headers = {"Accept": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        with requests.Session() as session:
            self.equip(session)
            try:
                return Answer.of(session.get(url, headers=headers, allow_redirects=False))
            except requests.RequestException as error:
                raise ProviderUnavailable(f"no call: {type(error).__name__}") from error

    def equip(self, session: requests.Session) -> None:
        """Make a session keep within the bounds. It then raises `ProviderUnavailable`."""
        session.trust_env = False
        # What is not compressed can't be a bomb.
        session.headers.update({"Accept-Encoding": "identity", "Connection": "close"})
        session.adapters.clear()
        session.mount("", BoundedTransport(self.bounds))
