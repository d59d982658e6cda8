"""What the commands for accounts have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click

from flask_usher.providers.account_names import UnusableName, canonical_name
from flask_usher.providers.accounts import Account, Accounts
from flask_usher.providers.base import Identity, ProviderUnavailable
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.password_strength import weakness
from flask_usher.providers.passwords import MAX_BYTES, Passwords, prepare

from ..state import State
from .context import (
    COMMAND_LINE,
    Failure,
    demand_tables,
    load_settings_without_policy,
    local_provider,
    open_state,
    store_failures,
)


class AccountName(click.ParamType[str]):
    """An argument that is the name of an account, in any spelling."""

    name = "name"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the canonical form."""
        try:
            return canonical_name(value)
        except UnusableName as error:
            self.fail(f"no account can have this name: {error}.", param, ctx)


@dataclass(frozen=True, slots=True)
class LocalAccounts:
    """The accounts, and what else changes when they do."""

    state: State
    provider: LocalProvider

    @property
    def accounts(self) -> Accounts:
        """The table."""
        return self.provider.accounts

    @property
    def passwords(self) -> Passwords:
        """What hashes."""
        return self.provider.passwords

    @property
    def site(self) -> str:
        """What the site is called."""
        return self.state.settings.public_host

    def find(self, name: str) -> Account:
        """Return the account of this name."""
        account = self.accounts.by_name(name)
        if account is None:
            raise Failure(f"there is no account {name}. Try: usher users list")
        return account

    def end_sign_ins(self, account: Account) -> int:
        """End what this person has signed in to; return how many sign-ins that were."""
        return self.state.sign_ins.end_all_of(self.provider.name, account.id)

    def record(
        self, code: str, account: Account | None = None, *, count: int | None = None
    ) -> None:
        """Write to the audit log what was done."""
        identity, name = None, None
        if account is not None:
            name = account.name
            identity = Identity(provider=self.provider.name, subject=account.id, signed_in_at=0)
        self.state.audit.write(
            "account", code, COMMAND_LINE, identity=identity, account=name, count=count
        )

    def hash_new_password(self, about: tuple[str, ...]) -> str:
        """Ask for a new password and return its hash.

        It comes from the terminal, twice and unseen, or else is a line on the standard input.
        """
        text = _typed_password() if sys.stdin.isatty() else _piped_password()
        reason = weakness(text, about=(self.site, *about))
        if reason is not None:
            raise Failure(f"this password can't be used: {reason}")
        return self.passwords.hash(prepare(text))


@contextmanager
def local_accounts(context: click.Context, *, to_change: bool) -> Iterator[LocalAccounts]:
    """Open the accounts; make what goes wrong with them the failure of the command.

    Nothing can be changed while the audit log can't be written.
    """
    state = open_state(context, load_settings_without_policy)
    try:
        with store_failures():
            demand_tables(state.database)
            if to_change:
                state.audit.check()
            yield LocalAccounts(state, local_provider(state))
    except ProviderUnavailable as error:
        raise Failure(f"the password could not be hashed: {error}") from error
    finally:
        state.close()


def counted(number: int, thing: str) -> str:
    """Return the number and the thing, in the plural where it takes one."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _typed_password() -> str:
    typed: str = click.prompt(
        "New password", hide_input=True, confirmation_prompt="The same again", err=True
    )
    return typed


def _piped_password() -> str:
    line = sys.stdin.buffer.readline(MAX_BYTES + 3)
    if not line:
        raise Failure("no password: give it as one line on the standard input")
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise Failure("this password can't be used: it is not UTF-8") from None
