"""What every provider must do whose sign-in is a form, as tests to inherit from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial

from flask_usher.providers.base import FormProvider, Identity, SignInFailed

from .expectations import expect, expect_only, expect_plain, raised
from .hostile_texts import HOSTILE_TEXTS
from .provider_contract import ProviderContract


class FormProviderContract(ProviderContract):
    """For providers whose sign-in is a form."""

    @abstractmethod
    def provider(self) -> FormProvider:
        """Return the provider to be tested; within one test, always the same."""

    @abstractmethod
    def form(self) -> Mapping[str, str]:
        """Return the form of somebody who may come in."""

    @abstractmethod
    def end_all(self, identity: Identity) -> None:
        """Do what takes the person's access away."""

    def signed_in(self) -> Identity:
        """Sign in whoever filled in the form."""
        return self.provider().sign_in(self.form())

    def test_is_a_form_provider(self) -> None:
        """It has all the methods, and those of no other contract."""
        expect_only(self.provider(), FormProvider)

    def test_row_42_current_refuses_a_person_who_is_not_welcome(self) -> None:
        """Taking access away ends what the person has signed in to."""
        identity = self.signed_in()
        self.end_all(identity)
        expect(self.provider().current(identity) is None, "nobody")

    def test_hostile_texts_fail_like_any_other(self) -> None:
        """No text in a field makes anything but a failed sign-in."""
        for name, text in HOSTILE_TEXTS.items():
            for field in self.form():
                self._expect_failure({**self.form(), field: text}, f"{field}: {name}")

    def test_missing_fields_fail_like_any_other(self) -> None:
        """No field may be left out."""
        for missing in self.form():
            form = {key: text for key, text in self.form().items() if key != missing}
            self._expect_failure(form, f"no {missing}")

    def test_account_key_never_raises_and_is_short(self) -> None:
        """Limits and audit lines get a key for whatever was typed."""
        forms = [{}, *({"username": text} for text in HOSTILE_TEXTS.values())]
        for form in forms:
            key = self.provider().account_key(form)
            expect(0 < len(key) <= 255 and key.isprintable(), "a short, printable key")

    def _expect_failure(self, form: Mapping[str, str], case: str) -> None:
        failure = raised(partial(self.provider().sign_in, form), SignInFailed, case)
        expect_plain(failure.reason, case)
