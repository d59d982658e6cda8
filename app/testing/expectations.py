"""What the contract suites expect, in words: plain `AssertionError`s for any test runner."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from flask_usher.providers.base import (
    FormProvider,
    Provider,
    RedirectProvider,
    RequestProvider,
)

Failure = TypeVar("Failure", bound=Exception)
CONTRACTS = (FormProvider, RedirectProvider, RequestProvider)


def expect(truth: object, what: str) -> None:
    """Fail unless `truth` is true; `what` completes the sentence "expected …"."""
    if not truth:
        raise AssertionError(f"expected {what}")


def expect_only(provider: Provider, contract: type) -> None:
    """Fail unless the provider implements this contract and no other."""
    kept = [kind for kind in CONTRACTS if isinstance(provider, kind)]
    expect(kept == [contract], f"a {contract.__name__} and nothing else")


def expect_plain(reason: str, case: str) -> None:
    """Fail unless the reason can stand in an audit line."""
    expect(re.fullmatch(r"[a-z0-9-]+", reason), f"a reason in kebab-case ({case})")


def expect_safe(url: str) -> None:
    """Fail unless the address is https, or of this machine."""
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    expect(parts.scheme == "https" or loopback, "an address that begins with https")


def raised(
    call: Callable[[], object], kinds: type[Failure] | tuple[type[Failure], ...], case: str
) -> Failure:
    """Return the exception that the call raises. Fails when it raises none of these."""
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    try:
        call()
    except kinds as failure:
        return failure
    names = " or ".join(kind.__name__ for kind in kinds)
    raise AssertionError(f"expected {names} ({case})")
