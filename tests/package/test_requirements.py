"""The pinned versions can be had with every Python that Usher is for."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.specifiers import SpecifierSet
from parts import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)$", re.MULTILINE)
PINS = PIN.findall((ROOT / "requirements/constraints.txt").read_text())
OLDEST_PYTHON = "3.11.2"
"""That of Debian 12, with which `usher` is installed in production."""


@pytest.mark.parametrize(("name", "version"), PINS, ids=[name for name, _ in PINS])
def test_a_pinned_version_is_for_the_oldest_python(name: str, version: str) -> None:
    try:
        installed = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        pytest.skip("not for this Python")
    assert installed.version == version, "run pip install with these constraints"
    assert OLDEST_PYTHON in SpecifierSet(installed.metadata["Requires-Python"] or "")
