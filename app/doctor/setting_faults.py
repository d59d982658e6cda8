"""The settings: can they be used, and in production?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ..errors import Fault, UsherError
from ..findings import Finding, fault, ok, warning
from ..production import environment_faults, settings_faults
from ..workers import seen
from .subject import Subject

NO_START = "The service does not start with it."
JUST_NOW_SECONDS = 5
"""Less than workers are taken for alive: one that was killed does not count twice."""
TRIAL = "It is right for a trial only, and this public_url is one of a trial."


def fault_findings(faults: Iterable[Fault]) -> Iterator[Finding]:
    """Give the faults of settings that can't be used, and of the environment."""
    for it in (*faults, *environment_faults(os.environ)):
        yield _finding(it)
    yield warning(
        "everything else",
        "not looked at",
        "Keys, stores and site are found by the settings.",
        "Mend the settings first, then run this command again.",
    )


def setting_findings(subject: Subject) -> Iterator[Finding]:
    """Judge settings that can be used."""
    settings = subject.settings
    yield ok("settings", f"{subject.file or 'from a mapping'}: no fault in them")
    is_trial = not settings.secure
    faults = (*environment_faults(os.environ), *settings_faults(settings, _workers(subject)))
    for it in faults:
        yield _finding(it, is_trial=is_trial)
    if not faults:
        yield ok("production", "nothing that is for a trial only")
    policy = subject.state.admission.policies.current()
    rules, tests = len(policy.settings.rules), len(policy.settings.tests)
    yield ok("policy", f"{policy.version}, {_count(rules, 'rule')}, {_count(tests, 'test')}")
    if rules and not tests:
        yield warning(
            "policy tests",
            "none",
            "A rule that says something else than was meant is found out by visitors.",
            "Put tests beside the rules, and run: usher policy test",
        )


def _workers(subject: Subject) -> int:
    try:
        return max(1, len(seen(subject.state.database, JUST_NOW_SECONDS)))
    except UsherError:
        return 1


def _finding(found: Fault, *, is_trial: bool = False) -> Finding:
    remedy = f"Expected: {found.expected}."
    if is_trial:
        return warning(found.path, found.found, TRIAL, remedy)
    return fault(found.path, found.found, NO_START, remedy)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
