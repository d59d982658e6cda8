"""`usher sign-ins`: who is signed in, and ending it."""

from __future__ import annotations

import click

from flask_usher.providers.account_names import UnusableName
from flask_usher.providers.local import LocalProvider

from .context import COMMAND_LINE, Failure, local_provider, open_state, store_failures


@click.group("sign-ins")
def sign_ins() -> None:
    """Look after sign-ins."""


@sign_ins.command()
@click.option("--account", metavar="NAME", help="End those of this local account.")
@click.option("--all", "everybody", is_flag=True, help="End those of everybody.")
@click.pass_context
def revoke(context: click.Context, account: str | None, everybody: bool) -> None:
    """End sign-ins, at once and on every worker and host.

    \b
    Examples:
      usher sign-ins revoke --account jane
      usher sign-ins revoke --all
    """
    if (account is None) is not everybody:
        raise click.UsageError("Give either --account NAME or --all.")
    state = open_state(context)
    with store_failures():
        if account is None:
            count = state.sign_ins.end_all()
        else:
            count = state.sign_ins.end_all_of(*_person(local_provider(state), account))
        state.audit.write("revocation", "sign-ins-ended", COMMAND_LINE, count=count)
    click.echo(f"Ended {count} sign-in{'' if count == 1 else 's'}.")


def _person(provider: LocalProvider, name: str) -> tuple[str, str]:
    try:
        account = provider.accounts.by_name(name)
    except UnusableName as error:
        raise Failure(f"no account can have that name: {error}") from error
    if account is None:
        raise Failure(f"there is no account {name}")
    return provider.name, account.id
