"""`usher demo`: the whole path on one machine, with the stand-in for iAdvize."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from flask_usher.providers.accounts import NewAccount
from flask_usher.providers.local import LocalProvider
from flask_usher.providers.passwords import UnusablePassword, prepare

from .. import configuration, keys, server
from ..errors import SettingsError
from ..extension import STDERR, build
from ..schema import upgrade
from ..setting_types import LOOPBACK_HOSTS
from .context import Failure, local_provider, settings_failure, store_failures

SETTINGS = """\
# The settings of the demo, written once. Change what you like: the next start uses it.
# The address comes from the command line.

secret_key = "secret-key"

[token]
signing_key = "signing-key.pem"
visitor_data = { firstName = "given_name", lastName = "family_name" }

[database]
url = "sqlite:///usher.db"

[sign_ins]
default_next = "/usher/sandbox/"

[operator]
group = "operators"

[sandbox]
recipient_key = "sandbox-recipient-key.pem"
"""
PEOPLE = {
    "jane": {"given_name": "Jane", "family_name": "Doe", "email": "jane@shop.example"},
    "sam": {"given_name": "Sam", "family_name": "Roe", "email": "sam@shop.example"},
}
DISABLED = "sam"
GROUPS = {"jane": ("operators",)}
STOP_SECONDS = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="A port that is free.",
)
@click.option(
    "--var",
    type=click.Path(path_type=Path, file_okay=False),
    default="var",
    show_default=True,
    help="The folder for keys, settings and the database.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many processes serve.",
)
def demo(host: str, port: int, var: Path, workers: int) -> None:
    """Serve a demo shop whose chat knows who is signed in.

    Makes what is missing in the folder VAR: keys, settings, the database and two accounts.
    The password of `jane` is USHER_DEMO_PASSWORD, or a new one that is kept in
    VAR/demo-password. Press Ctrl-C to stop.

    \b
    Example:
      usher demo --port 8010
    """
    origin = _origin(host, port)
    password = _prepare(var)
    environment = {
        "USHER_SETTINGS": str(var.absolute() / "usher.toml"),
        "USHER__PUBLIC_URL": origin,
        "USHER__LIMITS__WORKERS": str(workers),
    }
    try:
        state = build(configuration.load(environment=os.environ | environment), console=STDERR)
    except SettingsError as error:
        raise settings_failure(error) from error
    with store_failures():
        upgrade(state.database)
        provider = local_provider(state)
        for name, claims in PEOPLE.items():
            _set_up(provider, name, password, claims)
    state.close()
    click.echo(_banner(origin + state.settings.url_prefix, var, password))
    sys.stdout.flush()
    os.execve(sys.executable, _server(host, port, workers), os.environ | environment)  # noqa: S606


def _origin(host: str, port: int) -> str:
    if host not in LOOPBACK_HOSTS:
        raise Failure(
            f"the demo is for this machine only: --host {' or '.join(LOOPBACK_HOSTS)}"
        )
    if importlib.util.find_spec("granian") is None:
        raise Failure("the demo needs a server: pip install 'flask-usher[serve]'")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror
            raise Failure(
                f"port {port} can't be had ({reason}): choose another --port"
            ) from error
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _prepare(var: Path) -> str:
    """Make what is missing in the folder, and return the password."""
    try:
        var.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("signing-key.pem", "sandbox-recipient-key.pem"):
            if not (var / name).exists():
                keys.generate(var / name)
        if not (var / "secret-key").exists():
            keys.generate_secret(var / "secret-key")
        if not (var / "usher.toml").exists():
            (var / "usher.toml").write_text(SETTINGS)
        return _password(var / "demo-password")
    except OSError as error:
        raise Failure(f"{error.filename or var}: {error.strerror}") from error


def _password(file: Path) -> str:
    password, source = os.environ.get("USHER_DEMO_PASSWORD"), "USHER_DEMO_PASSWORD"
    if not password:
        if not file.exists():
            keys.write_private_file(file, f"{secrets.token_urlsafe(9)}\n".encode())
        password, source = file.read_text(errors="replace").strip(), str(file)
    try:
        prepare(password)
    except UnusablePassword as error:
        raise Failure(f"the password in {source} can't be used: {error}") from error
    return password


def _set_up(
    provider: LocalProvider, name: str, password: str, claims: Mapping[str, str]
) -> None:
    accounts, passwords, prepared = provider.accounts, provider.passwords, prepare(password)
    there = accounts.credentials(name)
    if there is None:
        hashed = passwords.hash(prepared)
        new = NewAccount(
            name=name,
            password_hash=hashed,
            claims=claims,
            groups=GROUPS.get(name, ()),
            active=name != DISABLED,
        )
        accounts.add(new)
    elif not passwords.verify(prepared, there.password_hash):
        accounts.set_password(there.account.id, passwords.hash(prepared))


def _banner(address: str, var: Path, password: str) -> str:
    return f"""
  Usher's demo shop   {address}/sandbox/
  the operator's page {address}/operator

  sign in as          jane   password  {password}
  a disabled account  sam    the same password

  Everything is kept in {var}/ : delete it to start afresh.
  Below is the audit log: a line for each decision. Ctrl-C stops.
"""


def _server(host: str, port: int, workers: int) -> list[str]:
    return [
        *server.command(),
        "--interface=wsgi",
        "--factory",
        f"--host={host}",
        f"--port={port}",
        f"--workers={workers}",
        "--blocking-threads=16",
        # A worker that is told to stop while it starts does not hear it.
        f"--workers-kill-timeout={STOP_SECONDS}",
        "--no-ws",
        "--log-level=warning",
        "flask_usher:create_app",
    ]
