"""What the tests of the core share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.installations import Installation
from support.minting import make_minter

from flask_usher.minter import Minter


@pytest.fixture(autouse=True)
def _without_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("USHER_") and not name.startswith("USHER_TEST"):
            monkeypatch.delenv(name)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A folder with a signing key and a secret."""
    return Installation(tmp_path)


@pytest.fixture
def minter() -> Minter:
    """A minter with the keys `signing` and `recipient`."""
    return make_minter()
