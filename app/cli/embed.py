"""`usher embed`: what to write on the pages, in the settings and into nginx."""

from __future__ import annotations

import re
from typing import Literal, cast

import click
from flask import Flask

from ..embedding import NONCE, Allowance, Embedding
from ..errors import SettingsError
from ..extension import Usher
from ..nginx_block import nginx_block
from ..page_origins import Relation, origin_of
from ..script_files import ScriptFile
from ..setting_types import is_loopback
from ..settings import Settings
from ..state import EXTENSION, State
from .context import Failure, load_settings, nobody, settings_failure

UPSTREAM = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")
UPDATES = """\
The integrity ties the page to the client of this release: after an update of Usher, browsers
refuse the new file, and there is no chat, until the pages have the new line. To update without
a gap, first write both hashes into the pages: integrity="sha384-OLD sha384-NEW"."""
IADVIZE = """\
iAdvize's tag needs its own hosts in the policy as well: ask iAdvize which, and add them."""
NONCES = f"Replace {NONCE}, on the page and in the header, by a new random value each time."
OTHER_SITE = """\
Warning: {page} and {service} are two sites. Browsers send no sign-in cookie from one to the
other: it is SameSite=Lax, and third-party cookies are blocked anyway. There will be no secured
chat. Give Usher a path, or a host name, of the page's own site, over the same scheme."""
PROXY = "Add nginx's address, as the service sees it, to proxy.trusted_addresses."
Part = Literal["page", "csp", "settings", "nginx"]
HEADINGS: dict[Part, str] = {
    "page": "The page, inside <head>",
    "csp": "The page's header Content-Security-Policy: what to add to it",
    "settings": "Usher's settings, usher.toml: what to change",
    "nginx": "nginx, in front of the service",
}


@click.command()
@click.option("--page", metavar="URL", help="A page that shows the chat; else public_url.")
@click.option("--classic", is_flag=True, help="For pages that have no modules.")
@click.option(
    "--nonce",
    "allowance",
    flag_value="nonce",
    help="The page's policy lets scripts run by a nonce, not by where they come from.",
)
@click.option(
    "--hash",
    "allowance",
    flag_value="hash",
    help="The page's policy lets scripts run by their hash.",
)
@click.option(
    "--upstream",
    metavar="HOST:PORT",
    default="127.0.0.1:8000",
    show_default=True,
    help="Where the service listens, as nginx reaches it.",
)
@click.option("--only", type=click.Choice(list(HEADINGS)), help="Print one part, to be piped.")
@click.pass_context
def embed(
    context: click.Context,
    page: str | None,
    classic: bool,
    allowance: str | None,
    upstream: str,
    only: Part | None,
) -> None:
    """Print what embeds the chat into a site, for these settings.

    The tag with its hash (Subresource Integrity), what to add to the page's Content Security
    Policy and to the settings, and the block for nginx. Changes nothing, asks nobody.

    \b
    Examples:
      usher embed --page https://www.shop.example/
      usher embed --only nginx > /etc/nginx/snippets/usher.conf
    """
    settings = load_settings(context)
    if not UPSTREAM.fullmatch(upstream):
        raise click.UsageError("--upstream: a host and a port, such as 127.0.0.1:8000.")
    embedding = Embedding(
        settings,
        page_origin(page) if page else settings.public_url,
        _served(context, settings, "usher.classic.js" if classic else "usher.js"),
        is_classic=classic,
        allowance=cast(Allowance, allowance or "origin"),
    )
    parts: dict[Part, str] = {
        "page": embedding.snippet,
        "csp": embedding.content_security_policy,
        "settings": _changes(embedding, upstream),
        "nginx": nginx_block(settings, upstream),
    }
    if only:
        click.echo(parts[only], nl=False)
    else:
        click.echo("\n".join(f"## {HEADINGS[it]}\n\n{parts[it]}" for it in parts), nl=False)
    for note in _notes(embedding, upstream):
        click.echo(f"\n{note}", err=True)


def page_origin(url: str) -> str:
    """Return the origin of a page that was named on the command line."""
    try:
        return origin_of(url)
    except ValueError as error:
        raise click.UsageError(
            "--page: an address such as https://www.shop.example/ without user name."
        ) from error


def _served(context: click.Context, settings: Settings, name: str) -> ScriptFile:
    """Return a script just as an app with these settings sends it."""
    app = Flask("flask_usher", static_folder=None)
    app.config["USHER"] = context.find_root().params.get("settings")
    try:
        Usher(app, identify=nobody)
    except SettingsError as error:
        raise settings_failure(error) from error
    state: State = app.extensions[EXTENSION]
    # A script needs no database, and this process is no worker.
    state.close()
    path = f"{settings.url_prefix}/static/{name}"
    with app.test_client().get(path, base_url=settings.public_url) as answer:
        if answer.status_code != 200:
            raise Failure(f"this release has no {name}")
        return ScriptFile(path, answer.get_data())


def _changes(embedding: Embedding, upstream: str) -> str:
    lines = embedding.allowed_origins or ""
    if not embedding.settings.proxy.trusted_addresses and _is_here(upstream):
        lines += '\n[proxy]\ntrusted_addresses = ["127.0.0.1"]\n'
    return lines.lstrip("\n") or "# Nothing.\n"


def _notes(embedding: Embedding, upstream: str) -> list[str]:
    notes = [UPDATES]
    if embedding.settings.sandbox is None:
        notes.append(IADVIZE)
    if embedding.allowance == "nonce":
        notes.append(NONCES)
    if not embedding.settings.proxy.trusted_addresses and not _is_here(upstream):
        notes.append(PROXY)
    if embedding.relation is Relation.CROSS_SITE:
        service = embedding.settings.public_url
        notes.append(OTHER_SITE.format(page=embedding.page, service=service))
    return notes


def _is_here(upstream: str) -> bool:
    return is_loopback(f"http://{upstream}")
