"""`usher check`: would the service start with these settings?"""

from __future__ import annotations

import click

from ..schema import is_current
from ..settings import Settings
from .context import Failure, open_state, store_failures


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Tell whether the service would start and could issue tokens.

    Checks the settings, the keys, the database and the audit log, and changes nothing. Lists
    every fault, with what was found and what is expected. Exits with 0 when all is well, else
    with 1.

    \b
    Example:
      usher --settings /etc/usher/usher.toml check
    """
    state = open_state(context)
    for line in _summary(state.settings):
        click.echo(line)
    with store_failures():
        state.audit.check()
        if not state.database.may_exist() or not is_current(state.database):
            raise Failure("the database's tables are missing or old. Run: usher db upgrade")
    click.echo("All is well.")


def _summary(settings: Settings) -> list[str]:
    token = settings.token
    rows = {
        "public address": settings.public_url + settings.url_prefix,
        "further origins": ", ".join(settings.allowed_origins) or "none",
        "signing key": f"{token.signing_key.source} ({token.signing_key.fingerprint})",
        "recipient key": f"{settings.recipient_key.source} "
        f"({settings.recipient_key.fingerprint})",
        "userId": token.user_id,
        "visitorData": ", ".join(sorted(token.visitor_data)) or "none",
        "token lifetime": f"{token.lifetime_seconds} s",
        "providers": ", ".join(settings.providers),
        "audit log": str(settings.audit.syslog or settings.audit.file or "stdout"),
        "sandbox": "ON: no real iAdvize" if settings.sandbox else "off",
    }
    return [f"{name:16} {value}" for name, value in rows.items()]
