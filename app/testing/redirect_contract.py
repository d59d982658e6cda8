"""What every provider must do that the browser is sent to, as tests to inherit from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

from flask_usher.providers.base import (
    Challenge,
    Completion,
    CredentialsRefused,
    Identity,
    ProviderUnavailable,
    RedirectProvider,
    SignInFailed,
)

from .expectations import expect, expect_only, expect_plain, expect_safe, raised
from .hostile_texts import HOSTILE_TEXTS
from .provider_contract import ProviderContract

Query = Mapping[str, Sequence[str]]
_HOSTILE_VALUES: Mapping[str, Sequence[str]] = {
    "gone": [],
    **{name: [text] for name, text in HOSTILE_TEXTS.items()},
}


class RedirectProviderContract(ProviderContract):
    """For providers that the browser is sent to and comes back from."""

    redirect_uri = "https://www.shop.example/callback"
    """Where the browser comes back to; override it if the provider must know another."""

    @abstractmethod
    def provider(self) -> RedirectProvider:
        """Return the provider to be tested; within one test, always the same."""

    @abstractmethod
    def way_back(self, challenge: Challenge) -> Query:
        """Do what the browser and the person do; return the query that they come back with."""

    def signed_in(self) -> Identity:
        """Make one attempt, all the way."""
        challenge = self._begin()
        return self._complete(self.way_back(challenge), challenge).identity

    def test_is_a_redirect_provider(self) -> None:
        """It has all the methods, and those of no other contract."""
        expect_only(self.provider(), RedirectProvider)

    def test_a_challenge_leads_to_a_safe_address(self) -> None:
        """Nobody on the way can read where the browser goes, or what it carries."""
        for silent in (False, True):
            expect_safe(
                self.provider().begin(redirect_uri=self.redirect_uri, silent=silent).url
            )

    def test_secrets_fit_into_a_cookie(self) -> None:
        """There are some, and several attempts may be going on at once."""
        secrets = self._begin().secrets
        size = sum(len(name) + len(value) for name, value in secrets.items())
        expect(0 < size <= 1024, "1 to 1,024 characters of secrets")

    def test_row_46_attempts_share_no_secret(self) -> None:
        """What one attempt knows is of no use to another."""
        values = [set(self._begin().secrets.values()) for _ in range(2)]
        expect(values[0].isdisjoint(values[1]), "secrets of its own")

    def test_row_52_an_attempt_ends_with_its_own_secrets_only(self) -> None:
        """Somebody else's way back signs nobody in."""
        query, other = self.way_back(self._begin()), self._begin()
        self._expect_failure(query, other.secrets, "the secrets of another attempt")

    def test_row_56_each_secret_is_needed(self) -> None:
        """An attempt with a secret gone or changed signs nobody in."""
        for name in self._begin().secrets:
            challenge = self._begin()
            query = self.way_back(challenge)
            rest = {key: value for key, value in challenge.secrets.items() if key != name}
            self._expect_failure(query, {**rest, name: "changed"}, f"{name} changed")
            challenge = self._begin()
            self._expect_failure(self.way_back(challenge), rest, f"without {name}")

    def test_row_53_hostile_ways_back_sign_nobody_in(self) -> None:
        """No parameter may be doubled, or hold anything but what it should."""
        for name in self.way_back(self._begin()):
            for case, values in _HOSTILE_VALUES.items():
                challenge = self._begin()
                changed = {**self.way_back(challenge), name: values}
                self._expect_failure(changed, challenge.secrets, f"{name}: {case}")
            challenge = self._begin()
            query = self.way_back(challenge)
            doubled = {**query, name: [*query[name], *query[name]]}
            self._expect_failure(doubled, challenge.secrets, f"two {name}")

    def test_an_empty_way_back_signs_nobody_in(self) -> None:
        """There must be something to go by."""
        self._expect_failure({}, self._begin().secrets, "no query")

    def test_logging_out_leads_to_a_safe_address_or_nowhere(self) -> None:
        """With or without an ID token."""
        challenge = self._begin()
        id_token = self._complete(self.way_back(challenge), challenge).id_token
        for hint in (None, id_token):
            url = self.provider().logout_url(
                id_token=hint, return_to="https://www.shop.example/"
            )
            if url is not None:
                expect_safe(url)

    def test_row_106_no_text_is_a_logout_notice(self) -> None:
        """Anybody can post to the back channel."""
        challenge = self._begin()
        id_token = self._complete(self.way_back(challenge), challenge).id_token
        for name, text in {**HOSTILE_TEXTS, "an ID token": id_token or "a.b.c"}.items():
            notice = partial(self.provider().logout_notice, text)
            expect_plain(raised(notice, CredentialsRefused, name).reason, name)

    def _begin(self) -> Challenge:
        return self.provider().begin(redirect_uri=self.redirect_uri)

    def _complete(self, query: Query, challenge: Challenge) -> Completion:
        return self.provider().complete(
            query, challenge.secrets, redirect_uri=self.redirect_uri
        )

    def _expect_failure(self, query: Query, secrets: Mapping[str, str], case: str) -> None:
        complete = partial(
            self.provider().complete, query, secrets, redirect_uri=self.redirect_uri
        )
        # A provider that asks elsewhere may be told no in ways that it can't tell from a fault.
        raised(complete, (SignInFailed, ProviderUnavailable), case)
