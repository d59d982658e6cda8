"""`usher demo`: starts from nothing, keeps what it made, and never serves other machines."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flask_usher import configuration
from flask_usher.cli import main
from flask_usher.cli.context import local_provider
from flask_usher.extension import build
from flask_usher.providers.base import SignInFailed
from flask_usher.rules.settings import PolicySettings
from flask_usher.state import State

START_SECONDS = 60
STOP_SECONDS = 60
Process = subprocess.Popen[str]


class Started(Exception):
    """The demo has come to where the server takes over."""


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def demo(var: Path, *arguments: object) -> Result:
    """Run the demo up to where the server takes over."""
    texts = [str(argument) for argument in arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "execve", _started)
        return CliRunner().invoke(main, ["demo", "--var", str(var), *texts])


def _started(*_arguments: object) -> None:
    raise Started


def started(var: Path, port: int) -> str:
    """Start the demo and return what it said."""
    result = demo(var, "--port", port)
    assert isinstance(result.exception, Started), result.output
    return result.stdout


def refused(var: Path, *arguments: object, code: int = 1) -> str:
    """Start the demo, which must refuse, and return why."""
    result = demo(var, *arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    return result.stderr


@pytest.fixture
def states(var: Path) -> Iterator[list[State]]:
    opened: list[State] = []
    yield opened
    for state in opened:
        state.close()


def open_state(var: Path, states: list[State]) -> State:
    environment = {"USHER__PUBLIC_URL": "http://127.0.0.1:8000"}
    state = build(configuration.load(var / "usher.toml", environment))
    states.append(state)
    return state


def sign_in(var: Path, states: list[State], name: str, password: str) -> str:
    """Return what comes of a sign-in: `signed-in`, or why not."""
    provider = local_provider(open_state(var, states))
    try:
        provider.sign_in({"username": name, "password": password})
    except SignInFailed as error:
        return error.reason
    return "signed-in"


def files(var: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in var.iterdir() if ".db" not in path.name}


def test_the_first_start_makes_everything(
    var: Path, free_port: int, states: list[State]
) -> None:
    said = started(var, free_port)
    assert f"http://127.0.0.1:{free_port}/usher/sandbox/" in said
    password = (var / "demo-password").read_text().strip()
    assert f"password  {password}\n" in said
    assert len(password) >= 12
    assert set(files(var)) == {
        "demo-password",
        "sandbox-recipient-key.pem",
        "secret-key",
        "signing-key.pem",
        "usher.toml",
    }
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    for path in var.iterdir():
        if path.name != "usher.toml":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert sign_in(var, states, "jane", password) == "signed-in"
    assert sign_in(var, states, "sam", password) == "account-disabled"
    assert sign_in(var, states, "jane", password + "x") == "wrong-password"


def test_a_second_start_keeps_everything(
    var: Path, free_port: int, states: list[State]
) -> None:
    first = started(var, free_port)
    made = files(var)
    jane = local_provider(open_state(var, states)).accounts.by_name("jane")
    assert started(var, free_port) == first
    assert files(var) == made
    assert local_provider(open_state(var, states)).accounts.by_name("jane") == jane


def test_what_the_user_changed_is_kept(var: Path, free_port: int, states: list[State]) -> None:
    started(var, free_port)
    settings = var / "usher.toml"
    settings.write_text(
        settings.read_text().replace("[sandbox]", "[sandbox]\nsession_seconds = 5")
    )
    accounts = local_provider(open_state(var, states)).accounts
    sam = accounts.by_name("sam")
    assert sam is not None
    accounts.set_active(sam.id, True)
    password = (var / "demo-password").read_text().strip()
    started(var, free_port)
    assert open_state(var, states).settings.sandbox.session_seconds == 5  # type: ignore[union-attr]
    assert sign_in(var, states, "sam", password) == "signed-in"


def test_the_password_can_be_chosen_and_changed(
    var: Path, free_port: int, states: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USHER_DEMO_PASSWORD", "first words é")
    assert "first words é" in started(var, free_port)
    assert not (var / "demo-password").exists()
    assert sign_in(var, states, "jane", "first words é") == "signed-in"
    monkeypatch.setenv("USHER_DEMO_PASSWORD", "other words")
    started(var, free_port)
    assert sign_in(var, states, "jane", "first words é") == "wrong-password"
    assert sign_in(var, states, "jane", "other words") == "signed-in"
    assert sign_in(var, states, "sam", "other words") == "account-disabled"
    monkeypatch.delenv("USHER_DEMO_PASSWORD")
    started(var, free_port)
    kept = (var / "demo-password").read_text().strip()
    assert sign_in(var, states, "jane", kept) == "signed-in"
    assert sign_in(var, states, "sam", kept) == "account-disabled"


@pytest.mark.parametrize("password", ["a\tb-hunter2", "hunter2" * 200, "hunter2\udcff"])
def test_row_27_a_password_that_can_be_none_is_refused(
    var: Path, free_port: int, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("USHER_DEMO_PASSWORD", password)
    said = refused(var, "--port", free_port)
    assert "the password in USHER_DEMO_PASSWORD can't be used" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("content", [b"", b"\n", b"\x00\x01", b"x" * 2000])
def test_a_password_file_that_is_spoilt_is_named(
    var: Path, free_port: int, content: bytes
) -> None:
    var.mkdir()
    (var / "demo-password").write_bytes(content)
    said = refused(var, "--port", free_port)
    assert f"the password in {var / 'demo-password'} can't be used" in said


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "",
        "*",
        "192.168.1.10",
        "shop.example",
        "localhost.shop.example",
        "127.0.0.1.shop.example",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "127.0.0.1 ",
        "[::1]",
    ],
)
def test_row_134_the_demo_is_for_this_machine_only(var: Path, host: str) -> None:
    assert "for this machine only" in refused(var, "--host", host)
    assert not var.exists()


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", ""])
def test_what_is_no_port_is_a_usage_error(var: Path, port: str) -> None:
    assert "--port" in refused(var, "--port", port, code=2)
    assert not var.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_said(var: Path, host: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(var, "--host", host, "--port", port)
    assert f"port {port} can't be had (Address already in use): choose another --port" in said
    assert not var.exists()


@pytest.mark.parametrize("place", ["file", "below-a-file", "kernel"])
def test_a_folder_that_cannot_be_is_said(tmp_path: Path, free_port: int, place: str) -> None:
    (tmp_path / "file").touch()
    path = {
        "file": tmp_path / "file",
        "below-a-file": tmp_path / "file" / "var",
        "kernel": Path("/proc/usher"),
    }[place]
    said = refused(path, "--port", free_port, code=2 if place == "file" else 1)
    assert str(path) in said


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("signing-key.pem", "x", "is no PEM private key"),
        ("signing-key.pem", "", "is empty"),
        ("sandbox-recipient-key.pem", "x", "is no PEM private key"),
        ("secret-key", "x", "holds less than 32 random bytes"),
        ("usher.toml", "[token", "a syntax error"),
        ("usher.toml", "tokens = 1", "an unknown key"),
    ],
)
def test_row_123_a_spoilt_file_is_named(
    var: Path, free_port: int, name: str, content: str, problem: str
) -> None:
    started(var, free_port)
    (var / name).write_text(content)
    said = refused(var, "--port", free_port)
    assert str(var / name) in said or "tokens" in said
    assert problem in said


def test_a_spoilt_database_is_said(var: Path, free_port: int) -> None:
    started(var, free_port)
    for path in var.glob("usher.db*"):
        path.unlink()
    (var / "usher.db").write_text("This is no database. " * 1000)
    assert "file is not a database" in refused(var, "--port", free_port)


@pytest.fixture
def process(var: Path, free_port: int, request: pytest.FixtureRequest) -> Iterator[Process]:
    """The demo in a process of its own, with so many workers."""
    command = [sys.executable, "-c", "from flask_usher.cli import main; main()", "demo"]
    command += ["--port", str(free_port), "--var", str(var), "--workers", str(request.param)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=var.parent,
        start_new_session=True,
    )
    yield process
    # The workers, too: they hold the pipes open.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("process", "stop"), [(1, signal.SIGINT), (2, signal.SIGTERM)], indirect=["process"]
)
def test_it_serves_until_it_is_stopped(
    process: Process, var: Path, free_port: int, stop: signal.Signals
) -> None:
    ready = _ready(process, f"http://127.0.0.1:{free_port}")
    assert ready["status"] == "ready"
    assert ready["policy"] == PolicySettings().version
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/") as page:
        assert page.url == f"http://127.0.0.1:{free_port}/usher/sandbox/"
    process.send_signal(stop)
    out, err = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == 0
    assert re.search(r"password  \S+\n", out)
    assert "Python threads" not in out
    assert "Traceback" not in err
    assert (var / "usher.db").exists()


def _ready(process: Process, origin: str) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(origin + "/usher/health/ready") as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
