"""The browser's scripts keep to their declared types, in the compiler's strictest mode."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from parts import ROOT, node_with_modules

import flask_usher

pytestmark = pytest.mark.node

STATIC = Path(flask_usher.__file__).parent / "static"
NODE = ROOT / "tests/node"


def compiled(folder: Path, *files: Path) -> str:
    """Return what the TypeScript compiler finds wrong in these files."""
    config = {
        "extends": str(NODE / "tsconfig.client.json"),
        "compilerOptions": {"paths": {"usher.js": [str(STATIC / "usher.d.ts")]}},
        "files": [str(file) for file in files],
    }
    (folder / "tsconfig.json").write_text(json.dumps(config))
    node = node_with_modules()
    assert node is not None
    compiler = NODE / "node_modules/typescript/bin/tsc"
    command = [node, compiler, "--project", folder / "tsconfig.json"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_the_scripts_are_what_their_declarations_say(tmp_path: Path) -> None:
    assert compiled(tmp_path, *STATIC.glob("*.js"), *STATIC.glob("*.d.ts")) == ""


def test_a_brand_can_write_against_the_declarations(tmp_path: Path) -> None:
    assert compiled(tmp_path, NODE / "brand_page.ts") == ""


def test_the_compiler_finds_what_does_not_fit(tmp_path: Path) -> None:
    source = (STATIC / "usher.js").read_text()
    wrong = tmp_path / "usher.js"
    wrong.write_text(source.replace("return left;", "return 7;"))
    for declarations in STATIC.glob("*.d.ts"):
        (tmp_path / declarations.name).write_text(declarations.read_text())
    found = compiled(tmp_path, wrong, tmp_path / "usher.internal.d.ts")
    assert "not assignable" in found
