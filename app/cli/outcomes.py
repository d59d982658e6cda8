"""`usher outcomes` and `usher metrics`: what became of tokens."""

from __future__ import annotations

import json
import threading
from collections import Counter
from datetime import datetime

import click

from ..outcomes.figures import ANONYMOUS, Figures, Series, series
from ..outcomes.rows import as_csv, as_object, by_number
from ..outcomes.tables import Event
from ..state import State
from ..timestamps import timestamp
from .context import Failure, demand_tables, open_state, store_failures
from .printable import printable
from .times import since_option

WIDTH = 34


@click.command()
@since_option("1d")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option(
    "--csv", "with_commas", is_flag=True, help="For spreadsheets: a line for each step."
)
@click.pass_context
def outcomes(context: click.Context, since: str, as_json: bool, with_commas: bool) -> None:
    """Tell what became of tokens, and why some were of no use.

    Pages report on their own; what they do not report is counted as such. The last seconds may
    be missing. Figures are kept for 90 days.

    \b
    Examples:
      usher outcomes
      usher outcomes --since 2h --json
      usher outcomes --since 30d --csv > outcomes.csv
    """
    if as_json and with_commas:
        raise click.UsageError("either --json or --csv")
    state = _current_state(context)
    with store_failures():
        found = series(state.database, datetime.fromisoformat(since).timestamp(), state.clock())
    if as_json:
        click.echo(json.dumps(as_object(found), indent=2))
    elif with_commas:
        click.echo(as_csv(found), nl=False)
    else:
        click.echo(_story(found))


@click.command()
@click.pass_context
def metrics(context: click.Context) -> None:
    """Serve metrics to Prometheus.

    The listener is the one that metrics.listen names.

    One such process is enough for all workers and hosts that share the database. Press Ctrl-C
    to stop.

    \b
    Example:
      usher metrics
    """
    state = _current_state(context)
    if state.settings.metrics is None:
        raise Failure('the settings have no [metrics] table; listen = "127.0.0.1:9464" in it')
    # Only this process needs the library.
    from prometheus_client import start_http_server

    from ..metrics import registry_of

    listen = state.settings.metrics.listen
    host, _, port = listen.rpartition(":")
    try:
        server, thread = start_http_server(int(port), host.strip("[]"), registry_of(state))
    except OSError as error:
        raise Failure(f"{listen} can't be had: {error.strerror}") from error
    click.echo(f"Metrics are at http://{listen}/metrics")
    try:
        threading.Event().wait()
    finally:
        server.shutdown()
        thread.join()


def _current_state(context: click.Context) -> State:
    state = open_state(context)
    with store_failures():
        demand_tables(state.database)
    return state


def _story(found: Series) -> str:
    whole = found.whole
    granted = whole.total(Event.GRANTED)
    lines = [
        f"From {timestamp(found.starts[0])} on",
        "",
        _row("tokens granted", granted),
        _row("activated", whole.activated, granted),
        _row("never activated", whole.never_activated, granted),
        _row("  iAdvize said no", whole.total(Event.FAILED)),
        _row("  no report", whole.unreported),
        _row("refused", whole.total(Event.REFUSED)),
        _row("anonymous chats", whole.of(Event.ACTIVATED)[ANONYMOUS]),
        *_labels("Refused, by code", whole.of(Event.REFUSED)),
        *_labels("Failed, by reason", whole.of(Event.FAILED)),
        *_labels("Pages without an answer, by code", whole.of(Event.ERROR)),
        *_medians(whole),
    ]
    return "\n".join(lines)


def _row(name: str, number: int, of: int | None = None) -> str:
    share = f"{100 * number / of:7.1f} %" if of else ""
    return f"  {name:{WIDTH}}{number:>10,}{share}"


def _labels(title: str, labels: Counter[str]) -> list[str]:
    rows = [_row(printable(label), number) for label, number in by_number(labels)]
    return ["", title, *rows] if rows else []


def _medians(whole: Figures) -> list[str]:
    shown = (
        ("until the token was there", Event.TOKEN_MS, "ms"),
        ("until the chat was active", Event.ACTIVATED_MS, "ms"),
        ("of the token's life left", Event.TOKEN_LIFE, "s"),
    )
    rows = [
        f"  {name:{WIDTH}}{median:>10,.0f} {unit}"
        for name, event, unit in shown
        if (median := whole.median(event)) is not None
    ]
    return ["", "Medians", *rows] if rows else []
