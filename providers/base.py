"""What every identity provider promises, and what it gives.

A provider answers one question: who is this? It knows nothing of requests, cookies, URLs or
the rest of Usher. There are small contracts for the ways in which people sign in; a provider
implements exactly one of them:

* `FormProvider`: the visitor fills in a form (local accounts).
* `RedirectProvider`: the visitor is sent elsewhere and comes back (OpenID Connect).
* `RequestProvider`: every request says by itself who is asking (bearer tokens, a host app).

There are no capability flags.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What our own table of accounts knows of a person. Times are in seconds since 1970."""

    name: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A person, as one provider vouches for them.

    `subject` identifies the person for good within `provider`: it is never given to somebody
    else and never changes. `claims` use the names of OpenID Connect Core, section 5.1.
    `signed_in_at` is in seconds since the epoch. `epoch` is the provider's counter of events
    that end all earlier sign-ins of the person, such as a new password. `account` is there
    where the person has one with us.
    """

    provider: str
    subject: str
    signed_in_at: float
    claims: Mapping[str, object] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    epoch: int = 0
    account: AccountFacts | None = None


class SignInFailed(Exception):
    """The person did not prove who they are.

    `reason` (kebab-case) is for the operator's audit line. The visitor is told the same words
    whatever the reason, so that nobody learns which accounts exist.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignInDeclined(Exception):
    """The person said no, or was not asked as the attempt was silent: nothing has failed.

    `reason` (kebab-case) is for the operator's audit line.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProviderUnavailable(Exception):
    """The provider could not answer; trying again later may help."""


class CredentialsRefused(Exception):
    """What a request showed is no proof. `error` is one of RFC 6750, section 3.1.

    `reason` (kebab-case) is for the operator's audit line.
    """

    def __init__(
        self,
        error: Literal["invalid_request", "invalid_token", "insufficient_scope"],
        reason: str,
    ) -> None:
        super().__init__(reason)
        self.error = error
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Challenge:
    """Where the browser goes, and what is needed to recognise its return.

    `secrets` are short strings that the views keep for this one attempt, out of everybody's
    sight, and give back to `complete`; 1,024 characters in all at most. The one named `state`
    comes back in the query, by that name, and tells which attempt is answered.
    """

    url: str
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """A sign-in that a redirect provider has finished.

    `sid` is the provider's name for its own session, and `id_token` what it is reminded with
    when the visitor signs out; `None` where the provider has none. `vouched_at` is the
    provider's time, in seconds since the epoch, at which it vouched for the person.
    """

    identity: Identity
    sid: str | None = None
    id_token: str | None = field(default=None, repr=False)
    vouched_at: float | None = None


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """What a provider says has ended: all of `subject`'s sign-ins, or the one named `sid`.

    `token_id` is unique for each notice of one provider. Times are in seconds since the epoch.
    """

    subject: str | None
    sid: str | None
    token_id: str
    issued_at: float
    expires_at: float


class Provider(Protocol):
    """What all the contracts have in common."""

    @property
    def name(self) -> str:
        """The operator's name for this provider, `[a-z0-9-]+`, unique in one installation."""

    def current(self, identity: Identity) -> Identity | None:
        """Return what is true of this person now, or `None` when they may no longer come in.

        Raises `ProviderUnavailable` when that cannot be found out.
        """


Took = Callable[[float, bool], None]
"""Learns how many seconds a call took, and whether it failed. It never raises."""


def unmeasured(seconds: float, failed: bool) -> None:
    """Measure nothing."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the installation gives to each provider that it makes.

    `clock` gives seconds since the epoch; `database` has the methods that `accounts.Database`
    names; `host_identity` is the host app's function that says who is signed in there. `calls`
    gives, for a provider's name, who learns of each of its calls.
    """

    clock: Callable[[], float]
    database: Any
    host_identity: Callable[[], Identity | None] | None = None
    calls: Callable[[str], Took] = lambda name: unmeasured


@dataclass(frozen=True, slots=True)
class ProviderType:
    """A kind of provider, as an entry point of the group `flask_usher.providers` names it.

    `settings` is a pydantic model of the provider's table, with the entry point's name as its
    only `type`; `build` makes the provider from its name, such settings and the resources.
    """

    settings: type[BaseModel]
    build: Callable[[str, Any, Resources], Provider]


@runtime_checkable
class RemoteProvider(Protocol):
    """A provider that depends on a service elsewhere."""

    def is_ready(self) -> bool:
        """Tell whether that service answered when it was last asked. Waits for nothing."""


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


@runtime_checkable
class RedirectProvider(Provider, Protocol):
    """A provider that the browser is sent to and comes back from."""

    def begin(
        self,
        *,
        redirect_uri: str,
        silent: bool = False,
        language: str | None = None,
        login_hint: str | None = None,
    ) -> Challenge:
        """Start one attempt. `silent` asks the provider not to show anything.

        `language` (BCP 47) is what the visitor's browser prefers. `login_hint`, of 255
        printable characters at most, is what the provider itself gave to know the person by.

        Raises `ProviderUnavailable`.
        """

    def complete(
        self,
        query: Mapping[str, Sequence[str]],
        secrets: Mapping[str, str],
        *,
        redirect_uri: str,
    ) -> Completion:
        """Finish the attempt that `secrets` belong to, with the query of the way back.

        Raises `SignInFailed`, `SignInDeclined` or `ProviderUnavailable`.
        """

    def logout_url(self, *, id_token: str | None, return_to: str) -> str | None:
        """Return where to send the browser to end the provider's own session, if anywhere."""

    def logout_notice(self, logout_token: str) -> LogoutNotice:
        """Verify what the provider posts to the back channel.

        Raises `CredentialsRefused` or `ProviderUnavailable`.
        """


@runtime_checkable
class RequestProvider(Provider, Protocol):
    """A provider for callers without a sign-in of ours: each request proves who is asking."""

    def identify(self, headers: Mapping[str, Sequence[str]]) -> Identity | None:
        """Return who the request is from, `None` when it does not claim to be from anybody.

        `headers` have names in lower case, each with every value that was sent. Raises
        `CredentialsRefused` or `ProviderUnavailable`.
        """
