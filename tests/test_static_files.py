"""What the browser is sent: small, self-contained, and without anything inline."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

import flask_usher

PACKAGE = Path(flask_usher.__file__).parent
SENT = [
    path
    for folder in ("static", "templates", "sandbox/static", "sandbox/templates")
    for path in sorted((PACKAGE / folder).rglob("*.*"))
]
LARGEST_CLIENT_BYTES = 4096


def test_the_client_is_small() -> None:
    client = (PACKAGE / "static/usher.js").read_bytes()
    assert len(gzip.compress(client, mtime=0)) <= LARGEST_CLIENT_BYTES


@pytest.mark.parametrize("path", SENT, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`)]*", path.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg", "https://iadvize.com/userId"}


@pytest.mark.parametrize(
    "path", [path for path in SENT if path.suffix == ".html"], ids=lambda path: path.name
)
def test_no_page_has_scripts_styles_or_handlers_of_its_own(path: Path) -> None:
    page = path.read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page)
