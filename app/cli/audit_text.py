"""Audit lines, readable in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

import click

from ..audit.reader import Entry
from ..errors import PROBLEMS, Code
from .printable import printable

# What is no problem.
GOOD = {
    "issued": "A token was issued.",
    "signed-in": "The visitor signed in.",
    "signed-out": "The visitor signed out.",
    "sign-ins-ended": "Sign-ins were ended.",
}
LABELS = {
    "time": "when",
    "address": "address",
    "site": "page's origin",
    "request_id": "request",
    "provider": "provider",
    "subject": "person (hash)",
    "account": "account (hash)",
    "reason": "reason",
    "rule": "rule",
    "policy": "policy version",
    "shadow": "shadow policy",
    "token_sha256": "token (SHA-256)",
    "dropped": "left out",
    "count": "count",
}
COLUMNS = (("event", 15), ("code", 22), ("support_id", 11), ("address", 15), ("provider", 8))


def as_story(entry: Entry, remedies: Mapping[str, str]) -> str:
    """Return all that a line says, and what its code means and calls for.

    `remedies` are those of the operator's own rules, by their code.
    """
    code = entry["code"]
    outcome = click.style(printable(code), bold=True)
    lines = [f"{entry['support_id']}  {printable(entry['event'])}: {outcome}"]
    problem = PROBLEMS[Code(code)] if code in PROBLEMS else None
    if problem is not None:
        lines += [f"  {problem.title} ({problem.status.value}).", f"  {problem.detail}"]
    elif code in GOOD:
        lines += [f"  {GOOD[code]}"]
    elif code in remedies:
        lines += [f"  {printable(remedies[code])}"]
    width = max(map(len, LABELS.values())) + 2
    rows = [(label, entry[field]) for field, label in LABELS.items() if field in entry.fields]
    return "\n".join([*lines, "", *(f"  {label:{width}}{printable(it)}" for label, it in rows)])


def as_row(entry: Entry) -> str:
    """Return a line in columns: when, what, which outcome, and why."""
    when = entry["time"].replace("T", " ")[:19]
    cells = [f"{printable(entry[field]):{width}}" for field, width in COLUMNS]
    why = " ".join(filter(None, (entry["rule"], entry["reason"], entry["count"])))
    cells[1] = click.style(cells[1], fg=_colour(entry["code"]))
    return "  ".join([printable(when), *cells, printable(why)]).rstrip()


def _colour(code: str) -> str | None:
    if code not in PROBLEMS:
        return "green" if code in GOOD else None
    return "red" if PROBLEMS[Code(code)].status >= 500 else "yellow"
