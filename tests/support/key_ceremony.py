"""Two hosts that share a database and list several keys, and the steps of the ceremony."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from support.keys import private_pem, public_pem, rsa_key
from support.service import MakeService, Service

from flask_usher import keys
from flask_usher.cli import main

SIGNING = ("signing", "other", "third")
RECIPIENTS = ("recipient", "recipient-2")


def fingerprint(name: str) -> str:
    """Return the fingerprint of a key of the tests."""
    return keys.fingerprint(rsa_key(name).public_key())


def opened(token: str) -> tuple[str, str, dict[str, Any]]:
    """Return the names of the two keys that a token was made with, and its claims."""
    ((recipient, inner),) = [
        (name, found) for name in RECIPIENTS if (found := _decrypted(token, name)) is not None
    ]
    ((signer, claims),) = [
        (name, found) for name in SIGNING if (found := _verified(inner, name)) is not None
    ]
    return signer, recipient, json.loads(claims)


@cache
def _judge(name: str) -> RSAKey:
    return RSAKey.import_key(private_pem(rsa_key(name)))


def _decrypted(token: str, name: str) -> bytes | None:
    try:
        return jwe.decrypt_compact(
            token, _judge(name), algorithms=["RSA-OAEP-256", "A256GCM"]
        ).plaintext
    except (JoseError, ValueError):
        return None


def _verified(inner: bytes, name: str) -> bytes | None:
    try:
        return jws.deserialize_compact(inner, _judge(name), algorithms=["RS256"]).payload
    except JoseError:
        return None


@dataclass(frozen=True)
class Hosts:
    """Services with one database, each of which may list other keys."""

    folder: Path
    first: Service
    make: Callable[..., Service]

    def another(self, **token: Any) -> Service:
        """Return a further host with these settings of `[token]`."""
        config = self.first.config
        return self.make(
            database=config["database"],
            secret_key=config["secret_key"],
            audit=config["audit"],
            limits=config["limits"],
            token=config["token"] | token,
        )

    def files(self, *names: str) -> list[str]:
        """Return the paths of these keys: signing keys as private ones."""
        return [str(self.folder / f"{name}.pem") for name in names]


def run(service: Service, *arguments: str, typed: str = "") -> Result:
    """Run `usher keys` on a host."""
    result = CliRunner().invoke(
        main, ["keys", *arguments], env=service.environment, input=typed
    )
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "PRIVATE KEY" not in result.output
    return result


def step(service: Service, *arguments: str) -> str:
    """Run `usher keys` on a host; it must go well."""
    result = run(service, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(service: Service, *arguments: str, typed: str = "") -> str:
    """Run `usher keys` on a host, which must refuse and change nothing; return what it says."""
    before = status(service)
    result = run(service, *arguments, typed=typed)
    assert result.exit_code == 1, result.output
    assert status(service) == before
    return result.stderr


def status(service: Service) -> list[dict[str, Any]]:
    """Return what `usher keys status` says, without the ages."""
    entries = json.loads(run(service, "status", "--json").stdout)
    for entry in entries:
        del entry["age_seconds"]
    return list(entries)


def states(service: Service, purpose: str = "signing") -> dict[str, str]:
    """Return the state of each key by its name."""
    names = {fingerprint(name): name for name in SIGNING + RECIPIENTS}
    return {
        names[it["fingerprint"]]: it["state"]
        for it in status(service)
        if it["purpose"] == purpose
    }


def sha256(token: str) -> str:
    """Return the hash by which the audit log knows a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
def hosts(make_service: MakeService, database_url: str, tmp_path: Path) -> Hosts:
    """Hosts on each kind of database; the first one lists all keys."""
    for name in SIGNING:
        keys.write_private_file(tmp_path / f"{name}.pem", private_pem(rsa_key(name)))
    for name in RECIPIENTS:
        (tmp_path / f"{name}.pem").write_bytes(public_pem(rsa_key(name).public_key()))
    token = {
        "signing_key": [str(tmp_path / f"{name}.pem") for name in SIGNING],
        "recipient_key": [str(tmp_path / f"{name}.pem") for name in RECIPIENTS],
    }
    limits = {f"tokens_per_{it}": "1000000 per 60 seconds" for it in ("person", "address")}
    first = make_service(database={"url": database_url}, token=token, limits=limits)
    return Hosts(tmp_path, first, make_service)
