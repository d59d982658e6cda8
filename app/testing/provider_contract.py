"""What every identity provider must do, as tests to inherit from.

A test class for a provider derives from the class for its kind of contract and says how to
get the provider and somebody who may come in. The methods are ordinary tests for pytest, and
for unittest when the class also derives from `unittest.TestCase`.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod

from flask_usher.providers.base import Identity, Provider

from .expectations import expect
from .hostile_texts import HOSTILE_TEXTS


class ProviderContract(ABC):
    """For all providers."""

    @abstractmethod
    def provider(self) -> Provider:
        """Return the provider to be tested; within one test, always the same."""

    @abstractmethod
    def signed_in(self) -> Identity:
        """Sign somebody in, the same person each time."""

    def test_name_is_plain(self) -> None:
        """The name can stand in settings, addresses and tables."""
        expect(re.fullmatch(r"[a-z0-9-]{1,64}", self.provider().name), "a plain name")

    def test_identity_is_usable(self) -> None:
        """Who signs in has a subject that can be kept and sent."""
        identity = self.signed_in()
        expect(identity.provider == self.provider().name, "the provider's name in it")
        expect(0 < len(identity.subject) <= 255, "a subject of 1 to 255 characters")
        expect(identity.subject.isprintable(), "a printable subject")

    def test_claims_are_json(self) -> None:
        """Claims can be kept with the sign-in and come back as they were."""
        claims = dict(self.signed_in().claims)
        expect(json.loads(json.dumps(claims, allow_nan=False)) == claims, "claims in JSON")

    def test_subject_is_the_same_each_time(self) -> None:
        """One person is one subject."""
        expect(self.signed_in().subject == self.signed_in().subject, "one subject")

    def test_current_confirms_a_person_who_is_still_welcome(self) -> None:
        """Nothing has changed since the sign-in, so nothing is different."""
        identity = self.signed_in()
        expect(self.provider().current(identity) == identity, "the same identity")

    def test_current_never_makes_somebody_else_of_a_person(self) -> None:
        """Whatever the subject, the answer is that person or nobody."""
        for name, text in HOSTILE_TEXTS.items():
            asked = Identity(provider=self.provider().name, subject=text, signed_in_at=0.0)
            now = self.provider().current(asked)
            expect(now is None or now.subject == text, f"nobody else ({name})")
