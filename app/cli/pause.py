"""`usher pause` and `usher resume`: the kill switch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..state import State
from .context import (
    COMMAND_LINE,
    demand_tables,
    load_settings_without_policy,
    open_state,
    store_failures,
)
from .times import moment

LONGEST_MESSAGE = 200


@click.command()
@click.option("--message", default="", help="Why: for colleagues and the audit log.")
@click.pass_context
def pause(context: click.Context, message: str) -> None:
    """Refuse everybody a token, on every host and within a second. Sign-ins stay.

    Pages then do what `policy.activation` says for the code `paused`: nothing, or an anonymous
    chat. The message is not shown to visitors.

    \b
    Example:
      usher pause --message "wrong conversations seen, incident 4711"
    """
    if len(message) > LONGEST_MESSAGE or not (message.isprintable() or not message):
        raise click.UsageError(
            f"The message: one line of at most {LONGEST_MESSAGE} characters."
        )
    with _recorded(context, "paused", message) as state:
        # Also when nobody can write that down.
        began = state.admission.pauses.pause(message).since
        click.echo(f"Paused since {moment(began)}. To end it: usher resume")


@click.command()
@click.pass_context
def resume(context: click.Context) -> None:
    """End the pause, on every host and within a second.

    \b
    Example:
      usher resume
    """
    with _recorded(context, "resumed", None) as state:
        state.audit.check()
        ended = state.admission.pauses.resume()
    click.echo("Tokens are issued again." if ended else "There was no pause.")


@contextmanager
def _recorded(context: click.Context, code: str, message: str | None) -> Iterator[State]:
    """Give the parts, whatever faults the policy has; write to the audit log afterwards."""
    state = open_state(context, load_settings_without_policy)
    with store_failures():
        demand_tables(state.database)
        yield state
        state.audit.write("pause", code, COMMAND_LINE, reason=message or None)
