"""`usher check`: would the service start with these settings, and do pages get an answer?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import SettingsError
from ..keys import AnyKey
from ..production import store_faults
from ..settings import Settings
from .check_page import check_page
from .context import load_settings, open_state, settings_failure
from .embed import page_origin


@click.command()
@click.option("--page", metavar="URL", help="A page with the chat: ask the service for it.")
@click.option("--json", "as_json", is_flag=True, help="With --page: print JSON.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="With --page: trust these certificates (PEM) instead of the public ones.",
)
@click.pass_context
def check(
    context: click.Context, page: str | None, as_json: bool, ca_file: Path | None
) -> None:
    """Tell whether the service would start and could issue tokens.

    Checks the settings, the keys, the database and the audit log, and changes nothing. Lists
    every fault, with what was found and what is expected. Exits with 0 when all is well, else
    with 1. For everything else that may be wrong there is `usher doctor`.

    With --page it asks the running service at public_url instead, as a browser would that shows
    that page to nobody who is signed in: cookies, CORS, headers, redirects, clock, certificate,
    proxy headers and usher.js. Each finding is ok, a warning or a fault, and says what to
    change. With a fault it exits with 1.

    \b
    Examples:
      usher --settings /etc/usher/usher.toml check
      usher check --page https://www.shop.example/
    """
    if page is not None:
        origin = page_origin(page)
        if not check_page(load_settings(context), origin, ca_file, as_json):
            context.exit(1)
        return
    if as_json or ca_file is not None:
        raise click.UsageError("--json and --ca-file go with --page.")
    state = open_state(context)
    for line in _summary(state.settings):
        click.echo(line)
    faults = tuple(store_faults(state))
    if faults:
        raise settings_failure(SettingsError(faults))
    click.echo("All is well.")


def _listed(keys: Sequence[AnyKey]) -> str:
    return ", ".join(f"{it.source} ({it.fingerprint})" for it in keys)


def _summary(settings: Settings) -> list[str]:
    token = settings.token
    rows = {
        "public address": settings.public_url + settings.url_prefix,
        "further origins": ", ".join(settings.allowed_origins) or "none",
        "signing key": _listed(token.signing_key),
        "recipient key": _listed(settings.recipient_keys),
        "userId": token.user_id,
        "visitorData": ", ".join(sorted(token.visitor_data)) or "none",
        "token lifetime": f"{token.lifetime_seconds} s",
        "providers": ", ".join(settings.providers),
        "audit log": str(settings.audit.syslog or settings.audit.file or "stdout"),
        "sandbox": "ON: no real iAdvize" if settings.sandbox else "off",
    }
    return [f"{name:16} {value}" for name, value in rows.items()]
