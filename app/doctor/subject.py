"""What is examined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..settings import Settings
from ..state import State


@dataclass(frozen=True, slots=True)
class Subject:
    """An installation whose settings can be read.

    `file` is the settings' file, if there is one; `ca_file` holds the certificates to trust
    instead of the public ones, when the site is asked.
    """

    state: State
    file: Path | None = None
    ca_file: Path | None = None

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return self.state.settings
