"""`usher policy`: try, explain and compare the operator's rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from .. import configuration
from ..audit.reader import Entry
from ..errors import SettingsError
from ..rules.settings import PolicySettings, RulesTable
from ..rules.tables import ISSUED
from .context import (
    Failure,
    load_settings,
    load_settings_without_policy,
    open_state,
    settings_failure,
    store_failures,
)
from .decisions import decisions_since
from .local_accounts import counted
from .policy_explain import explain_command
from .times import moment, since_option

DIFFERENCES_SHOWN = 20


@click.group()
def policy() -> None:
    """Look after the rules that say who is refused a token.

    \b
    To try the rules and their tests:      usher policy test
    To see which policy decides:           usher policy status
    To learn why somebody is refused:      usher policy explain --account jane
    To compare the shadow's answers:       usher policy shadow
    """


policy.add_command(explain_command)


@policy.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_context
def test(context: click.Context, file: Path | None) -> None:
    """Compile the rules and run their tests.

    They are those of the settings, or of FILE: a TOML file such as `policy.file` names, which
    need not be in use yet. Exits with 0 when the policy can be loaded, else with 1.

    \b
    Examples:
      usher policy test
      usher policy test next-policy.toml
    """
    settings = _policy(context, file)
    _tell_tests(settings, "rules")
    if settings.shadow is not None:
        _tell_tests(settings.shadow, "shadow")
    click.echo(f"The policy {settings.version} can be loaded.")


@policy.command()
@since_option("10m")
@click.pass_context
def status(context: click.Context, since: str) -> None:
    """Tell which policy decides, and whether the chat is paused.

    The settings may hold another one. What decides is read from the audit log: a server that
    could not load the newest policy goes on with the one before. Exits with 1 when the policy
    in the settings has faults.

    \b
    Example:
      usher policy status --since 1h
    """
    fault = None
    try:
        settings = _policy(context, None)
        rules = counted(len(settings.rules), "rule")
        tests = counted(len(settings.tests), "test")
        click.echo(f"in the settings  {settings.version} ({rules}, {tests})")
        if settings.shadow is not None:
            click.echo(f"shadow           {settings.shadow.version}")
    except Failure as error:
        fault = error
        click.echo("in the settings  a policy with faults; servers go on with the one before")
    _tell_pause(context)
    answered = Counter(entry["policy"] for entry in decisions_since(context, since))
    if not answered:
        click.echo(f"deciding         no decision since {moment(since)}")
    for version, count in answered.most_common():
        click.echo(f"deciding         {version}: {counted(count, 'decision')}")
    if fault is not None:
        raise fault


@policy.command()
@since_option("1d")
@click.pass_context
def shadow(context: click.Context, since: str) -> None:
    """Compare what was answered with what the shadow's rules said.

    \b
    Example:
      usher policy shadow --since 2h
    """
    entries = [entry for entry in decisions_since(context, since) if entry["shadow"]]
    if not entries:
        click.echo(f"No decision had a shadow since {moment(since)}.")
        return
    pairs = Counter((entry["code"], entry["shadow"]) for entry in entries)
    different = [entry for entry in entries if entry["code"] != entry["shadow"]]
    click.echo(f"{counted(len(entries), 'decision')}, {len(different):,} different.")
    click.echo(f"\n{'answered':28}{'shadow':28}{'decisions':>9}")
    for (code, other), count in pairs.most_common():
        mark = "" if code == other else "  different"
        click.echo(f"{code:28}{other:28}{count:9,}{mark}")
    if different:
        click.echo(f"\nThe last {min(len(different), DIFFERENCES_SHOWN)} that differ:")
    for entry in different[:DIFFERENCES_SHOWN]:
        click.echo(_difference(entry))


def _policy(context: click.Context, file: Path | None) -> PolicySettings:
    if file is None:
        return load_settings(context).policy
    source = configuration.PolicySource({"policy": {"file": str(file.absolute())}}, {})
    try:
        return source.load()
    except SettingsError as error:
        raise settings_failure(error) from error


def _tell_tests(table: RulesTable, name: str) -> None:
    expected = {it.expect for it in table.tests}
    for it in table.tests:
        click.echo(f"  {click.style('ok', fg='green')}  {it.name}: {it.expect}")
    untested = [rule.code for rule in table.rules if rule.code not in expected]
    if table.rules and ISSUED not in expected:
        untested.append(ISSUED)
    rules, tests = counted(len(table.rules), "rule"), counted(len(table.tests), "test")
    passed = f"{tests}, all pass" if table.tests else "no tests"
    click.echo(f"{name:8} {rules}, {passed}.")
    if untested:
        click.echo(f"         No test expects: {', '.join(untested)}.")


def _tell_pause(context: click.Context) -> None:
    state = open_state(context, load_settings_without_policy)
    with store_failures():
        pause = state.admission.pauses.current()
    if pause is not None:
        click.echo(f"paused           since {moment(pause.since)}: {pause.message}")


def _difference(entry: Entry) -> str:
    return (
        f"  {moment(entry['time'])}  {entry['support_id']}  {entry['code']}, {entry['shadow']}"
    )
