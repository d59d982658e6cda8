# ruff: noqa: RUF001 (letters that look alike are the point)
"""What every provider must do. A test class for a provider derives from one of these."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping

import pytest

from flask_usher.providers.base import FormProvider, Identity, Provider, SignInFailed

HOSTILE_TEXTS = [
    pytest.param("", id="empty"),
    pytest.param("\0", id="row27-nul"),
    pytest.param("jane\0", id="row27-trailing-nul"),
    pytest.param("\ud800", id="row27-lone-surrogate"),
    pytest.param("😀", id="row27-emoji"),
    pytest.param("𝕁𝕒𝕟𝕖", id="row27-four-byte-letters"),
    pytest.param("ja\u200bne", id="row26-zero-width"),
    pytest.param("jane\u202e", id="row26-bidi-override"),
    pytest.param("' OR 1=1--", id="row36-sql"),
    pytest.param("{{7*7}}", id="row36-template"),
    pytest.param("${jndi:ldap://127.0.0.1}", id="row36-jndi"),
    pytest.param('"><script>', id="row36-markup"),
    pytest.param("a\r\nSet-Cookie: b", id="row36-line-break"),
    pytest.param("x" * 256, id="256-characters"),
    pytest.param("x" * 100_000, id="100000-characters"),
]


class ProviderContract(ABC):
    """For all providers."""

    @abstractmethod
    def signed_in(self) -> Identity:
        """Sign somebody in."""

    @abstractmethod
    def end_all(self, identity: Identity) -> None:
        """Do what takes the person's access away."""

    @pytest.fixture
    @abstractmethod
    def provider(self) -> Provider:
        """The provider to be tested."""

    def test_name_is_plain(self, provider: Provider) -> None:
        assert re.fullmatch(r"[a-z0-9-]{1,64}", provider.name)

    def test_identity_is_usable(self, provider: Provider) -> None:
        identity = self.signed_in()
        assert identity.provider == provider.name
        assert 0 < len(identity.subject) <= 255
        assert identity.subject.isprintable()
        assert identity.amr

    def test_subject_is_the_same_each_time(self, provider: Provider) -> None:
        assert self.signed_in().subject == self.signed_in().subject

    def test_current_confirms_a_person_who_is_still_welcome(self, provider: Provider) -> None:
        identity = self.signed_in()
        assert provider.current(identity) == identity

    def test_row_42_current_refuses_a_person_who_is_not(self, provider: Provider) -> None:
        identity = self.signed_in()
        self.end_all(identity)
        assert provider.current(identity) is None


class FormProviderContract(ProviderContract):
    """For providers whose sign-in is a form."""

    @abstractmethod
    def form(self) -> Mapping[str, str]:
        """Return the form of somebody who may come in."""

    @pytest.fixture
    @abstractmethod
    def provider(self) -> FormProvider:
        """The provider to be tested."""

    def test_is_a_form_provider(self, provider: FormProvider) -> None:
        assert isinstance(provider, FormProvider)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS)
    @pytest.mark.parametrize("field", ["username", "password"])
    def test_hostile_texts_fail_like_any_other(
        self, provider: FormProvider, field: str, text: str
    ) -> None:
        form = {**self.form(), field: text}
        with pytest.raises(SignInFailed) as failure:
            provider.sign_in(form)
        assert re.fullmatch(r"[a-z-]+", failure.value.reason)

    @pytest.mark.parametrize("missing", ["username", "password"])
    def test_missing_fields_fail_like_any_other(
        self, provider: FormProvider, missing: str
    ) -> None:
        form = {key: text for key, text in self.form().items() if key != missing}
        with pytest.raises(SignInFailed):
            provider.sign_in(form)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS)
    def test_account_key_never_raises_and_is_short(
        self, provider: FormProvider, text: str
    ) -> None:
        key = provider.account_key({"username": text})
        assert 0 < len(key) <= 255
        assert key.isprintable()

    def test_account_key_needs_no_fields(self, provider: FormProvider) -> None:
        assert provider.account_key({}) == provider.account_key({"username": "\0"})
