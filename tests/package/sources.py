"""The project's Python files, and what each imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from parts import ROOT

PACKAGES = {"app": "flask_usher", "providers": "flask_usher.providers"}
FOLDERS = ("app", "providers", "tests", "benchmarks")


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: as it is written, and the module that it means in full."""

    level: int
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file and the name that it is imported by (for the packages) or its path."""

    path: Path
    module: str

    @property
    def imports(self) -> Iterator[Import]:
        """Everything that the file imports, wherever in it."""
        package = self.module if self.path.name == "__init__.py" else _parent(self.module, 1)
        for node in ast.walk(ast.parse(self.path.read_text())):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(0, alias.name, "")
            elif isinstance(node, ast.ImportFrom):
                base = _parent(package, node.level - 1) if node.level else ""
                module = ".".join(filter(None, (base, node.module)))
                for alias in node.names:
                    yield Import(node.level, module, alias.name)

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))


def all_sources() -> list[Source]:
    """Return every Python file of the project."""
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    return [
        Source(file, _module(file))
        for file in [*files, ROOT / "wsgi.py"]
        if "node_modules" not in file.parts
    ]


def package_sources(folder: str) -> list[Source]:
    """Return the Python files of `app` or `providers`."""
    return [source for source in all_sources() if str(source).startswith(f"{folder}/")]


def _module(file: Path) -> str:
    folder, *rest = file.relative_to(ROOT).with_suffix("").parts
    names = [PACKAGES.get(folder, folder), *rest]
    return ".".join(names).removesuffix(".__init__")


def _parent(module: str, levels: int) -> str:
    return ".".join(module.split(".")[: -levels or None])
