"""What the page for mobile apps tells operators to write is accepted as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from parts import ROOT
from support.installations import Installation

PAGE = (ROOT / "docs/mobile.md").read_text()
EXAMPLES = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE, re.S)]
WHOLE = [it for it in EXAMPLES if "type" in it["providers"]["app"]]


def test_there_are_examples_of_both_kinds() -> None:
    assert len(WHOLE) == 2


@pytest.mark.parametrize("example", WHOLE, ids=["jwt", "introspection"])
def test_settings_take_the_example(tmp_path: Path, example: dict[str, Any]) -> None:
    installation = Installation(tmp_path)
    installation.file("introspection-client-secret", "x" * 40)
    table = example["providers"]["app"]
    if "introspection_client_secret" in table:
        table["introspection_client_secret"] = str(tmp_path / "introspection-client-secret")
    assert installation.faults(**example) == {}
