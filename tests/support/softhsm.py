"""SoftHSM: a PKCS#11 token of the suite's own, with keys in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from parts import softhsm_module
from support.keys import private_pem

from flask_usher.keys import pkcs11_module

TOKEN = "usher test"
PIN = "pin-73519-of-the-suite"
SECURITY_OFFICER_PIN = "officer-73519"


class SoftHsm:
    """Tokens in a folder; the process finds them by the variable `SOFTHSM2_CONF`."""

    def __init__(self, folder: Path, module: Path) -> None:
        self.module = module
        self.pin_file = folder / "pin"
        self.pin_file.write_text(PIN + "\n")
        self.pin_file.chmod(0o600)
        self._folder = folder
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self._tokens}\nobjectstore.backend = file\n"
            "log.level = ERROR\nslots.removable = false\n"
        )
        self.make_token(TOKEN)
        self._keys = 0

    def make_token(self, label: str, pin: str = PIN) -> None:
        """Add a token."""
        pins = ("--pin", pin, "--so-pin", SECURITY_OFFICER_PIN)
        self._run("--init-token", "--free", "--label", label, *pins)

    def replace_tokens(self, pin: str = PIN) -> None:
        """Put an empty token into the place of the first, under the same name."""
        shutil.rmtree(self._tokens, ignore_errors=True)
        self._tokens.mkdir()
        self.make_token(TOKEN, pin)

    def add_key(self, label: str, key: PrivateKeyTypes, pin: str = PIN) -> None:
        """Put a private key into the token, under the next id."""
        self._keys += 1
        file = self._folder / "key.pem"
        file.write_bytes(private_pem(key))
        name = ("--label", label, "--id", f"{self._keys:02x}")
        self._run("--import", str(file), "--token", TOKEN, "--pin", pin, *name)
        file.unlink()

    def uri(self, label: str) -> str:
        """Return the URI of a key (RFC 7512)."""
        path = f"pkcs11:token={TOKEN.replace(' ', '%20')};object={label}"
        return f"{path}?module-path={self.module}&pin-source=file:{self.pin_file}"

    def go_away(self) -> None:
        """Take all tokens away, as a network between would."""
        self._tokens.rename(self._folder / "away")

    def come_back(self) -> None:
        """Bring them back."""
        (self._folder / "away").rename(self._tokens)

    def _run(self, *arguments: str) -> None:
        environment = os.environ | {"SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(
            ["softhsm2-util", "--module", str(self.module), *arguments],
            env=environment,
            check=True,
            capture_output=True,
        )


class Watched:
    """A library, or a token of it, that notes each login that a token refuses."""

    def __init__(self, watched: Any, refused: list[str]) -> None:
        self._watched = watched
        self._refused = refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._watched, name)

    def get_token(self, **names: Any) -> Watched:
        """Return a token that is watched too."""
        return Watched(self._watched.get_token(**names), self._refused)

    def open(self, user_pin: str) -> Any:
        """Log in."""
        try:
            return self._watched.open(user_pin=user_pin)
        except Exception as error:
            self._refused.append(type(error).__name__)
            raise


@pytest.fixture
def refused_logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The errors of logins that tokens have refused in this process."""
    refused: list[str] = []
    load = pkcs11_module.Module._loaded
    monkeypatch.setattr(
        pkcs11_module.Module, "_loaded", lambda module: Watched(load(module), refused)
    )
    return refused


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    """An empty token; for tests marked `softhsm`. After a failure it is asked again at once."""
    module = softhsm_module()
    assert module is not None
    folder = tmp_path / "softhsm"
    folder.mkdir()
    hsm = SoftHsm(folder, module)
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    monkeypatch.setattr(pkcs11_module, "RETRY_SECONDS", 0.0)
    # The process may have loaded the module for another test.
    pkcs11_module.module_at(module).restart()
    return hsm
