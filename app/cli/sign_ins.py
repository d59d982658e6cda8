"""`usher sign-ins`: who is signed in, and ending it."""

from __future__ import annotations

import click

from .context import COMMAND_LINE
from .local_accounts import AccountName, counted, local_accounts


@click.group("sign-ins")
def sign_ins() -> None:
    """Look after sign-ins."""


@sign_ins.command()
@click.option(
    "--account", metavar="NAME", type=AccountName(), help="End those of this local account."
)
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
    with local_accounts(context, to_change=True) as local:
        if account is None:
            count = local.state.sign_ins.end_all()
        else:
            count = local.end_sign_ins(local.find(account))
        local.state.audit.write("revocation", "sign-ins-ended", COMMAND_LINE, count=count)
    click.echo(f"Ended {counted(count, 'sign-in')}.")
