"""What the wheel and the sdist hold: the package, and nothing else."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from parts import ROOT

BUILD_INPUTS = (
    "app",
    "providers",
    "examples",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
KINDS = {".py", ".typed", ".ts", ".js", ".css", ".html", ".svg"}


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from a copy so that the working tree stays as it is."""
    copy = tmp_path_factory.mktemp("sources")
    for name in BUILD_INPUTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "var")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--no-isolation", str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return copy / "dist"


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (built,) = dist.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _packaged(folder: str, name: str) -> set[str]:
    return {
        f"{name}/{file.relative_to(ROOT / folder)}"
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(content: set[str]) -> None:
    package = {name for name in content if ".dist-info/" not in name}
    expected = _packaged("app", "flask_usher") | _packaged("providers", "flask_usher/providers")
    assert package == expected
    assert {Path(name).suffix for name in package} <= KINDS


def test_the_sdist_holds_the_folders_of_the_package_and_no_example(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.split("/") for name in archive.getnames()]
    folders = {parts[1] for parts in names if len(parts) > 2}
    assert folders == {"app", "providers", "flask_usher.egg-info"}


@pytest.mark.parametrize(
    "name",
    [
        "flask_usher/py.typed",
        "flask_usher/providers/py.typed",
        "flask_usher/static/usher.js",
        "flask_usher/templates/usher/sign_in.html",
        "flask_usher/migrations/env.py",
    ],
)
def test_the_wheel_holds_what_is_not_python_code(content: set[str], name: str) -> None:
    assert name in content


@pytest.mark.parametrize("name", ["app", "providers", "tests", "benchmarks", "wsgi"])
def test_the_wheel_takes_no_other_name(wheel: Path, name: str) -> None:
    # -I and -S: neither the working directory nor what is installed here is looked at.
    program = f"import sys; sys.path.insert(0, {str(wheel)!r}); import {name}"
    command = [sys.executable, "-I", "-S", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"ModuleNotFoundError: No module named '{name}'" in result.stderr


def test_the_wheel_carries_its_licence_and_its_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = (it for it in archive.namelist() if it.endswith("entry_points.txt"))
        parser = configparser.ConfigParser()
        parser.read_string(archive.read(entry_points).decode())
        assert dict(parser["console_scripts"]) == {"usher": "flask_usher.cli:main"}
        (licence,) = (it for it in archive.namelist() if it.endswith("licenses/LICENSE"))
        assert archive.read(licence).decode().startswith("MIT License")
