"""The contract suites let good providers through, and no provider with a fault."""

from __future__ import annotations

import subprocess
import sys
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from secrets import token_urlsafe
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from flask_usher.providers.base import (
    Challenge,
    Completion,
    CredentialsRefused,
    Identity,
    LogoutNotice,
    SignInFailed,
)
from flask_usher.testing import (
    FormProviderContract,
    ProviderContract,
    RedirectProviderContract,
    RequestProviderContract,
)

JANE = Identity(provider="good", subject="1", signed_in_at=0.0)


class Good:
    name = "good"

    def __init__(self) -> None:
        self.people = {JANE.subject}

    def current(self, identity: Identity) -> Identity | None:
        return identity if identity.subject in self.people else None


class GoodForm(Good):
    def sign_in(self, form: Mapping[str, str]) -> Identity:
        if (form.get("username"), form.get("password")) == ("jane", "secret"):
            return JANE
        raise SignInFailed("wrong")

    def account_key(self, form: Mapping[str, str]) -> str:
        return form.get("username", "") if form.get("username") == "jane" else "-"


class GoodRedirect(Good):
    def begin(self, *, redirect_uri: str, silent: bool = False) -> Challenge:
        state = token_urlsafe()
        return Challenge(f"https://id.example/?{urlencode({'state': state})}", {"state": state})

    def complete(
        self,
        query: Mapping[str, Sequence[str]],
        secrets: Mapping[str, str],
        *,
        redirect_uri: str,
    ) -> Completion:
        if query != {"state": [secrets.get("state")]}:
            raise SignInFailed("wrong")
        return Completion(JANE, id_token="a.b.c")

    def logout_url(self, *, id_token: str | None, return_to: str) -> str | None:
        return "https://id.example/out"

    def logout_notice(self, logout_token: str) -> LogoutNotice:
        raise CredentialsRefused("invalid_token", "wrong")


class GoodRequest(Good):
    def identify(self, headers: Mapping[str, Sequence[str]]) -> Identity | None:
        values = headers.get("x-person")
        if values is None:
            return None
        if list(values) != ["jane"]:
            raise CredentialsRefused("invalid_token", "wrong")
        return JANE


