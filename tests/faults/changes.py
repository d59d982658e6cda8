"""Scenarios in which an operator changes something, and nobody may notice."""

from __future__ import annotations

import time
from pathlib import Path

from faults.deployment import policy
from faults.host import Host
from faults.trial import Trial, tell

BROKEN_POLICY = '[[rules]]\ncode = "suspended"\nrefuse_when = "identity.groups.exists("\n'
SWITCH_SECONDS = 1.5
"""A switch is in force everywhere within a second."""
POLICY_SECONDS = 1.6
"""A change is in force after two looks, half a second apart."""


def reloads(trial: Trial) -> None:
    """Reload each host in turn (`SIGHUP`), which replaces all its workers."""
    for number in range(trial.size.reloads):
        trial.deployment.hosts[number % len(trial.deployment.hosts)].reload()
        if number % 10 == 9:
            tell(f"  {number + 1:,} of {trial.size.reloads:,} reloads")


def policy_changes(trial: Trial) -> None:
    """Replace the policy on all hosts; every fourth one has a fault and must not count."""
    for number in range(1, trial.size.reloads + 1):
        text = BROKEN_POLICY if number % 4 == 0 else policy(number)
        for host in trial.deployment.hosts:
            _replace(host.policy, text)
        time.sleep(POLICY_SECONDS)
    for host in trial.deployment.hosts:
        _replace(host.policy, policy(0))
    time.sleep(POLICY_SECONDS)


def key_rotations(trial: Trial) -> None:
    """Put another signing key into force, and the one before it, in turn (`usher keys`)."""
    hosts = trial.deployment.hosts
    _step(hosts[0], "stage", trial.deployment.next_key)
    _step(hosts[1], "confirm", trial.deployment.next_fingerprint)
    for number in range(trial.size.reloads):
        _step(hosts[number % len(hosts)], "rollback" if number % 2 else "switch")
        time.sleep(SWITCH_SECONDS)
        if number % 10 == 9:
            tell(f"  {number + 1:,} of {trial.size.reloads:,} rotations")


def sign_outs(trial: Trial) -> None:
    """Sign the guests out one by one; none may have a token after the answer."""
    trial.by_design = frozenset({"no-session"})
    for guest in trial.people:
        status = trial.deployment.post("/usher/sign-out", guest)
        trial.judge.signed_out[guest] = time.monotonic()
        if status != 204:
            raise RuntimeError(f"the sign-out was answered with {status}")
        time.sleep(trial.size.seconds / len(trial.people))


def _step(host: Host, *step: str) -> None:
    result = host.run("keys", *step)
    if result.returncode != 0:
        raise RuntimeError(f"usher keys {step[0]}: {result.stderr}")


def _replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)
