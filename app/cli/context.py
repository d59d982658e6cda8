"""What every command needs: the settings, and the parts wired from them."""

from __future__ import annotations

from pathlib import Path

import click

from .. import configuration
from ..audit import Visit
from ..errors import SettingsError, UsherError
from ..extension import build
from ..settings import Settings
from ..state import State

COMMAND_LINE = Visit(support_id="-", address="command line", site=None)


class Failure(click.ClickException):
    """The command could not do its job: the message goes to stderr, the exit code is 1."""


def load_settings(context: click.Context) -> Settings:
    """Return the settings that `--settings`, the environment or `usher.toml` gives."""
    path: Path | None = context.find_root().params.get("settings")
    try:
        return configuration.load(path)
    except SettingsError as error:
        raise Failure(faults_text(error)) from error


def open_state(context: click.Context) -> State:
    """Return the wired parts."""
    settings = load_settings(context)
    try:
        return build(settings)
    except SettingsError as error:
        raise Failure(faults_text(error)) from error


def faults_text(error: SettingsError) -> str:
    """Return all faults, readable in a terminal."""
    count = len(error.faults)
    lines = [f"the settings have {count} fault{'s' if count > 1 else ''}:"]
    for fault in error.faults:
        lines += [f"  {fault.path}", f"    found     {fault.found}"]
        lines += [f"    expected  {fault.expected}"]
    return "\n".join(lines)


def store_failure(error: UsherError) -> Failure:
    """Return the failure for an error of the database or the audit log."""
    return Failure(f"{error.code}: the database or the audit log does not answer")
