"""`usher policy explain`: what would happen to somebody, and why."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
from pydantic import ValidationError

from flask_usher.providers.base import Identity

from ..explanation import Explanation, Step, explain
from ..policy import Facts
from ..rules.tables import CaseTable
from ..rules.variables import Asker
from ..state import State
from . import people
from .audit import SupportId
from .audit_files import entries_of
from .context import Failure, local_provider, open_state, store_failures
from .local_accounts import AccountName
from .printable import printable
from .times import moment

NO_SUPPORT_ID = "-----------"


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks, when and from where; `about` says in words where that is from."""

    facts: Facts
    about: str
    support_id: str = NO_SUPPORT_ID


@click.command("explain")
@click.option("--account", metavar="NAME", type=AccountName(), help="This local account.")
@click.option(
    "--identity",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A person in a file: TOML or JSON, with the keys of a policy test.",
)
@click.option("--support-id", metavar="ID", type=SupportId(), help="Whoever was given this id.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def explain_command(
    context: click.Context,
    account: str | None,
    file: Path | None,
    support_id: str | None,
    as_json: bool,
) -> None:
    """Tell what would happen to somebody who asks for a token, and why. Mints nothing.

    Shows each rule with what it looked at, and the answer that the browser would get. With a
    support id, what is on record is told first; the rules then judge the person as they are
    known now, at the time of that decision.

    \b
    Examples:
      usher policy explain --account jane
      usher policy explain --identity somebody.toml
      usher policy explain --support-id 7XK2M-9QFT4
    """
    if [account, file, support_id].count(None) != 2:
        raise click.UsageError("Give one of --account, --identity and --support-id.")
    state = open_state(context)
    with store_failures():
        if account is not None:
            question = _about_account(state, account)
        elif file is not None:
            question = _about_file(state, file)
        else:
            question = _about_support_id(context, state, support_id or "")
        explanation = explain(
            state.admission.policies.current(),
            question.facts,
            state.admission.pauses.current(),
            support_id=question.support_id,
            sign_in_url=state.settings.url_prefix + "/sign-in",
        )
    click.echo(_as_json(explanation) if as_json else _as_text(question, explanation))


def _about_account(state: State, name: str) -> Question:
    provider = local_provider(state)
    account = provider.accounts.by_name(name)
    if account is None:
        raise Failure(f"there is no account {name}. Try: usher users list")
    now = state.clock()
    identity = people.of_account(provider, account, now)
    return Question(Facts(None, identity, now), f"the account {name}, signed in just now")


def _about_file(state: State, file: Path) -> Question:
    try:
        text = file.read_text()
        values = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
        case = CaseTable.model_validate(values).case()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in error.errors())
        raise Failure(f"{file} describes nobody:\n  " + "\n  ".join(faults)) from None
    except (OSError, ValueError, RecursionError):
        raise Failure(f"{file} is no TOML, and no JSON whose name ends in .json") from None
    return Question(Facts(None, case.identity, case.now, case.request), f"the person in {file}")


def _about_support_id(context: click.Context, state: State, support_id: str) -> Question:
    entries = [it for it in entries_of(context, None, support_id) if it["event"] == "token"]
    if not entries:
        raise Failure(f"no decision about a token is on record under {support_id}")
    entry = entries[-1]
    was = f"{entry['code']} by the policy {entry['policy']}, {moment(entry['time'])}"
    if not entry["subject"]:
        raise Failure(f"on record is {was}; nobody was recognised, so no rule was asked")
    found = people.of_entry(state, entry)
    if found is None:
        raise Failure(f"on record is {was}; the person is neither signed in nor has an account")
    provider = state.providers.get(found.provider)
    identity = provider.current(found) if provider else None
    now = datetime.fromisoformat(entry["time"]).timestamp()
    asker = Asker(entry["address"], entry["site"] or None)
    return Question(Facts(None, identity, now, asker), f"on record is {was}", support_id)


def _as_text(question: Question, explanation: Explanation) -> str:
    identity = question.facts.identity
    lines = [
        f"about    {question.about}",
        f"person   {_person(identity)}",
        f"time     {moment(question.facts.now)}",
        f"policy   {explanation.version}",
        "",
        *(line for step in explanation.steps for line in _step(step)),
    ]
    if explanation.steps:
        lines.append("")
    if explanation.shadow is not None:
        lines += [f"The shadow says: {explanation.shadow}", ""]
    refusal = explanation.refusal
    if refusal is None:
        lines.append(click.style("A token would be issued.", fg="green", bold=True))
        return "\n".join(lines)
    because = f" ({printable(refusal.reason)})" if refusal.reason else ""
    lines.append(click.style(f"Refused: {refusal.code}{because}", fg="yellow", bold=True))
    status = f"{explanation.status.value} {explanation.status.phrase}"
    lines += [f"The browser would get {status} with", json.dumps(explanation.answer, indent=2)]
    return "\n".join(lines)


def _person(identity: Identity | None) -> str:
    if identity is None:
        return "may not come in: the account is disabled or gone"
    return printable(f"{identity.provider}:{identity.subject}")


def _step(step: Step) -> list[str]:
    rule, verdict = step.verdict.rule, step.verdict
    word, colour = ("refuses", "red") if verdict.refuses else ("passes ", "green")
    lines = [
        f"  {click.style(word, fg=colour)}  {rule.code}",
        f"           {printable(rule.refuse_when.text)}",
    ]
    lines += [f"             {it.path} = {_value(it.value)}" for it in step.inputs]
    if verdict.undecided is not None:
        lines.append(f"           Undecided, which refuses: {verdict.undecided}.")
    if verdict.refuses and rule.message:
        lines.append(f"           {rule.message}")
    if verdict.refuses and rule.remedy:
        lines.append(f"           Remedy: {rule.remedy}")
    return lines


def _value(value: object) -> str:
    return "(absent)" if value is None else printable(json.dumps(value, default=str))


def _as_json(explanation: Explanation) -> str:
    rules = [
        {
            "code": step.verdict.rule.code,
            "refuses": step.verdict.refuses,
            "undecided": step.verdict.undecided,
            "refuse_when": step.verdict.rule.refuse_when.text,
            "inputs": {it.path: it.value for it in step.inputs},
        }
        for step in explanation.steps
    ]
    whole = {
        "policy": explanation.version,
        "rules": rules,
        "decision": explanation.refusal.code if explanation.refusal else "issued",
        "reason": explanation.refusal.reason if explanation.refusal else None,
        "shadow": explanation.shadow,
        "status": explanation.status.value,
        "answer": explanation.answer,
    }
    return json.dumps(whole, indent=2, default=str)
