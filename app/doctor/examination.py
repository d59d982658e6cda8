"""The examination: every family of checks, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .. import configuration
from ..errors import SettingsError
from ..extension import STDERR, build
from ..findings import Finding, fault
from .database import database_findings
from .key_use import key_use_findings
from .machine import machine_findings
from .openid import openid_findings
from .redis import redis_findings
from .setting_faults import fault_findings, setting_findings
from .site import site_findings
from .subject import Subject
from .workers import worker_findings

Check = Callable[[Subject], Iterator[Finding]]
Family = tuple[str, Iterator[Finding]]
SETTINGS = "Settings"
FAMILIES: tuple[tuple[str, Check], ...] = (
    (SETTINGS, setting_findings),
    ("Keys", key_use_findings),
    ("This machine", machine_findings),
    ("Database", database_findings),
    ("Redis", redis_findings),
    ("Workers", worker_findings),
    ("Identity providers", openid_findings),
    ("Site", site_findings),
)


def examine(config: Path | None, ca_file: Path | None = None) -> Iterator[Family]:
    """Yield the name of each family, and its findings, which are made as they are asked for.

    `config` is as for `configuration.load`. Nothing is changed, and nothing is raised: settings
    with faults, and checks that fail themselves, are findings.
    """
    try:
        state = build(configuration.load(config), identify=_nobody, console=STDERR)
    except SettingsError as error:
        yield SETTINGS, fault_findings(error.faults)
        return
    subject = Subject(state, configuration.settings_file(config), ca_file)
    try:
        for name, check in FAMILIES:
            yield name, _guarded(name, check, subject)
    finally:
        state.database.close()


def _guarded(name: str, check: Check, subject: Subject) -> Iterator[Finding]:
    try:
        yield from check(subject)
    except Exception as error:  # whatever a server may answer that nobody has thought of
        yield fault(
            name.lower(),
            f"this check has failed itself: {type(error).__name__}",
            "What comes after it in this family was not looked at.",
            "Report it as a fault of Usher, with what this command prints.",
        )


def _nobody() -> None:
    """Say who is signed in to the host app: on the command line there is none."""
