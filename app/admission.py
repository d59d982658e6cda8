"""The line that every token goes along, from what the request shows to a token or a refusal.

    Credentials -> SignIn -> Identity -> Issue | Refuse -> Token

Whatever goes wrong on the way becomes a refusal, and each decision is on record before anybody
learns of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace

from flask_usher.providers.base import (
    CredentialsRefused,
    Identity,
    Provider,
    ProviderUnavailable,
    RequestProvider,
)

from .audit import AuditLog, Details, Visit
from .errors import Code, Rejected
from .key_rotation import KeyRing
from .limits import Limits, Standing
from .minter import Token
from .pauses import Pauses
from .policy import Facts, Issue, Policies, Refuse
from .recent_failures import RecentFailures
from .refusals import refusal_of
from .rules.tables import ISSUED
from .rules.variables import Asker
from .sign_ins import Absence, SignIn, SignIns


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows to say who is asking.

    `cookie` is the value of the sign-in cookie; `headers` are those that may identify a caller
    without one, by their names in lower case.
    """

    cookie: str | None
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def shown(self) -> Iterator[str]:
        """Yield all of it, in one order."""
        yield self.cookie or ""
        for name in sorted(self.headers):
            yield from (name, *self.headers[name])


@dataclass(frozen=True, slots=True)
class Admission:
    """The stages, wired. `stage` gives the context in which each of them runs, by its name."""

    sign_ins: SignIns
    providers: Mapping[str, Provider]
    request_providers: tuple[RequestProvider, ...]
    limits: Limits
    pauses: Pauses
    policies: Policies
    recent_failures: RecentFailures
    key_ring: KeyRing
    audit: AuditLog
    clock: Callable[[], float]
    stage: Callable[[str], AbstractContextManager[object]]

    def admit(
        self, credentials: Credentials, visit: Visit
    ) -> tuple[Token | Refuse, Standing | None]:
        """Return a token for whoever shows these credentials, or say why there is none.

        Beside it stands how many more tokens the person may have, once one was counted.
        Raises `AuditUnavailable` when the decision can't be recorded.
        """
        identity, shadow, standing = None, None, None
        policy = self.policies.current()
        outcome: Token | Refuse
        try:
            self.pauses.check()
            with (
                self.stage("recognise"),
                self.recent_failures.remembered(credentials.shown()),
            ):
                sign_in, identity = self.recognise(credentials, visit)
            if identity is not None:
                person = f"{identity.provider}:{identity.subject}"
                standing = self.limits.token(person, visit.address)
                standing.demand()
            asker = Asker(visit.address, visit.site)
            facts = Facts(sign_in, identity, self.clock(), asker)
            with self.stage("policy"):
                decision = policy.decide(facts)
                shadow = policy.shadow_answer(facts)
            outcome = decision if isinstance(decision, Refuse) else self._mint(decision)
        except Exception as error:
            outcome = refusal_of(error, visit.support_id)
        details = Details(identity=identity, policy=policy.version, shadow=shadow)
        if isinstance(outcome, Refuse):
            outcome = replace(outcome, activation=policy.activation(outcome))
            details |= {"reason": outcome.reason, "rule": outcome.rule}
        else:
            details["token"] = outcome
        code = outcome.code if isinstance(outcome, Refuse) else ISSUED
        with self.stage("audit"):
            self.audit.write("token", code, visit, **details)
        return outcome, standing

    def recognise(
        self, credentials: Credentials, visit: Visit
    ) -> tuple[SignIn | Absence | None, Identity | None]:
        """Return the sign-in, and who the provider says *now* that the person is.

        The sign-in is `None` where the request itself proves who is asking. Raises `Rejected`
        when the request speaks for more than one person, `CredentialsRefused`,
        `TooManyRequests`, and what stores and providers raise that do not answer.
        """
        with self._few_refusals(credentials, visit):
            presented = self._presented(credentials)
        sign_in = self.sign_ins.find(credentials.cookie)
        if presented is not None:
            if isinstance(sign_in, SignIn):
                raise Rejected(Code.AMBIGUOUS_CREDENTIALS)
            return None, presented
        if isinstance(sign_in, Absence):
            return sign_in, None
        provider = self.providers.get(sign_in.identity.provider)
        return sign_in, provider.current(sign_in.identity) if provider else None

    @contextmanager
    def _few_refusals(self, credentials: Credentials, visit: Visit) -> Iterator[None]:
        # Each refused access token may have cost a call to a provider.
        if not credentials.headers:
            yield
            return
        with self.limits.credentials(visit.address, CredentialsRefused):
            yield

    def _presented(self, credentials: Credentials) -> Identity | None:
        found: list[Identity] = []
        failures: list[CredentialsRefused | ProviderUnavailable] = []
        for provider in self.request_providers:
            try:
                identity = provider.identify(credentials.headers)
            except (CredentialsRefused, ProviderUnavailable) as failure:
                # It may be a token of another provider's.
                failures.append(failure)
            else:
                found += [identity] if identity is not None else []
        if len(found) > 1:
            raise Rejected(Code.AMBIGUOUS_CREDENTIALS)
        if not found and failures:
            raise _most_telling(failures)
        return found[0] if found else None

    def _mint(self, decision: Issue) -> Token:
        # A provider may have taken its time.
        self.pauses.check()
        with self.stage("mint"):
            return self.key_ring.minter().mint(decision)


def _most_telling(
    failures: list[CredentialsRefused | ProviderUnavailable],
) -> CredentialsRefused | ProviderUnavailable:
    """Return what to say of a token that no provider has accepted."""
    refusals = [it for it in failures if isinstance(it, CredentialsRefused)]
    # Only who has verified a token can say that its scope is missing.
    verified = [it for it in refusals if it.error == "insufficient_scope"]
    if verified:
        return verified[0]
    if len(refusals) < len(failures):
        # Who does not answer may be the one who issued it.
        return next(it for it in failures if isinstance(it, ProviderUnavailable))
    return CredentialsRefused(refusals[0].error, ", ".join(it.reason for it in refusals))
