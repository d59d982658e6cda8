"""A fixture: the npm package oidc-provider, a real OpenID provider, in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from parts import ROOT

PROGRAM = ROOT / "tests/node/openid_provider.mjs"
JANE = "c0b7f2d1-6a43-4c58-9f0e-2f1d8e5a7b90"
JOHN = "5e94a8c6-0d27-4be1-8a39-b16c7f03d2e4"


class RealOpenIdProvider:
    """A running provider, with two people: jane and john, whose names are their passwords."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer

    def metadata(self) -> dict[str, Any]:
        """Return what it says of itself."""
        url = f"{self.issuer}/.well-known/openid-configuration"
        document: dict[str, Any] = requests.get(url, timeout=5).json()
        return document

    def rotate_keys(self) -> None:
        """Let it sign with a new key, and go on publishing the old ones."""
        self._control("rotate-keys")

    def replace_keys(self) -> None:
        """Let it sign with new keys under the old names."""
        self._control("replace-keys")

    def forget_sessions(self) -> None:
        """Let everybody's session at the provider expire."""
        self._control("forget-sessions")

    def _control(self, name: str) -> None:
        requests.post(f"{self.issuer}/control/{name}", timeout=5).raise_for_status()


StartOpenIdProvider = Callable[..., RealOpenIdProvider]


@pytest.fixture
def start_openid_provider(tmp_path: Path) -> Iterator[StartOpenIdProvider]:
    """Start providers by `start(clients, resources={})`, for tests marked `node`.

    Clients are in the terms of Dynamic Client Registration; `resources` maps the address of a
    resource server to `{"scope": …, "format": "jwt" or "opaque"}`.
    """
    with ExitStack() as stack:

        def start(
            clients: Sequence[Mapping[str, Any]],
            resources: Mapping[str, Mapping[str, str]] | None = None,
        ) -> RealOpenIdProvider:
            settings = {"clients": clients, "resources": resources or {}}
            return stack.enter_context(running(settings, tmp_path / "openid-provider.json"))

        yield start


@contextmanager
def running(settings: Mapping[str, Any], file: Path) -> Iterator[RealOpenIdProvider]:
    """Give a running provider; the settings are those of the program, and written to `file`."""
    file.write_text(json.dumps(settings))
    with subprocess.Popen(
        ["node", PROGRAM, file], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            word, _, issuer = process.stdout.readline().strip().partition(" ")
            assert word == "ready", "the OpenID provider does not start"
            yield RealOpenIdProvider(issuer)
        finally:
            process.kill()
