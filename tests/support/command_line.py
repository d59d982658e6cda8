"""The command `usher`, on an installation whose settings, keys and database are in a folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.installations import Installation

from flask_usher import configuration
from flask_usher.cli import main
from flask_usher.cli.context import local_provider
from flask_usher.extension import build
from flask_usher.providers.local import LocalProvider
from flask_usher.state import State


class CommandLine:
    """Runs `usher` in this process, with the settings of one installation."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.audit_file = folder / "audit.log"
        self.settings = Installation(folder).toml(
            database={"url": database_url}, audit={"file": str(self.audit_file)}
        )

    def run(self, *arguments: str, stdin: str | bytes = "") -> Result:
        """Run a command and return what came of it."""
        result = CliRunner().invoke(
            main, ["--settings", str(self.settings), *arguments], input=stdin
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def succeed(self, *arguments: str, stdin: str | bytes = "") -> str:
        """Run a command that must succeed and return its output."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def fail(self, *arguments: str, stdin: str | bytes = "", code: int = 1) -> str:
        """Run a command that must fail and return what it says on stderr."""
        result = self.run(*arguments, stdin=stdin)
        assert result.exit_code == code, result.output
        return result.stderr

    def process(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from flask_usher.cli import main; main()", *arguments],
            env=os.environ | {"USHER_SETTINGS": str(self.settings)},
            **options,
        )

    def audit_lines(self) -> list[Mapping[str, Any]]:
        """Return what the audit log holds."""
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()]


@pytest.fixture
def command_line(tmp_path: Path, database_url: str) -> CommandLine:
    """The command, with a database of each kind."""
    return CommandLine(tmp_path, database_url)


@pytest.fixture
def state(command_line: CommandLine) -> Iterator[State]:
    """What the command works on."""
    state = build(configuration.load(command_line.settings, {}))
    yield state
    state.close()


@pytest.fixture
def provider(state: State) -> LocalProvider:
    """The provider whose accounts the command looks after."""
    return local_provider(state)
