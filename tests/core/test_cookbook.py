"""The policies of the cookbook load as they stand, pass their tests, and need each rule."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from parts import ROOT

from flask_usher.configuration import PolicySource
from flask_usher.errors import SettingsError

PAGE = (ROOT / "docs/cookbook.md").read_text()
RECIPE = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.M | re.S)
BLOCK = re.compile(r"```toml\n(.*?)```", re.S)
RECIPES = {
    re.sub(r"[^a-z0-9]+", "-", title.lower()): blocks[0]
    for title, text in RECIPE.findall(PAGE)
    if (blocks := BLOCK.findall(text))
}


def tables(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what holds rules: the policy, and its shadow."""
    return [it for it in (policy, policy.get("shadow", {})) if "rules" in it]


OF_THE_WHOLE = {"shadow", "activation"}
WITH_RULES = [name for name, text in RECIPES.items() if tables(tomllib.loads(text))]


def test_there_are_enough_of_them_and_each_recipe_is_one_file() -> None:
    assert len(WITH_RULES) >= 12
    assert len(BLOCK.findall(PAGE)) == len(RECIPES) == len(RECIPE.findall(PAGE))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_loads_as_the_file_that_the_settings_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "usher.toml").write_text('policy.file = "policy.toml"')
    (tmp_path / "policy.toml").write_text(RECIPES[name])
    policy = PolicySource(tmp_path / "usher.toml", {}).load()
    written = tomllib.loads(RECIPES[name])
    loaded = [policy] + ([policy.shadow] if policy.shadow else [])
    assert sum(len(it.rules) for it in loaded) == sum(
        len(it["rules"]) for it in tables(written)
    )


@pytest.mark.parametrize("name", WITH_RULES)
def test_the_tests_show_both_sides(name: str) -> None:
    for table in tables(tomllib.loads(RECIPES[name])):
        codes = {rule["code"] for rule in table["rules"]}
        assert {test["expect"] for test in table["tests"]} == {"issued", *codes}


@pytest.mark.parametrize(
    ("name", "which", "number"),
    [
        pytest.param(name, which, number, id=f"{name}-{rule['code']}")
        for name in WITH_RULES
        for which, table in enumerate(tables(tomllib.loads(RECIPES[name])))
        for number, rule in enumerate(table["rules"])
    ],
)
@pytest.mark.parametrize("instead", ["true", "false", None])
def test_every_rule_is_needed_and_does_no_more_than_its_tests_say(
    name: str, which: int, number: int, instead: str | None
) -> None:
    """Whatever stands in its place, or nothing at all: a test fails."""
    table = tables(tomllib.loads(RECIPES[name]))[which]
    if instead is None:
        del table["rules"][number]
    else:
        table["rules"][number]["refuse_when"] = instead
    rules_only = {key: value for key, value in table.items() if key not in OF_THE_WHOLE}
    with pytest.raises(SettingsError, match=r"the test .* to (pass|expect)"):
        PolicySource({"policy": rules_only}, {}).load()
