"""Signing in with a form, and signing out: limits, the provider, the record, the audit line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask_usher.providers.base import FormProvider, Identity, SignInFailed

from .audit import AuditLog, Visit
from .errors import Code, UsherError
from .limits import Limits, address_key
from .policy import Refuse
from .refusals import refusal_of
from .sign_ins import SignIns


@dataclass(frozen=True, slots=True)
class Authentication:
    """The form provider and what stands around it."""

    provider: FormProvider
    sign_ins: SignIns
    limits: Limits
    audit: AuditLog

    def sign_in(
        self, form: Mapping[str, str], old_cookie: str | None, visit: Visit
    ) -> str | Refuse:
        """Sign in whoever filled in the form: return the value of their new cookie.

        The sign-in of `old_cookie` ends. The refusal `sign-in-failed` never says outside
        whether the name or the password was wrong. Raises `AuditUnavailable`.
        """
        account = self.provider.account_key(form)
        try:
            identity = self._prove(form, account, visit)
            cookie = self.sign_ins.create(identity, replacing=old_cookie)
        except SignInFailed as failure:
            refusal = Refuse(Code.SIGN_IN_FAILED, failure.reason)
        except Exception as error:
            refusal = refusal_of(error, visit.support_id)
        else:
            self._record(identity, account, cookie, visit)
            return cookie
        self.audit.write("sign-in", refusal.code, visit, account=account, reason=refusal.reason)
        return refusal

    def sign_out(self, cookie: str | None, visit: Visit) -> None:
        """End the sign-in of this cookie, if there is one."""
        try:
            ended = self.sign_ins.end(cookie)
        except UsherError as error:
            self.audit.write("sign-out", error.code, visit)
            raise
        if ended:
            self.audit.write("sign-out", "signed-out", visit)

    def _record(self, identity: Identity, account: str, cookie: str, visit: Visit) -> None:
        try:
            self.audit.write("sign-in", "signed-in", visit, identity=identity, account=account)
        except UsherError:
            self.sign_ins.end(cookie)
            raise

    def _prove(self, form: Mapping[str, str], account: str, visit: Visit) -> Identity:
        limits = self.limits
        with (
            limits.failures_per_account.trying(account, SignInFailed),
            limits.failures_per_address.trying(address_key(visit.address), SignInFailed),
        ):
            limits.sign_ins.count()
            return self.provider.sign_in(form)
