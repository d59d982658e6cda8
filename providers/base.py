"""What every identity provider promises, and what it gives.

A provider answers one question: who is this? It knows nothing of requests, cookies, URLs or
the rest of Usher. There are small contracts for the ways in which people sign in; a provider
implements exactly one of them:

* `FormProvider`: the visitor fills in a form (local accounts).

Further contracts (a redirect to an OpenID provider, a bearer token in the request) stand
beside it, each on its own; there are no capability flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person, as one provider vouches for them.

    `subject` identifies the person for good within `provider`: it is never given to somebody
    else and never changes. `claims` use the names of OpenID Connect Core, section 5.1.
    `signed_in_at` is in seconds since the epoch. `epoch` is the provider's counter of events
    that end all earlier sign-ins of the person, such as a new password.
    """

    provider: str
    subject: str
    signed_in_at: float
    claims: Mapping[str, object] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    epoch: int = 0


class SignInFailed(Exception):
    """The person did not prove who they are.

    `reason` (kebab-case) is for the operator's audit line. The visitor is told the same words
    whatever the reason, so that nobody learns which accounts exist.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProviderUnavailable(Exception):
    """The provider could not answer; trying again later may help."""


class Provider(Protocol):
    """What all the contracts have in common."""

    @property
    def name(self) -> str:
        """The operator's name for this provider, `[a-z0-9-]+`, unique in one installation."""

    def current(self, identity: Identity) -> Identity | None:
        """Return what is true of this person now, or `None` when they may no longer come in.

        Raises `ProviderUnavailable` when that cannot be found out.
        """


@runtime_checkable
class FormProvider(Provider, Protocol):
    """A provider whose sign-in is a form with a name and a password."""

    def sign_in(self, form: Mapping[str, str]) -> Identity:
        """Return the person who filled in `form` (`username`, `password`).

        Raises `SignInFailed` or `ProviderUnavailable`.
        """

    def account_key(self, form: Mapping[str, str]) -> str:
        """Return the one canonical form of the account name in `form`, for limits and audit.

        Two spellings of one account have one key, and so has every spelling that can be no
        account at all. Never raises.
        """
