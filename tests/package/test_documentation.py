"""The documentation says everything, and nothing that is not so."""

from __future__ import annotations

import json
import re
import time
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from parts import ROOT
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from flask_usher import PROBLEMS, Code, Settings
from flask_usher.audit import AuditLog, Visit
from flask_usher.audit.sinks import FileSink
from flask_usher.cli import main
from flask_usher.keys import Secret
from flask_usher.minter import Token
from flask_usher.provider_settings import tables
from flask_usher.providers.base import Identity
from flask_usher.rules.expression_checks import FUNCTIONS
from flask_usher.rules.syntax import MACROS
from flask_usher.rules.variables import FIELDS as VARIABLES

DOCS = ROOT / "docs"
SETTING_ROW = re.compile(r"^\| `([A-Za-z_.]+)` \| ([^|]+) \| ([^|]+) \| [^|]{20,} \|$", re.M)
LINK = re.compile(r"\]\(([^)#: ]+)(?:#[^)]*)?\)")

DESCRIBED_BY_ANOTHER = {"shadow"}
POLICY_PAGES = {"cookbook"}
"""Their examples are what the file of `policy.file` holds."""
NUMBERED_ATTACK = re.compile(r"^\| (\d+) \|", re.M)
COVERED_ROW = re.compile(r"row[_-]?(\d+)")


def _fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        below = list(_models(field.annotation))
        if name == "providers":
            for table in tables().values():
                yield from _fields(table, "providers.NAME.")
        elif below and name not in DESCRIBED_BY_ANOTHER:
            yield from _fields(below[0], f"{path}{name}.")
        else:
            yield path + name, field


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


FIELDS = dict(_fields(Settings))
ROWS = {
    key: (kind, default)
    for key, kind, default in SETTING_ROW.findall((DOCS / "settings.md").read_text())
}


def test_every_setting_is_documented_and_no_other() -> None:
    assert ROWS.keys() == FIELDS.keys()


@pytest.mark.parametrize("key", FIELDS)
def test_the_documented_default_is_the_one_in_the_code(key: str) -> None:
    field, written = FIELDS[key], ROWS[key][1]
    if field.is_required():
        assert written == "required"
        return
    default = field.get_default(call_default_factory=True)
    if default is None:
        assert written == "absent"
    else:
        (documented,) = tomllib.loads(f"it = {written.strip('`')}").values()
        assert type(default)(documented) == default


def _keys(table: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, value in table.items():
        if path == "providers.":
            yield from _keys(value, "providers.NAME.")
        elif isinstance(value, dict) and path + name not in FIELDS:
            yield from _keys(value, f"{path}{name}.")
        elif isinstance(value, list) and value and all(isinstance(it, dict) for it in value):
            for item in value:
                yield from _keys(item, f"{path}{name}.")
        else:
            yield path + name


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_examples_use_settings_that_exist(page: Path) -> None:
    for example in re.findall(r"```toml\n(.*?)```", page.read_text(), re.S):
        settings = tomllib.loads(example)
        if page.stem in POLICY_PAGES:
            settings = {"policy": settings}
        assert set(_keys(settings)) <= FIELDS.keys()


@pytest.mark.parametrize("code", Code, ids=str)
def test_every_problem_has_its_page(code: Code) -> None:
    page = (DOCS / "problems" / f"{code}.md").read_text()
    problem = PROBLEMS[code]
    assert page.startswith(f"# {code}\n")
    assert f"**{problem.status.value}** {problem.title}." in page
    assert "## Who sees it" in page
    assert "## What to do" in page


def test_no_page_tells_of_a_problem_that_is_none() -> None:
    pages = {path.stem for path in (DOCS / "problems").glob("*.md")} - {"index"}
    assert pages == {str(code) for code in Code}


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [it for it in targets if not (page.parent / it).exists()] == []


def test_every_field_of_the_audit_log_is_documented_and_no_other(tmp_path: Path) -> None:
    log = AuditLog(
        FileSink(tmp_path / "audit.log"), Secret("test", bytes(range(32))), time.time
    )
    jane = Identity(provider="local", subject="1", signed_in_at=0)
    log.write(
        "event",
        "code",
        Visit("support id", "address", "site", "request id"),
        identity=jane,
        account="jane",
        token=Token("token", 60, 60, jane, "key", dropped=("email",)),
        reason="reason",
        policy="policy",
        rule="rule",
        shadow="issued",
        count=1,
    )
    table = (DOCS / "audit.md").read_text().partition("| field |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert sorted(told) == sorted(json.loads((tmp_path / "audit.log").read_text()))


def test_every_variable_of_rules_is_documented_with_its_type_and_no_other() -> None:
    table = (
        (DOCS / "policy.md").read_text().partition("| name | type |")[2].partition("\n\n")[0]
    )
    told = dict(re.findall(r"^\| `([a-z_.]+)` \| ([a-z ]+) \|", table, re.M))
    known = {
        f"{name}.{field}": kind for name, it in VARIABLES.items() for field, kind in it.items()
    }
    assert told == known | {"now": "timestamp"}


def test_every_function_of_rules_is_documented_and_no_other() -> None:
    told = re.search(r"^Functions: (.*?)(?:\. )", (DOCS / "policy.md").read_text(), re.M | re.S)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == FUNCTIONS | MACROS | {"has", "in"}


def _commands(group: click.Group, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_every_command_is_documented_and_no_other() -> None:
    told = re.findall(r"^\| `(usher [^`]+)` \|", (DOCS / "cli.md").read_text(), re.M)
    assert sorted(told) == sorted(_commands(main, "usher"))


def test_every_numbered_attack_has_a_test_and_no_test_a_number_of_its_own() -> None:
    told = set(map(int, NUMBERED_ATTACK.findall((DOCS / "threat-model.md").read_text())))
    tested = {
        int(number)
        for folder in (ROOT / "tests", ROOT / "app/testing")
        for path in folder.rglob("*.py")
        for number in COVERED_ROW.findall(path.read_text())
    }
    assert tested == told


def test_every_relying_party_test_that_is_said_to_be_shown_is() -> None:
    section = (DOCS / "threat-model.md").read_text().partition("## The relying-party tests")[2]
    table = section.partition("| names |")[2].partition("\n\n")[0]
    for row in table.splitlines()[2:]:
        names, _, files = row.strip("| ").split(" | ")
        source = "".join((ROOT / it).read_text() for it in re.findall(r"`([^`]+)`", files))
        for name in re.findall(r"`(rp-[^`]+)`", names):
            assert name.replace("-", "_") in source.replace("-", "_"), name
