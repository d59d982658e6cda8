"""`usher users`: the accounts of the local provider."""

from __future__ import annotations

import click


@click.group()
def users() -> None:
    """Look after the accounts that sign in with a password."""
