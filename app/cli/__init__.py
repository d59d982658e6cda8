"""The command line: `usher`."""

from __future__ import annotations

import click

from .users import users


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flask-usher", prog_name="usher")
def main() -> None:
    """Run and look after Usher, which decides who may use the authenticated chat."""


main.add_command(users)
