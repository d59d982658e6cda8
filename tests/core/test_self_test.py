"""The test that the keys pass before the service starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from support.installations import Installation
from support.keys import private_key, private_pem, public_key, rsa_key, spki

from flask_usher import create_app
from flask_usher.cli import main
from flask_usher.errors import SettingsError
from flask_usher.minter import Minter
from flask_usher.self_test import self_test


@pytest.mark.parametrize("recipient", ["iadvize-production", None, "own"])
def test_row_124_good_keys_pass(installation: Installation, recipient: str | None) -> None:
    own = spki(rsa_key("recipient").public_key())
    key = own if recipient == "own" else recipient
    self_test(installation.settings(token={"recipient_key": key}))


def test_row_124_the_sandbox_key_passes(installation: Installation) -> None:
    key = installation.file("sandbox.pem", private_pem(rsa_key("recipient")))
    self_test(
        installation.settings(
            public_url="http://localhost:8000", sandbox={"recipient_key": str(key)}
        )
    )


def breaking(**changes: Any) -> Callable[..., Minter]:
    return lambda **arguments: Minter(**(arguments | changes))


def failing(**_arguments: Any) -> Minter:
    raise ValueError("jane@shop.example")


BROKEN = [
    pytest.param(
        lambda: breaking(signing_key=private_key("other")), "signature", id="row124-signer"
    ),
    pytest.param(
        lambda: breaking(recipient_key=public_key("other")), "decrypts", id="row124-recipient"
    ),
    pytest.param(lambda: breaking(issuer="https://evil.example"), "issuer", id="issuer"),
    pytest.param(lambda: breaking(lifetime_seconds=-1), "not-expired", id="expired"),
    pytest.param(lambda: breaking(lifetime_seconds=1000), "exp-is-near", id="too-long"),
    pytest.param(lambda: failing, "ValueError", id="row134-mint-raises"),
]


@pytest.mark.parametrize(("minter", "found"), BROKEN)
def test_what_cannot_be_opened_again_stops_the_start(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    minter: Callable[[], Callable[..., Minter]],
    found: str,
) -> None:
    monkeypatch.setattr("flask_usher.self_test.Minter", minter())
    with pytest.raises(SettingsError) as error:
        create_app(installation.mapping())
    (fault,) = error.value.faults
    assert fault.path == "token.signing_key"
    assert found in fault.found
    assert str(installation.folder / "signing-key.pem") in fault.found
    assert "jane" not in str(fault)
    result = CliRunner().invoke(main, ["--settings", str(installation.toml()), "check"])
    assert result.exit_code == 1
    assert found in result.stderr


def test_row_124_any_lifetime_that_the_settings_allow_passes(
    installation: Installation,
) -> None:
    for lifetime in (10, 60, 300):
        self_test(installation.settings(token={"lifetime_seconds": lifetime}))
