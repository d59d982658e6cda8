"""Signing in and out: limits, the provider, the record, the audit line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask_usher.providers.base import (
    Completion,
    CredentialsRefused,
    FormProvider,
    Identity,
    Provider,
    ProviderUnavailable,
    RedirectProvider,
    SignInDeclined,
    SignInFailed,
)

from .audit import AuditLog, Visit
from .errors import Code, Rejected, UsherError
from .limits import Limits
from .policy import Refuse
from .refusals import refusal_of
from .sign_ins import Attempt, SignIns


@dataclass(frozen=True, slots=True)
class Authentication:
    """The providers that people sign in with, and what stands around them.

    Every method raises `AuditUnavailable`, and what it did before is undone.
    """

    providers: Mapping[str, Provider]
    sign_ins: SignIns
    limits: Limits
    audit: AuditLog

    @property
    def form(self) -> FormProvider | None:
        """The provider whose form stands on the sign-in page, if there is one."""
        forms = (it for it in self.providers.values() if isinstance(it, FormProvider))
        return next(forms, None)

    def redirect(self, name: str) -> RedirectProvider:
        """Return the provider of this name that people are sent to. Raises `Rejected`."""
        provider = self.providers.get(name)
        if not isinstance(provider, RedirectProvider):
            raise Rejected(Code.NOT_FOUND)
        return provider

    def sign_in(
        self, form: Mapping[str, str], old_cookie: str | None, visit: Visit
    ) -> str | Refuse:
        """Sign in whoever filled in the form: return the value of their new cookie.

        The sign-in of `old_cookie` ends. The refusal `sign-in-failed` never says outside
        whether the name or the password was wrong.
        """
        provider = self.form
        if provider is None:
            raise Rejected(Code.NOT_FOUND)
        account = provider.account_key(form)

        def create() -> tuple[Identity, str]:
            identity = self._prove(provider, form, account, visit)
            return identity, self.sign_ins.create(Completion(identity), replacing=old_cookie)

        return self._establish(create, Code.SIGN_IN_FAILED, visit, provider.name, account)

    def finish(
        self,
        attempt: Attempt,
        query: Mapping[str, Sequence[str]],
        *,
        redirect_uri: str,
        old_cookie: str | None,
        visit: Visit,
    ) -> str | Refuse:
        """Finish an attempt with what the provider answered: return the new cookie's value.

        The sign-in of `old_cookie` ends.
        """
        provider = self.redirect(attempt.provider)

        def create() -> tuple[Identity, str]:
            with self.limits.credentials(visit.address, SignInFailed):
                if not self.sign_ins.use_attempt(attempt.state):
                    raise SignInFailed("attempt-replayed")
                completion = provider.complete(
                    query, attempt.secrets, redirect_uri=redirect_uri
                )
            return completion.identity, self.sign_ins.create(
                completion, replacing=old_cookie, begun_at=attempt.begun_at
            )

        return self._establish(create, Code.SIGN_IN_REJECTED, visit, provider.name)

    def sign_out(self, cookie: str | None, return_to: str, visit: Visit) -> str | None:
        """End the sign-in of this cookie, if there is one.

        Return the address of the provider's own sign-out, which sends the visitor on to
        `return_to`, or `None`.
        """
        try:
            ended = self.sign_ins.end(cookie)
        except UsherError as error:
            self.audit.write("sign-out", error.code, visit)
            raise
        if ended is None:
            return None
        person = Identity(provider=ended.provider, subject=ended.subject, signed_in_at=0)
        self.audit.write("sign-out", "signed-out", visit, identity=person)
        provider = self.providers.get(ended.provider)
        if not isinstance(provider, RedirectProvider):
            return None
        try:
            return provider.logout_url(id_token=ended.id_token, return_to=return_to)
        except ProviderUnavailable:
            return None

    def provider_logout(self, name: str, logout_token: str, visit: Visit) -> Refuse | None:
        """End what the provider says has ended; return why not, where it is not believed."""
        provider = self.redirect(name)
        count: int | None = None
        try:
            with self.limits.credentials(visit.address, CredentialsRefused):
                notice = provider.logout_notice(logout_token)
            count = self.sign_ins.end_by(name, notice)
            refusal = Refuse(Code.MALFORMED_REQUEST, "replayed") if count is None else None
        except CredentialsRefused as error:
            refusal = Refuse(Code.MALFORMED_REQUEST, error.reason)
        except Exception as error:
            refusal = refusal_of(error, visit.support_id)
        code, reason = (
            ("sign-ins-ended", None) if refusal is None else (refusal.code, refusal.reason)
        )
        self.audit.write(
            "provider-logout", code, visit, provider=name, reason=reason, count=count
        )
        return refusal

    def _establish(
        self,
        create: Callable[[], tuple[Identity, str]],
        failure_code: Code,
        visit: Visit,
        provider: str,
        account: str | None = None,
    ) -> str | Refuse:
        try:
            identity, cookie = create()
        except SignInDeclined as answer:
            refusal = Refuse(Code.SIGN_IN_DECLINED, answer.reason)
        except SignInFailed as failure:
            refusal = Refuse(failure_code, failure.reason)
        except Exception as error:
            refusal = refusal_of(error, visit.support_id)
        else:
            self._record(identity, account, cookie, visit)
            return cookie
        self.audit.write(
            "sign-in",
            refusal.code,
            visit,
            provider=provider,
            account=account,
            reason=refusal.reason,
        )
        return refusal

    def _record(
        self, identity: Identity, account: str | None, cookie: str, visit: Visit
    ) -> None:
        try:
            self.audit.write("sign-in", "signed-in", visit, identity=identity, account=account)
        except UsherError:
            self.sign_ins.end(cookie)
            raise

    def _prove(
        self, provider: FormProvider, form: Mapping[str, str], account: str, visit: Visit
    ) -> Identity:
        with self.limits.sign_in(account, visit.address, SignInFailed):
            return provider.sign_in(form)
