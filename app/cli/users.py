"""`usher users`: the accounts of the local provider."""

from __future__ import annotations

import click

from flask_usher.providers.accounts import NameTaken

from ..account_files.fields import (
    CLAIM_FIELDS,
    CUSTOM_PREFIX,
    Draft,
    FieldFault,
    is_claim_field,
)
from .context import Failure
from .local_accounts import AccountName, counted, local_accounts
from .users_import import import_accounts
from .users_list import list_accounts, show


@click.group()
def users() -> None:
    """Look after the accounts that sign in with a password."""


@users.command()
@click.argument("name", type=AccountName())
@click.option("--group", "groups", multiple=True, help="A group; may be given again.")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="FIELD=VALUE",
    help="What is known of the person, such as email=…; may be given again.",
)
@click.option("--disabled", is_flag=True, help="Make it, but let nobody sign in yet.")
@click.pass_context
def add(
    context: click.Context,
    name: str,
    groups: tuple[str, ...],
    claims: tuple[str, ...],
    disabled: bool,
) -> None:
    """Make an account.

    The password is asked for. A program gives it as one line on the standard input.
    Claims of the person's own go as claim:NAME=VALUE.

    \b
    Examples:
      usher users add jane --claim given_name=Jane --group vip
      pass show shop/jane | usher users add jane --claim claim:customer=4711
    """
    draft = _draft(name, groups, claims)
    draft.active = not disabled
    with local_accounts(context, to_change=True) as local:
        if local.accounts.by_name(name) is not None:
            raise _taken(name)
        password_hash = local.hash_new_password(draft.names())
        try:
            account = local.accounts.add(draft.account(password_hash))
        except NameTaken:
            raise _taken(name) from None
        local.record("added", account)
    click.echo(f"Added {account.name}, account id {account.id}.")


@users.command()
@click.argument("name", type=AccountName())
@click.pass_context
def disable(context: click.Context, name: str) -> None:
    """Keep a person out, from now on and everywhere.

    Their sign-ins end at once, and no further chat token is issued to them.

    \b
    Example:
      usher users disable jane
    """
    with local_accounts(context, to_change=True) as local:
        account = local.find(name)
        local.accounts.set_active(account.id, False)
        ended = local.end_sign_ins(account)
        local.record("disabled", account, count=ended)
    click.echo(f"Disabled {name}; ended {counted(ended, 'sign-in')}.")


@users.command()
@click.argument("name", type=AccountName())
@click.pass_context
def enable(context: click.Context, name: str) -> None:
    """Let a person in again, who then has to sign in.

    \b
    Example:
      usher users enable jane
    """
    with local_accounts(context, to_change=True) as local:
        account = local.find(name)
        if account.damage is not None:
            raise Failure(f"{name} can't be enabled: {account.damage}")
        local.accounts.set_active(account.id, True)
        local.record("enabled", account)
    click.echo(f"Enabled {name}.")


@users.command()
@click.argument("name", type=AccountName())
@click.pass_context
def passwd(context: click.Context, name: str) -> None:
    """Set a new password.

    Whoever is signed in with the old one no longer is.

    The password is asked for. A program gives it as one line on the standard input.

    \b
    Examples:
      usher users passwd jane
      pass show shop/jane | usher users passwd jane
    """
    with local_accounts(context, to_change=True) as local:
        account = local.find(name)
        called = Draft(name=name, claims=dict(account.claims)).names()
        local.accounts.set_password(account.id, local.hash_new_password(called))
        ended = local.end_sign_ins(account)
        local.record("password-set", account, count=ended)
    click.echo(f"Set the password of {name}; ended {counted(ended, 'sign-in')}.")


@users.command()
@click.argument("name", type=AccountName())
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete(context: click.Context, name: str, yes: bool) -> None:
    """Remove an account for good. To keep a person out for a while, disable it.

    A new account of the same name will be somebody else: it gets another id, and so another
    history of chats.

    \b
    Example:
      usher users delete jane
    """
    with local_accounts(context, to_change=True) as local:
        account = local.find(name)
        if not yes:
            typed: str = click.prompt(f"Type {name} to delete it for good", err=True)
            if typed.strip() != name:
                raise Failure(f"that is not the name: {name} is still there")
        local.accounts.delete(account.id)
        ended = local.end_sign_ins(account)
        local.record("deleted", account, count=ended)
    click.echo(f"Deleted {name}; ended {counted(ended, 'sign-in')}.")


def _draft(name: str, groups: tuple[str, ...], claims: tuple[str, ...]) -> Draft:
    draft = Draft(name=name)
    try:
        draft.take("groups", list(groups))
        for claim in claims:
            field, separator, value = claim.partition("=")
            if not separator or not is_claim_field(field):
                raise FieldFault(f"--claim must be FIELD=VALUE. {_KNOWN_CLAIMS}")
            draft.take(field, value)
    except FieldFault as fault:
        raise click.UsageError(f"{fault}.") from None
    return draft


_KNOWN_CLAIMS = (
    f"The fields are {', '.join(CLAIM_FIELDS)}, and {CUSTOM_PREFIX}NAME for claims of your own"
)


def _taken(name: str) -> Failure:
    return Failure(f"there is an account {name} already. Try: usher users show {name}")


for command in (import_accounts, list_accounts, show):
    users.add_command(command)
