"""What every command needs: the settings, and the parts wired from them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from flask_usher.providers.local import LocalProvider

from .. import configuration
from ..audit import Visit
from ..database import Database
from ..errors import PROBLEMS, SettingsError, UsherError
from ..extension import STDERR, build
from ..schema import is_current
from ..settings import Settings
from ..state import State

COMMAND_LINE = Visit(support_id="-", address="command line", site=None)
PIN_REFUSED = os.EX_CONFIG
"""The exit code after which nothing may start the same again, or the token locks."""


class Failure(click.ClickException):
    """The command could not do its job: the message goes to stderr, the exit code is 1."""


class PinFailure(Failure):
    """A token has refused the PIN of a key."""

    exit_code = PIN_REFUSED


def load_settings(context: click.Context) -> Settings:
    """Return the settings that `--settings`, the environment or `usher.toml` gives."""
    return _loaded(context, configuration.load)


def load_settings_without_policy(context: click.Context) -> Settings:
    """Return the settings for a command that must work while the policy has faults."""
    return _loaded(context, configuration.load_without_policy)


def _loaded(context: click.Context, load: Callable[[Path | None], Settings]) -> Settings:
    try:
        return load(context.find_root().params.get("settings"))
    except SettingsError as error:
        raise settings_failure(error) from error


def open_state(
    context: click.Context, load: Callable[[click.Context], Settings] = load_settings
) -> State:
    """Return the wired parts."""
    settings = load(context)
    try:
        state = build(settings, identify=nobody, console=STDERR)
    except SettingsError as error:
        raise settings_failure(error) from error
    context.call_on_close(state.close)
    return state


def settings_failure(error: SettingsError) -> Failure:
    """Return the failure that tells all faults."""
    return (PinFailure if error.is_of_pin else Failure)(faults_text(error))


def faults_text(error: SettingsError) -> str:
    """Return all faults, readable in a terminal."""
    count = len(error.faults)
    lines = [f"the settings have {count} fault{'s' if count > 1 else ''}:"]
    for fault in error.faults:
        lines += [f"  {fault.path}", f"    found     {fault.found}"]
        lines += [f"    expected  {fault.expected}"]
    return "\n".join(lines)


def local_provider(state: State) -> LocalProvider:
    """Return the provider with the accounts table."""
    for provider in state.providers.values():
        if isinstance(provider, LocalProvider):
            return provider
    raise Failure('the settings have no provider with type = "local"')


def demand_tables(database: Database) -> None:
    """Fail when the tables are missing or older than this code. Raises `StoreUnavailable`."""
    if not (database.may_exist() and is_current(database)):
        raise Failure("the database's tables are missing or old. Run: usher db upgrade")


@contextmanager
def store_failures() -> Iterator[None]:
    """Make errors of the database and the audit log failures of the command."""
    try:
        yield
    except UsherError as error:
        why = f": {error.reason}" if error.reason else _cause(error)
        raise Failure(f"{PROBLEMS[error.code].title} ({error.code}){why}") from error


def _cause(error: UsherError) -> str:
    # SQLAlchemy's own message has the statement in it; `orig` is the driver's error.
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    lines = str(cause).splitlines() if cause else []
    return f": {lines[0]}" if lines else ""


def nobody() -> None:
    """Say who is signed in to the host app: on the command line there is none."""
