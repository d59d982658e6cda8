"""The command line: `usher`."""

from __future__ import annotations

from pathlib import Path

import click

from .audit import audit
from .check import check
from .db import db
from .demo import demo
from .doctor import doctor
from .embed import embed
from .inspect import inspect
from .keys import keys
from .outcomes import metrics, outcomes
from .pause import pause, resume
from .policy import policy
from .serve import serve
from .sign_ins import sign_ins
from .users import users


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="flask-usher", prog_name="usher")
@click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="The settings' file; else the one that USHER_SETTINGS names, else usher.toml.",
)
def main(settings: Path | None) -> None:
    """Run and look after Usher, which decides who may use the authenticated chat.

    \b
    To see it at work on this machine:  usher demo
    To set it up:                       usher keys --help
    To run it in production:            usher serve --help
    To see whether it would start:      usher check
    To find what is wrong:              usher doctor
    To put the chat on a page:          usher embed --help
    To learn why there is no chat:      usher policy explain --help
    To see what became of tokens:       usher outcomes
    To stop all tokens at once:         usher pause
    """


COMMANDS = (
    audit,
    check,
    db,
    demo,
    doctor,
    embed,
    inspect,
    keys,
    metrics,
    outcomes,
    pause,
    policy,
    resume,
    serve,
    sign_ins,
    users,
)
for command in COMMANDS:
    main.add_command(command)
