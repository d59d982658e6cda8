"""The line that every token goes along, from what the request shows to a token or a refusal.

    Credentials -> SignIn -> Identity -> Issue | Refuse -> Token

Whatever goes wrong on the way becomes a refusal, and each decision is on record before anybody
learns of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_usher.providers.base import Identity, Provider

from .audit import AuditLog, Visit
from .errors import Code
from .limits import Limit
from .minter import Minter, Token
from .policy import Decision, Facts, Issue, Policy, Refuse
from .refusals import refusal_of
from .sign_ins import Absence, SignIn, SignIns


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows to say who is asking: the value of the sign-in cookie."""

    cookie: str | None


@dataclass(frozen=True, slots=True)
class Admission:
    """The stages, wired."""

    sign_ins: SignIns
    providers: Mapping[str, Provider]
    limit: Limit
    policy: Policy
    minter: Minter
    audit: AuditLog

    def admit(self, credentials: Credentials, visit: Visit) -> Token | Refuse:
        """Return a token for whoever shows these credentials, or say why there is none.

        Raises `AuditUnavailable` when the decision can't be recorded.
        """
        identity, token = None, None
        decision: Decision
        try:
            sign_in, identity = self.recognise(credentials)
            if identity is not None:
                self.limit.count(f"{identity.provider}:{identity.subject}")
            decision = self.policy.decide(Facts(sign_in, identity))
            if isinstance(decision, Issue):
                token = self.minter.mint(decision)
        except Exception as error:
            decision = refusal_of(error, visit.support_id)
        return self._record(visit, identity, decision, token)

    def recognise(self, credentials: Credentials) -> tuple[SignIn | Absence, Identity | None]:
        """Return the sign-in, and who the provider says *now* that the person is."""
        sign_in = self.sign_ins.find(credentials.cookie)
        if isinstance(sign_in, Absence):
            return sign_in, None
        provider = self.providers.get(sign_in.identity.provider)
        return sign_in, provider.current(sign_in.identity) if provider else None

    def _record(
        self, visit: Visit, identity: Identity | None, decision: Decision, token: Token | None
    ) -> Token | Refuse:
        if token is not None:
            self.audit.write("token", "issued", visit, identity=identity, token=token)
            return token
        refusal = decision if isinstance(decision, Refuse) else Refuse(Code.INTERNAL_ERROR)
        self.audit.write(
            "token", refusal.code.value, visit, identity=identity, reason=refusal.reason
        )
        return refusal