class Suite:
    """What a test class adds to a contract."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider

    def provider(self) -> Any:
        return self._provider


class FormSuite(Suite, FormProviderContract):
    def form(self) -> Mapping[str, str]:
        return {"username": "jane", "password": "secret"}

    def end_all(self, identity: Identity) -> None:
        self.provider().people.clear()


class RedirectSuite(Suite, RedirectProviderContract):
    def way_back(self, challenge: Challenge) -> Mapping[str, Sequence[str]]:
        return parse_qs(urlsplit(challenge.url).query)


class RequestSuite(Suite, RequestProviderContract):
    def headers(self) -> Mapping[str, Sequence[str]]:
        return {"x-person": ["jane"]}


SUITES: dict[type[Good], Callable[[Any], ProviderContract]] = {
    GoodForm: FormSuite,
    GoodRedirect: RedirectSuite,
    GoodRequest: RequestSuite,
}


def failures(provider: Good, kind: type[Good]) -> set[str]:
    """Return the names of the tests that fail."""
    failed = set()
    for name in dir(SUITES[kind]):
        if name.startswith("test_"):
            suite = SUITES[kind](provider)
            try:
                getattr(suite, name)()
            except Exception:
                failed.add(name)
            provider.people.add(JANE.subject)
    return failed


@pytest.mark.parametrize("kind", SUITES)
def test_a_good_provider_passes(kind: type[Good]) -> None:
    assert failures(kind(), kind) == set()


def _raise(error: Exception) -> Callable[..., NoReturn]:
    def method(*_: Any, **__: Any) -> NoReturn:
        raise error

    return method


def _challenge(url: str, **secrets: str) -> Callable[..., Challenge]:
    return lambda self, **_: Challenge(url, secrets)


def _complete_by_state_alone(
    self: Any, query: Mapping[str, Sequence[str]], secrets: object, **_: Any
) -> Completion:
    if not query.get("state"):
        raise SignInFailed("wrong")
    return Completion(JANE)


def _person(**changes: Any) -> Callable[..., Identity | None]:
    return lambda self, headers: replace(JANE, **changes) if headers else None


def _first_value_counts(self: Any, headers: Mapping[str, Sequence[str]]) -> Identity | None:
    return JANE if headers.get("x-person", ["-"])[0] == "jane" else None


FAULTS = [
    pytest.param(GoodForm, {"name": "Not Plain"}, "name_is_plain", id="name"),
    pytest.param(
        GoodRequest, {"identify": _person(subject="")}, "identity_is_usable", id="no-subject"
    ),
    pytest.param(
        GoodRequest, {"identify": _person(provider="x")}, "identity_is_usable", id="whose"
    ),
    pytest.param(
        GoodRequest,
        {"identify": _person(claims={"groups": ("a",)})},
        "claims_are_json",
        id="claims",
    ),
    pytest.param(
        GoodRequest,
        {"identify": lambda self, headers: replace(JANE, subject=token_urlsafe())},
        "subject_is_the_same_each_time",
        id="random-subject",
    ),
    pytest.param(
        GoodForm,
        {"current": lambda self, identity: None},
        "current_confirms_a_person_who_is_still_welcome",
        id="forgetful",
    ),
    pytest.param(
        GoodForm,
        {"current": lambda self, identity: JANE},
        "current_never_makes_somebody_else_of_a_person",
        id="everybody-is-jane",
    ),
    pytest.param(
        GoodForm,
        {"current": lambda self, identity: identity},
        "row_42_current_refuses_a_person_who_is_not_welcome",
        id="row42-for-ever",
    ),
    pytest.param(
        GoodForm,
        {"identify": lambda self, headers: None},
        "is_a_form_provider",
        id="two-contracts",
    ),
    pytest.param(
        GoodForm,
        {"sign_in": lambda self, form: JANE},
        "hostile_texts_fail_like_any_other",
        id="form-open-door",
    ),
    pytest.param(
        GoodForm,
        {"sign_in": _raise(SignInFailed("Wrong Password!"))},
        "missing_fields_fail_like_any_other",
        id="form-reason-in-prose",
    ),
    pytest.param(
        GoodForm,
        {"account_key": lambda self, form: form.get("username", "")},
        "account_key_never_raises_and_is_short",
        id="key-as-typed",
    ),
    pytest.param(
        GoodRedirect,
        {"begin": _challenge("http://id.example/", state="s")},
        "a_challenge_leads_to_a_safe_address",
        id="plain-http",
    ),
    pytest.param(
        GoodRedirect,
        {"begin": _challenge("https://id.example/?state=s", state="s")},
        "row_46_attempts_share_no_secret",
        id="row46-fixed-state",
    ),
    pytest.param(
        GoodRedirect,
        {"begin": _challenge("https://id.example/", state="s" * 2000)},
        "secrets_fit_into_a_cookie",
        id="long-secrets",
    ),
    pytest.param(
        GoodRedirect,
        {"complete": _complete_by_state_alone},
        "row_52_an_attempt_ends_with_its_own_secrets_only",
        id="row52-any-secrets",
    ),
    pytest.param(
        GoodRedirect,
        {"complete": _complete_by_state_alone},
        "row_56_each_secret_is_needed",
        id="row56-no-secrets",
    ),
    pytest.param(
        GoodRedirect,
        {"complete": _complete_by_state_alone},
        "row_53_hostile_ways_back_sign_nobody_in",
        id="row53-doubled",
    ),
    pytest.param(
        GoodRedirect,
        {"complete": lambda self, query, secrets, **_: Completion(JANE)},
        "an_empty_way_back_signs_nobody_in",
        id="no-query",
    ),
    pytest.param(
        GoodRedirect,
        {"logout_url": lambda self, **_: "javascript:alert(1)"},
        "logging_out_leads_to_a_safe_address_or_nowhere",
        id="unsafe-logout",
    ),
    pytest.param(
        GoodRedirect,
        {"logout_notice": lambda self, text: LogoutNotice(text, None, "1", 0.0, 1.0)},
        "row_106_no_text_is_a_logout_notice",
        id="row106-any-notice",
    ),
    pytest.param(
        GoodRequest,
        {"identify": _person()},
        "row_111_no_header_may_be_doubled",
        id="row111-open-door",
    ),
    pytest.param(
        GoodRequest,
        {"identify": _first_value_counts},
        "row_111_no_header_may_be_doubled",
        id="row111-first-counts",
    ),
    pytest.param(
        GoodRequest,
        {"identify": _person()},
        "row_117_hostile_headers_are_from_nobody",
        id="row117-open-door",
    ),
    pytest.param(
        GoodRequest,
        {"identify": _raise(CredentialsRefused("invalid_token", "wrong"))},
        "a_request_that_claims_nothing_is_from_nobody",
        id="suspicious",
    ),
]


@pytest.mark.parametrize(("kind", "changes", "expected"), FAULTS)
def test_a_fault_is_found(kind: type[Good], changes: dict[str, Any], expected: str) -> None:
    faulty = type("Faulty", (kind,), changes)()
    assert f"test_{expected}" in failures(faulty, kind)


def test_the_suites_run_under_unittest_as_well() -> None:
    class Case(RequestSuite, unittest.TestCase):
        def __init__(self, method: str) -> None:
            RequestSuite.__init__(self, GoodRequest())
            unittest.TestCase.__init__(self, method)

    result = unittest.TestResult()
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
    suite.run(result)
    assert result.testsRun > 5
    assert result.wasSuccessful()


def test_no_test_runner_is_needed_to_import_it() -> None:
    program = "import sys; sys.modules['pytest'] = None; import flask_usher.testing"
    subprocess.run([sys.executable, "-c", program], check=True)
