"""The steps of `usher keys` that replace a key in force by another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from ..key_rotation import Ceremony, Purpose, StepRefused
from ..keys import public_pem
from ..state import State
from .context import (
    COMMAND_LINE,
    Failure,
    demand_tables,
    load_settings_without_policy,
    open_state,
    store_failures,
)

recipient_option = click.option(
    "--recipient",
    "purpose",
    flag_value=Purpose.RECIPIENT,
    default=Purpose.SIGNING,
    type=Purpose,
    help="iAdvize's key, for which tokens are encrypted, instead of the one that signs.",
)


@dataclass(frozen=True, slots=True)
class _Step:
    ceremony: Ceremony
    record: Callable[[str, str], None]
    """Writes a step and the key's fingerprint to the audit log."""


@click.command()
@click.argument("key", required=False)
@recipient_option
@click.pass_context
def stage(context: click.Context, key: str | None, purpose: Purpose) -> None:
    """Make a new key the next one, and print it for iAdvize.

    The settings list it already. KEY is its source as there, or its fingerprint; it may be left
    out while there is one new key only. The public key goes to the standard output, all else to
    the standard error. Nothing changes for tokens yet.

    \b
    Examples:
      usher keys stage > for-iadvize.pem
      usher keys stage --recipient iadvize-2027.pem
    """
    with _step(context, purpose) as step:
        staged = step.ceremony.stage(key)
        step.record("staged", staged.fingerprint)
    click.echo(public_pem(staged.public_key), nl=False)
    click.echo(f"Staged as the next {purpose} key: {staged.source}", err=True)
    click.echo(f"Fingerprint: {staged.fingerprint}", err=True)
    if purpose is Purpose.SIGNING:
        told = "Send iAdvize the public key above, and compare the fingerprint by telephone."
    else:
        told = "Compare the fingerprint with iAdvize by telephone, and agree on the moment."
    click.echo(f"Next: {told} Then: {step.ceremony.command('confirm')} FINGERPRINT", err=True)


@click.command()
@click.argument("fingerprint")
@recipient_option
@click.pass_context
def confirm(context: click.Context, fingerprint: str, purpose: Purpose) -> None:
    """Note that iAdvize has confirmed the next key.

    Type the FINGERPRINT that iAdvize gives, not the one that this service prints: only so is it
    the same key on both sides.

    \b
    Example:
      usher keys confirm SHA256:2Jw0mB5mHh0u2d4pE1yqQ8c1hBv0m5S5dO8bQyJ7k3s
    """
    with _step(context, purpose) as step:
        confirmed = step.ceremony.confirm(fingerprint)
        step.record("confirmed", confirmed.fingerprint)
    click.echo(f"Confirmed. Next: {step.ceremony.command('switch')}")


@click.command()
@recipient_option
@click.pass_context
def switch(context: click.Context, purpose: Purpose) -> None:
    """Put the next key into force.

    It is so on every host within a second. It must be confirmed, and every worker must have it.
    The key before becomes the previous one.

    \b
    Example:
      usher keys switch
    """
    with _step(context, purpose) as step:
        key = step.ceremony.switch()
        step.record("switched", key.fingerprint)
    command = step.ceremony.command
    click.echo(f"In force within a second: {key.fingerprint}")
    click.echo(f"To go back: {command('rollback')}. Once all is well: {command('retire')}")


@click.command()
@recipient_option
@click.pass_context
def rollback(context: click.Context, purpose: Purpose) -> None:
    """Put the previous key into force again.

    It is so on every host within a second. The one that was in force becomes the next one, and
    stays confirmed.

    \b
    Example:
      usher keys rollback
    """
    with _step(context, purpose) as step:
        key = step.ceremony.rollback()
        step.record("rolled-back", key.fingerprint)
    click.echo(f"In force again within a second: {key.fingerprint}")
    click.echo(f"To switch again: {step.ceremony.command('switch')}")


@click.command()
@click.argument("fingerprint", required=False)
@recipient_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def retire(
    context: click.Context, fingerprint: str | None, purpose: Purpose, yes: bool
) -> None:
    """End the use of the previous key for good.

    There is no way back to it. With the FINGERPRINT of the next key, that one is given up.

    \b
    Example:
      usher keys retire
    """
    with _step(context, purpose) as step:
        key = step.ceremony.to_retire(fingerprint)
    if not yes:
        question = f"Type {key.fingerprint} to retire it for good"
        typed: str = click.prompt(question, err=True)
        if typed.strip() != key.fingerprint:
            raise Failure("that is not the fingerprint: nothing has changed")
    # Anything may have happened meanwhile.
    with _step(context, purpose) as step:
        retired = step.ceremony.retire(key.fingerprint)
        step.record("retired", retired.fingerprint)
    setting = f"token.{purpose}_key"
    click.echo(f"Retired: {retired.fingerprint}")
    click.echo(f"Take it out of {setting} on every host, and put the key in force first there.")
    if purpose is Purpose.SIGNING:
        click.echo("Change token.signing_key_fingerprint with it, if that is set.")


@contextmanager
def _step(context: click.Context, purpose: Purpose) -> Iterator[_Step]:
    """Give the ceremony, whatever faults the policy has; no step without the audit log."""
    state = open_state(context, load_settings_without_policy)
    with store_failures():
        demand_tables(state.database)
        state.audit.check()

        def record(code: str, fingerprint: str) -> None:
            reason = f"{purpose} key"
            state.audit.write("keys", code, COMMAND_LINE, key=fingerprint, reason=reason)

        try:
            yield _Step(ceremony_of(state, purpose), record)
        except StepRefused as error:
            raise Failure(str(error)) from error


def ceremony_of(state: State, purpose: Purpose) -> Ceremony:
    """Return the steps for the keys of a purpose that the settings list."""
    ring = state.admission.key_ring
    listed: dict[Purpose, tuple[Any, ...]] = {
        Purpose.SIGNING: ring.signers,
        Purpose.RECIPIENT: ring.recipients,
    }
    return Ceremony(state.database, state.clock, purpose, listed[purpose])
