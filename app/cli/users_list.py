"""`usher users list` and `show`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click

from flask_usher.providers.accounts import Account, Accounts

from ..timestamps import timestamp
from .local_accounts import AccountName, local_accounts
from .printable import printable

NAME_WIDTH = 24


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def list_accounts(context: click.Context, as_json: bool) -> None:
    """List all accounts by name.

    \b
    Examples:
      usher users list
      usher users list --json | jq -r 'select(.active | not) | .name'
    """
    with local_accounts(context, to_change=False) as local:
        if not as_json:
            click.echo(_row("NAME", "STATE", "SINCE", "GROUPS"))
        for account in _all(local.accounts):
            if as_json:
                click.echo(json.dumps(_as_json(account)))
            else:
                since = timestamp(account.created_at)[:10]
                groups = ", ".join(account.groups)
                click.echo(_row(account.name, _state(account), since, groups))


@click.command()
@click.argument("name", type=AccountName())
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@click.pass_context
def show(context: click.Context, name: str, as_json: bool) -> None:
    """Show what is known of one person. Passwords and their hashes are never shown.

    \b
    Example:
      usher users show jane
    """
    with local_accounts(context, to_change=False) as local:
        account = local.find(name)
    if as_json:
        click.echo(json.dumps(_as_json(account), indent=2))
        return
    rows = {
        "name": account.name,
        "account id": account.id,
        "state": f"{_state(account)}{f': {account.damage}' if account.damage else ''}",
        "groups": ", ".join(account.groups) or "none",
        "made": timestamp(account.created_at),
        "changed": timestamp(account.updated_at),
    }
    rows |= {claim: _shown(value) for claim, value in account.claims.items()}
    width = max(map(len, rows)) + 2
    for label, value in rows.items():
        click.echo(f"{label:{width}}{printable(value)}")


def _all(accounts: Accounts) -> Iterator[Account]:
    page = accounts.page()
    while page:
        yield from page
        page = accounts.page(after=page[-1].name)


def _state(account: Account) -> str:
    if account.damage is not None:
        return "damaged"
    return "active" if account.active else "disabled"


def _row(name: str, state: str, since: str, groups: str) -> str:
    row = f"{name:{NAME_WIDTH}}  {state:8}  {since:10}  {groups}"
    return printable(row.rstrip())


def _as_json(account: Account) -> dict[str, object]:
    return {
        "id": account.id,
        "name": account.name,
        "active": account.active,
        "damage": account.damage,
        "groups": account.groups,
        "claims": account.claims,
        "created_at": timestamp(account.created_at),
        "updated_at": timestamp(account.updated_at),
    }


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
