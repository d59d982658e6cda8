"""What pages of the documentation tell to put into files, to be run by tests."""

from __future__ import annotations

import re
from collections.abc import Mapping

from parts import ROOT


def block(page: str, beginning: str, changes: Mapping[str, str]) -> str:
    """Return the block of a page that begins so, with these texts replaced.

    Whatever is to be replaced must be there.
    """
    text = (ROOT / "docs" / page).read_text()
    (found,) = re.findall(rf"^```\w*\n({re.escape(beginning)}.*?)^```$", text, re.M | re.S)
    return replaced(found, changes)


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Return a text of a page with these texts replaced."""
    for old, new in changes.items():
        assert old in text, f"the page no longer says {old!r}"
        text = text.replace(old, new)
    return text


def redis_permissions() -> str:
    """Return what the user `usher` of Redis may do, as the page on limits says."""
    page = (ROOT / "docs/limits.md").read_text()
    (told,) = re.findall(r"^ *ACL SETUSER usher on >PASSWORD (.+)$", page, re.M)
    return str(told)
