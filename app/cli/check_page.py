"""`usher check --page`: is all well between a page and the running service?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import click

from ..findings import Finding, ok
from ..key_findings import key_findings
from ..page_findings import findings
from ..page_probe import Probe, Unreachable
from ..settings import Settings
from .printable import printable


def check_page(settings: Settings, page: str, ca_file: Path | None, as_json: bool) -> bool:
    """Print the findings for pages of an origin; tell whether none of them is a fault."""
    found = list(_findings(settings, page, ca_file))
    is_well = not any(it.verdict == "fault" for it in found)
    if as_json:
        body = {
            "page": page,
            "service": settings.public_url + settings.url_prefix,
            "ok": is_well,
            "findings": [asdict(it) for it in found],
        }
        click.echo(json.dumps(body, indent=2))
        return is_well
    click.echo(f"{page} asks {settings.public_url}{settings.url_prefix}\n")
    for it in found:
        click.echo(f"{it.verdict:8} {it.check:26} {printable(it.found)}")
        if it.remedy:
            click.echo(f"{'':8} {it.remedy}")
    return is_well


def _findings(settings: Settings, page: str, ca_file: Path | None) -> Iterator[Finding]:
    script = (resources.files("flask_usher") / "static/usher.js").read_bytes()
    address = f"{settings.public_url}{settings.url_prefix}"
    try:
        answers = Probe(settings, page, ca_file).ask()
    except Unreachable as error:
        remedy = "Look at the name, the firewall, the certificate and the server in front."
        yield Finding("connection", "fault", f"{address}: {error}", remedy)
    else:
        trust = "the certificate is trusted" if settings.secure else "plain http, on loopback"
        yield ok("connection", f"{address} answers; {trust}")
        yield from findings(settings, page, answers, script)
    yield from key_findings(settings)
