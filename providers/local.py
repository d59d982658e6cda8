"""Sign-in with a name and a password, against the accounts table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .account_names import NO_NAME, UnusableName, canonical_name
from .accounts import Account, Accounts, Credentials
from .base import AccountFacts, Identity, SignInFailed
from .passwords import Passwords, UnusablePassword, is_outdated, is_usable_hash, prepare

AMR_PASSWORD = ("pwd",)
"""How the person proved who they are, in the values of RFC 8176."""


class LocalProvider:
    """A form provider. `clock` gives seconds since 1970.

    The reasons in `SignInFailed` are `malformed`, `unknown-account`, `wrong-password` and, for
    those who know the password, `account-disabled` and `account-damaged`.
    """

    def __init__(
        self,
        name: str,
        accounts: Accounts,
        clock: Callable[[], float],
        *,
        passwords: Passwords | None = None,
    ) -> None:
        self.name = name
        self.accounts = accounts
        self.passwords = passwords or Passwords()
        self._clock = clock

    def sign_in(self, form: Mapping[str, str]) -> Identity:
        """Return the person who filled in `form` (`username`, `password`).

        One password is verified whether or not there is such an account, so that the time
        taken does not tell which names exist.
        """
        try:
            password = prepare(form.get("password", ""))
        except UnusablePassword:
            raise SignInFailed("malformed") from None
        try:
            credentials, absence = self.accounts.credentials(_username(form)), "unknown-account"
        except UnusableName:
            credentials, absence = None, "malformed"
        stored = _usable_hash(credentials)
        verified = self.passwords.verify(password, stored)
        if credentials is None:
            raise SignInFailed(absence)
        if stored is None:
            raise SignInFailed("account-damaged")
        if not verified:
            raise SignInFailed("wrong-password")
        account = credentials.account
        if not account.active:
            raise SignInFailed("account-damaged" if account.damage else "account-disabled")
        if is_outdated(stored):
            self.accounts.rehash(account.id, stored, self.passwords.hash(password))
        return self._identity(account, self._clock())

    def current(self, identity: Identity) -> Identity | None:
        """Return what is true of this person now.

        `None` when the account is gone or disabled, or had a new password since the sign-in.
        """
        account = self.accounts.by_id(identity.subject)
        if account is None or not account.active or account.epoch != identity.epoch:
            return None
        return self._identity(account, identity.signed_in_at)

    def account_key(self, form: Mapping[str, str]) -> str:
        """Return the canonical name; `NO_NAME` for all that can be none."""
        try:
            return canonical_name(_username(form))
        except UnusableName:
            return NO_NAME

    def _identity(self, account: Account, signed_in_at: float) -> Identity:
        return Identity(
            provider=self.name,
            subject=account.id,
            signed_in_at=signed_in_at,
            claims={**account.claims, "preferred_username": account.name},
            groups=account.groups,
            amr=AMR_PASSWORD,
            epoch=account.epoch,
            account=AccountFacts(name=account.name, created_at=account.created_at),
        )


def _username(form: Mapping[str, str]) -> str:
    return form.get("username", "")


def _usable_hash(credentials: Credentials | None) -> str | None:
    if credentials is None or not is_usable_hash(credentials.password_hash):
        return None
    return credentials.password_hash
