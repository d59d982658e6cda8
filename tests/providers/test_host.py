"""Who is signed in to the host app is signed in here, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from flask_usher.providers.base import Identity
from flask_usher.providers.host import HostProvider
from flask_usher.testing import RequestProviderContract

JANE = Identity(provider="anything", subject="1", signed_in_at=0.0, claims={"name": "Jane"})
JOHN = Identity(provider="anything", subject="2", signed_in_at=0.0)


class TestHostProvider(RequestProviderContract):
    @pytest.fixture(autouse=True)
    def _host(self) -> None:
        self._user: Identity | None = JANE
        self._provider = HostProvider("host", lambda: self._user)

    def provider(self) -> HostProvider:
        return self._provider

    def headers(self) -> Mapping[str, Sequence[str]]:
        return {}

    def headers_of_nobody(self) -> Mapping[str, Sequence[str]]:
        self._user = None
        return {}

    def test_the_host_says_who_it_is(self) -> None:
        identity = self.signed_in()
        assert (identity.provider, identity.subject) == ("host", "1")
        assert identity.claims == {"name": "Jane"}

    @pytest.mark.parametrize("user", [None, JOHN], ids=["signed-out", "somebody-else"])
    def test_row_42_what_the_host_ends_is_over(self, user: Identity | None) -> None:
        identity = self.signed_in()
        self._user = user
        assert self.provider().current(identity) is None
