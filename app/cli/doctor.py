"""`usher doctor`: everything that is commonly wrong, each with its remedy."""

from __future__ import annotations

import json
import logging
import sys
import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from ..doctor.examination import examine
from ..findings import Finding
from .printable import printable

WIDTH = 80
INDENT = 10
COLOURS = {"ok": "green", "warning": "yellow", "fault": "red"}
PLURALS = {"ok": "ok", "warning": "warnings", "fault": "faults"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 for a warning too.")
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Trust these certificates (PEM) at public_url instead of the public ones.",
)
@click.pass_context
def doctor(context: click.Context, as_json: bool, strict: bool, ca_file: Path | None) -> None:
    """Find everything that is commonly wrong, with its remedy.

    Looks at the settings, keys, files, stores, workers and identity providers, and asks the
    running service at public_url as browsers do. It changes nothing. Run it on a host that
    serves, as the user that the service has. Each network call ends within seconds.

    A finding is ok, a warning or a fault. Exits with 1 when there is a fault, else with 0.

    \b
    Examples:
      usher doctor
      usher --settings /etc/usher/usher.toml doctor --json
    """
    # What is wrong is told once, as a finding.
    logging.getLogger("flask_usher").addHandler(logging.NullHandler())
    config: Path | None = context.find_root().params.get("settings")
    counts: Counter[str] = Counter()
    found = []
    for family, findings in examine(config, ca_file):
        _begin(family, as_json)
        for it in findings:
            counts[it.verdict] += 1
            found.append({"family": family} | asdict(it))
            if not as_json:
                _show(it)
    is_well = not counts["fault"] and not (strict and counts["warning"])
    if as_json:
        body = {"ok": is_well, "counts": {it: counts[it] for it in COLOURS}, "findings": found}
        click.echo(json.dumps(body, indent=2))
    else:
        click.echo("\n" + ", ".join(_counted(verdict, counts[verdict]) for verdict in COLOURS))
    context.exit(0 if is_well else 1)


def _begin(family: str, as_json: bool) -> None:
    """Tell what is looked at now: some of it takes seconds."""
    if not as_json:
        click.secho(f"\n{family}", bold=True)
    elif sys.stderr.isatty():
        click.echo(f"{family} …", err=True)


def _show(finding: Finding) -> None:
    verdict = click.style(f"{finding.verdict:8}", fg=COLOURS[finding.verdict])
    head, *rest = _wrapped(f"{finding.check}: {finding.found}")
    click.echo(f"  {verdict}{head}")
    for line in rest:
        click.echo(" " * INDENT + line)
    for text in (finding.why, finding.remedy and f"-> {finding.remedy}"):
        for line in _wrapped(text):
            click.echo(" " * INDENT + line)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        printable(text), WIDTH - INDENT, break_long_words=False, break_on_hyphens=False
    )


def _counted(verdict: str, count: int) -> str:
    return f"{count} {verdict if count == 1 else PLURALS[verdict]}"
