"""Somebody else's provider, installed as a package, that does what no provider should."""

from __future__ import annotations

from pathlib import Path

MODULE = """
import threading
from typing import Literal

from pydantic import BaseModel

from flask_usher.providers.base import Identity, ProviderType

KEPT = []


class FaultySettings(BaseModel):
    type: Literal["faulty"]


class FaultyProvider:
    def __init__(self, name):
        self.name = name

    def current(self, identity):
        if identity.subject == "hangs":
            threading.Event().wait()
        if identity.subject == "leaks":
            KEPT.append(bytes(range(256)) * 2**14)
        return identity


provider_type = ProviderType(
    settings=FaultySettings, build=lambda name, settings, resources: FaultyProvider(name)
)
"""
ENTRY_POINTS = """[flask_usher.providers]
faulty = faulty_provider:provider_type
"""


def install(folder: Path) -> dict[str, str]:
    """Install it in a folder; return the variables with which the service uses it.

    Whose subject is `hangs` is waited for without an end, and each look at the one whose
    subject is `leaks` takes 4 MiB for good.
    """
    about = folder / "faulty-1.dist-info"
    about.mkdir(parents=True)
    (folder / "faulty_provider.py").write_text(MODULE)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    return {
        "PYTHONPATH": str(folder),
        "USHER__PROVIDERS__LOCAL__TYPE": "local",
        "USHER__PROVIDERS__FAULTY__TYPE": "faulty",
    }
