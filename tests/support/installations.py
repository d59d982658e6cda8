"""An installation in a folder: the files that settings point at, and the settings."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.keys import private_pem, rsa_key

from flask_usher import configuration
from flask_usher.errors import Fault, SettingsError
from flask_usher.settings import Settings

SECRET = base64.b64encode(bytes(range(64))).decode()


class Installation:
    """A folder with `signing-key.pem`, `secret-key` and what a test adds to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file("signing-key.pem", private_pem(rsa_key("signing")))
        self.file("secret-key", SECRET)

    def file(self, name: str, content: bytes | str, mode: int = 0o600) -> Path:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def mapping(self, **changes: Any) -> dict[str, Any]:
        """Return good settings with these changes, merged into the tables."""
        good: dict[str, Any] = {
            "public_url": "https://www.shop.example",
            "secret_key": str(self.folder / "secret-key"),
            "token": {"signing_key": str(self.folder / "signing-key.pem")},
            "database": {"url": f"sqlite:///{self.folder / 'usher.db'}"},
        }
        return _merged(good, changes)

    def settings(self, **changes: Any) -> Settings:
        """Return good settings with these changes."""
        return configuration.load(self.mapping(**changes), {})

    def faults(self, **changes: Any) -> dict[str, Fault]:
        """Return the faults of the settings with these changes, by path."""
        return faults_of(self.mapping(**changes))

    def toml(self, **changes: Any) -> Path:
        """Write good settings with these changes to `usher.toml` and return its path."""
        return self.file("usher.toml", _toml(self.mapping(**changes)))


def faults_of(config: Mapping[str, Any] | Path, **environment: str) -> dict[str, Fault]:
    """Return the faults of these settings by path; there must be one for each at most."""
    try:
        configuration.load(config, environment)
    except SettingsError as error:
        found = error.faults
    else:
        found = ()
    faults = {fault.path: fault for fault in found}
    assert len(faults) == len(found)
    return faults


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, change in changes.items():
        below = merged.get(key)
        if change is ...:
            merged.pop(key, None)
        elif isinstance(below, Mapping) and isinstance(change, Mapping):
            merged[key] = _merged(below, change)
        else:
            merged[key] = change
    return merged


def _toml(values: Mapping[str, Any]) -> str:
    return "".join(
        f"{json.dumps(key)} = {_toml_value(value)}\n" for key, value in values.items()
    )


def _toml_value(value: object) -> str:
    if isinstance(value, Mapping):
        members = (f"{json.dumps(key)} = {_toml_value(item)}" for key, item in value.items())
        return "{" + ", ".join(members) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    return json.dumps(value)
