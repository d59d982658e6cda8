"""A whole installation in a temporary folder: keys, settings, accounts, people signed in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from flask_usher import Settings, configuration, keys, schema
from flask_usher.extension import build
from flask_usher.keys import public_pem
from flask_usher.providers import accounts
from flask_usher.providers.base import Completion, Identity
from flask_usher.sign_ins import records as sign_in_records

ACTIVE_PEOPLE = 200
SIGNED_IN_SHARE = 10
"""One account in ten has a sign-in."""
SETTINGS = """
public_url = "http://127.0.0.1:{port}"
secret_key = "secret-key"

[token]
signing_key = "signing-key.pem"
recipient_key = "recipient-key.pem"

[database]
url = "sqlite:///usher.db"

[audit]
file = "audit.log"

[limits]
tokens_per_person = "9999999 per 1 seconds"
tokens_per_address = "9999999 per 1 seconds"
sign_ins = "9999999 per 1 seconds"
sign_in_failures_per_account = "9999999 per 1 seconds"
sign_in_failures_per_address = "9999999 per 1 seconds"
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where it lies, what it answers to, and the cookies of people who are signed in."""

    folder: Path
    port: int
    settings: Settings
    recipient_key: keys.PrivateKey
    cookies: tuple[str, ...]

    @property
    def settings_file(self) -> Path:
        """What `USHER_SETTINGS` takes."""
        return self.folder / "usher.toml"

    @property
    def peer_file(self) -> Path:
        """What the Node.js peer takes."""
        return self.folder / "peer.json"


def install(folder: Path, port: int, account_count: int) -> Installation:
    """Make an installation with so many accounts."""
    folder.mkdir(parents=True)
    keys.generate(folder / "signing-key.pem")
    recipient_key = keys.generate(folder / "recipient-private-key.pem")
    (folder / "recipient-key.pem").write_text(public_pem(recipient_key.public_key))
    keys.generate_secret(folder / "secret-key")
    (folder / "usher.toml").write_text(SETTINGS.format(port=port))
    settings = configuration.load(folder / "usher.toml", environment={})
    cookies = _people(settings, account_count)
    _describe_to_peer(folder, port, settings)
    return Installation(folder, port, settings, recipient_key, cookies)


def _people(settings: Settings, account_count: int) -> tuple[str, ...]:
    state = build(settings)
    try:
        schema.upgrade(state.database)
        active = min(account_count, ACTIVE_PEOPLE)
        owner = accounts.Accounts(state.database)
        cookies = []
        for number in range(active):
            account = owner.add(accounts.NewAccount(name=f"person-{number}", password_hash="-"))
            identity = Identity(
                provider="local",
                subject=account.id,
                signed_in_at=state.clock(),
                claims={"preferred_username": account.name},
                amr=("pwd",),
            )
            cookies.append(state.sign_ins.create(Completion(identity)))
        _fill(state.database.engine, account_count - active)
        return tuple(cookies)
    finally:
        state.database.close()


def _fill(engine: sa.Engine, count: int) -> None:
    """Copy the first rows under other ids, which is much faster than the front door."""
    random_id = "lower(hex(randomblob(4))) || substr(hex(randomblob(16)), 1, 28)"
    with engine.begin() as connection:
        _copy(connection, accounts.table, count, {"id": random_id, "name": "'filler-' || n"})
        changed = {"id": "lower(hex(randomblob(32)))", "subject": random_id}
        _copy(connection, sign_in_records.table, count // SIGNED_IN_SHARE, changed)


def _copy(
    connection: sa.Connection, table: sa.Table, count: int, changed: dict[str, str]
) -> None:
    if count <= 0:
        return
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    values = ", ".join(changed.get(column.name, f'"{column.name}"') for column in table.columns)
    connection.exec_driver_sql(
        f"WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter"
        f" WHERE n < {count}) INSERT INTO {table.name} ({columns})"
        f" SELECT {values} FROM counter, (SELECT * FROM {table.name} LIMIT 1)"
    )


def _describe_to_peer(folder: Path, port: int, settings: Settings) -> None:
    description = {
        "port": port,
        "issuer": settings.issuer,
        "origin": settings.public_url,
        "lifetimeSeconds": settings.token.lifetime_seconds,
        "idleSeconds": settings.sign_ins.idle_seconds,
        "signingKey": str(folder / "signing-key.pem"),
        "recipientKey": str(folder / "recipient-key.pem"),
        "secretKey": str(folder / "secret-key"),
        "database": str(folder / "usher.db"),
        "auditFile": str(folder / "audit-peer.log"),
    }
    (folder / "peer.json").write_text(json.dumps(description))
