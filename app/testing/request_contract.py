"""What every provider must do that each request proves itself to, as tests to inherit from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from flask_usher.providers.base import CredentialsRefused, Identity, RequestProvider

from .expectations import expect, expect_only, expect_plain
from .hostile_texts import HOSTILE_TEXTS
from .provider_contract import ProviderContract

Headers = Mapping[str, Sequence[str]]


class RequestProviderContract(ProviderContract):
    """For providers that each request proves itself to."""

    @abstractmethod
    def provider(self) -> RequestProvider:
        """Return the provider to be tested; within one test, always the same."""

    @abstractmethod
    def headers(self) -> Headers:
        """Return the headers of somebody who may come in; each call gives fresh ones."""

    def headers_of_nobody(self) -> Headers:
        """Return the headers of a request that does not claim to be from anybody."""
        return {}

    def signed_in(self) -> Identity:
        """Return whoever the headers are from."""
        identity = self.provider().identify(self.headers())
        if identity is None:
            raise AssertionError("expected somebody, and the headers are from nobody")
        return identity

    def test_is_a_request_provider(self) -> None:
        """It has all the methods, and those of no other contract."""
        expect_only(self.provider(), RequestProvider)

    def test_a_request_that_claims_nothing_is_from_nobody(self) -> None:
        """Nothing is claimed, so nothing is refused."""
        expect(self.provider().identify(self.headers_of_nobody()) is None, "nobody")

    def test_row_111_no_header_may_be_doubled(self) -> None:
        """Two of a kind are ambiguous."""
        for name, values in self.headers().items():
            self._expect_nobody({**self.headers(), name: [*values, *values]}, f"two {name}")

    def test_row_117_hostile_headers_are_from_nobody(self) -> None:
        """No text in the place of a header's value or behind it lets anybody in."""
        for case, text in HOSTILE_TEXTS.items():
            for name, values in self.headers().items():
                self._expect_nobody({**self.headers(), name: [text]}, f"{name}: {case}")
                if text:
                    longer = {**self.headers(), name: [values[0] + text]}
                    self._expect_nobody(longer, f"{name} and {case}")

    def _expect_nobody(self, headers: Headers, case: str) -> None:
        try:
            identity = self.provider().identify(headers)
        except CredentialsRefused as refusal:
            expect_plain(refusal.reason, case)
            known = ("invalid_request", "invalid_token", "insufficient_scope")
            expect(refusal.error in known, f"an error of RFC 6750 ({case})")
        else:
            expect(identity is None, f"nobody ({case})")
