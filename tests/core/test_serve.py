"""`usher serve` starts in production only with what production needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.installations import Installation
from support.keys import private_pem, rsa_key
from support.server import free_port
from support.softhsm import SoftHsm

from flask_usher import schema
from flask_usher.cli import main
from flask_usher.database import Database

GOOD: dict[str, Any] = {
    "proxy": {"trusted_addresses": ["127.0.0.1"]},
    "limits": {"workers": 2},
}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.fixture
def tables(installation: Installation) -> Iterator[None]:
    database = Database(f"sqlite:///{installation.folder / 'usher.db'}")
    schema.upgrade(database)
    yield
    database.close()


def check(installation: Installation, *arguments: str, **changes: Any) -> Result:
    settings = installation.toml(
        **GOOD | {"audit": {"file": str(installation.folder / "audit.log")}} | changes
    )
    words = ["--settings", str(settings), "serve", "--workers", "2", "--check", *arguments]
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="behind-a-proxy"),
        pytest.param({"public_url": "http://127.0.0.1:8000", "proxy": {}}, id="a-trial"),
        pytest.param({"proxy": {"trusted_addresses": ["::1"]}}, id="ipv6"),
        pytest.param({"proxy": {"trusted_addresses": ["127.0.0.0/8"]}}, id="a-network"),
        pytest.param(
            {"limits": {"workers": 1}, "redis": {"url": "redis://127.0.0.1:1"}}, id="redis"
        ),
    ],
)
def test_what_may_start(installation: Installation, changes: dict[str, Any]) -> None:
    result = check(installation, **changes)
    assert result.output == "Usher would start.\n"
    assert result.exit_code == 0


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("given", "expected"), [(None, "1048576"), ("4096", "4096")])
def test_the_memory_of_a_password_goes_back_to_the_system(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    expected: str,
) -> None:
    started: list[Mapping[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda *it: started.append(it[2]))
    monkeypatch.setenv("USHER_SETTINGS", str(installation.toml(**GOOD)))
    if given is not None:
        monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", given)
    CliRunner().invoke(main, ["serve", "--workers", "2"], catch_exceptions=False)
    (environment,) = started
    assert environment["MALLOC_MMAP_THRESHOLD_"] == expected


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("path", "remedy", "changes"),
    [
        ("public_url", "https", {"public_url": "http://www.shop.example"}),
        ("allowed_origins.0", "an origin such as", {"allowed_origins": ["https://*.example"]}),
        ("secret_key", "32", {"secret_key": "short"}),
        pytest.param(
            "proxy.trusted_addresses", "127.0.0.1 among them", {"proxy": {}}, id="row159-none"
        ),
        pytest.param(
            "proxy.trusted_addresses",
            "127.0.0.1 among them",
            {"proxy": {"trusted_addresses": []}},
            id="row159-empty",
        ),
        pytest.param(
            "proxy.trusted_addresses",
            "127.0.0.1 among them",
            {"proxy": {"trusted_addresses": ["10.0.0.7"]}},
            id="row159-another",
        ),
        pytest.param(
            "proxy.trusted_addresses.0",
            "addresses of your own",
            {"proxy": {"trusted_addresses": ["0.0.0.0/0"]}},
            id="row159-all-ipv4",
        ),
        pytest.param(
            "proxy.trusted_addresses.0",
            "addresses of your own",
            {"proxy": {"trusted_addresses": ["::/0"]}},
            id="row159-all-ipv6",
        ),
        ("limits.workers", "2 or more", {"limits": {"workers": 1}}),
        ("audit.file", "write", {"audit": {"file": "missing/audit.log"}}),
        ("audit.syslog", "write", {"audit": {"syslog": "/missing/log"}}),
        ("database.url", "usher db upgrade", {"database": {"url": "sqlite:///other.db"}}),
        (
            "providers.web.insecure_loopback",
            "false",
            {
                "providers": {
                    "web": {
                        "type": "bearer",
                        "issuer": "https://id.example",
                        "audience": "a",
                        "clients": ["app"],
                        "insecure_loopback": True,
                    }
                }
            },
        ),
        (
            "sandbox",
            "usher demo",
            {"public_url": "http://127.0.0.1:8000", "sandbox": {"recipient_key": "r.pem"}},
        ),
    ],
)
def test_what_may_not(
    installation: Installation, path: str, remedy: str, changes: dict[str, Any]
) -> None:
    installation.file("short", "c2hvcnQ=")
    installation.file("r.pem", private_pem(rsa_key("recipient")))
    result = check(installation, **changes)
    assert result.exit_code == 1
    assert "1 fault:" in result.stderr
    assert f"\n  {path}\n" in result.stderr
    assert remedy in result.stderr
    assert "hidden" not in result.stderr
    assert not (installation.folder / "other.db").exists()


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("providers", "threads", "enough"),
    [
        pytest.param(1, 16, True, id="row61-one"),
        pytest.param(1, 8, False, id="row61-one-may-take-all"),
        pytest.param(2, 16, False, id="row61-two-may-take-all"),
        pytest.param(2, 18, True, id="row61-two"),
    ],
)
def test_providers_that_hang_leave_threads_for_tokens(
    installation: Installation, providers: int, threads: int, enough: bool
) -> None:
    table = {"type": "oidc", "issuer": "https://id.example", "client_id": "shop"}
    table["client_secret"] = str(installation.file("client-secret", "c" * 32))
    tables = {f"id-{number}": table for number in range(providers)}
    result = check(installation, "--threads", str(threads), providers=tables)
    assert result.exit_code == (0 if enough else 1)
    assert ("may hold up 8" in result.stderr) != enough


@pytest.mark.usefixtures("tables")
def test_row_177_a_database_server_that_is_away_is_waited_for(
    installation: Installation,
) -> None:
    url = "postgresql+psycopg://u:hidden@127.0.0.1:1/u"
    result = check(installation, database={"url": url})
    assert result.stdout == "Usher would start.\n"
    assert result.exit_code == 0
    assert "The database does not answer" in result.stderr
    assert "hidden" not in result.stderr


@pytest.mark.usefixtures("tables")
def test_row_163_a_file_that_is_no_database_is_a_fault(installation: Installation) -> None:
    (installation.folder / "other.db").write_bytes(b"no database" * 1000)
    result = check(installation, database={"url": "sqlite:///other.db"})
    assert result.exit_code == 1
    assert "a database that answers" in result.stderr


@pytest.mark.softhsm
@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("names", [["signing"], ["signing", "other"]], ids=["one", "two"])
def test_a_refused_pin_is_tried_once_whatever_keys_there_are(
    installation: Installation, softhsm: SoftHsm, refused_logins: list[str], names: list[str]
) -> None:
    for name in names:
        softhsm.add_key(name, rsa_key(name))
    softhsm.pin_file.write_text("another-pin")
    uris = [softhsm.uri(name) for name in names]
    result = check(installation, token={"signing_key": uris})
    assert refused_logins == ["PinIncorrect"]
    # Not 1: systemd starts the service again after any other status.
    assert result.exit_code == os.EX_CONFIG == 78
    assert result.stderr.count("the PIN is wrong") == len(names)
    assert "another-pin" not in result.output


SERVER = """
import multiprocessing, signal, sys
from flask_usher.serving import create_worker

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
worker = multiprocessing.get_context("spawn").Process(target=create_worker)
worker.start()
worker.join()
assert worker.exitcode == 1
sys.exit(0 if ended else 1)
"""


@pytest.mark.softhsm
@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(("pin", "ends"), [("another-pin", True), ("", False)])
def test_a_worker_whose_pin_is_refused_has_no_successor(
    installation: Installation, softhsm: SoftHsm, pin: str, ends: bool
) -> None:
    softhsm.add_key("signing", rsa_key("signing"))
    softhsm.pin_file.write_text(pin)
    settings = installation.toml(token={"signing_key": softhsm.uri("signing")})
    environment = os.environ | {"USHER_SETTINGS": str(settings)}
    done = subprocess.run(
        [sys.executable, "-c", SERVER], env=environment, timeout=60, check=False
    )
    assert done.returncode == (0 if ends else 1)


@pytest.mark.parametrize("value", ["1", "true", "yes", "on"])
@pytest.mark.usefixtures("tables")
def test_debugging(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", value)
    result = check(installation)
    assert result.exit_code == 1
    assert "FLASK_DEBUG" in result.stderr


def test_all_faults_are_told_at_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    faults = ("FLASK_DEBUG", "proxy.trusted_addresses", "limits.workers", "database.url")
    result = check(installation, limits={}, proxy={}, audit={"file": "missing/audit.log"})
    for path in (*faults, "audit.file"):
        assert f"\n  {path}\n" in result.stderr
    assert "5 faults" in result.stderr


@pytest.mark.parametrize(
    "bind",
    [
        pytest.param("0.0.0.0:8000", id="row178-everybody"),
        pytest.param("[::]:8000", id="row178-everybody-ipv6"),
        pytest.param("10.0.0.7:8000", id="row178-another-address"),
        pytest.param("localhost:8000", id="row178-a-name"),
        pytest.param(":8000", id="row178-no-address"),
        pytest.param("8000", id="row178-a-port"),
        pytest.param("127.0.0.1:0", id="row178-port-0"),
        pytest.param("127.0.0.1:65536", id="row178-port-65536"),
        pytest.param("127.0.0.1.9:80", id="row178-no-such-address"),
        pytest.param("unix:usher.sock", id="row178-relative"),
        pytest.param("unix:/" + "a" * 101, id="row178-too-long"),
        pytest.param("/run/usher.sock", id="row178-no-scheme"),
    ],
)
def test_only_the_proxy_may_reach_it(installation: Installation, bind: str) -> None:
    result = check(installation, "--bind", bind)
    assert result.exit_code == 2
    assert "the proxy alone" in result.stderr


@pytest.mark.parametrize("bind", ["unix:/run/usher.sock", "127.0.0.1:80", "[::1]:8000"])
@pytest.mark.usefixtures("tables")
def test_the_proxy_may(installation: Installation, bind: str) -> None:
    assert check(installation, "--bind", bind).exit_code == 0


WORKER = """
import sys
print("loaded:", "flask_usher" in sys.modules, flush=True)
raise SystemExit(1)
"""


@pytest.mark.usefixtures("tables")
def test_the_server_tells_of_all_but_the_number_of_threads(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", lambda *it: started.append(it))
    monkeypatch.setenv("USHER_SETTINGS", str(installation.toml(**GOOD)))
    # It warns of more threads of its own than there are processors, too.
    monkeypatch.setenv("GRANIAN_RUNTIME_THREADS", str((os.cpu_count() or 1) + 1))
    monkeypatch.setenv("PYTHONPATH", str(installation.folder))
    arguments = ["serve", "--workers=2", "--threads=256", f"--bind=127.0.0.1:{free_port()}"]
    CliRunner().invoke(main, arguments, catch_exceptions=False)
    ((program, command, environment),) = started
    installation.file("worker.py", WORKER)
    done = subprocess.run(
        [program, *command[1:-1], "worker:app"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Python threads" not in done.stdout
    assert "[WARNING] Configured number of Rust threads" in done.stdout
    assert "[ERROR] Unexpected exit from worker" in done.stdout
    # Workers are forked, and what they had from the start no reload would read anew.
    assert "loaded: False" in done.stdout
    assert "loaded: True" not in done.stdout


def test_with_faults_nothing_listens(installation: Installation) -> None:
    socket = installation.folder / "socket"
    settings = installation.toml(**GOOD)
    command = [sys.executable, "-c", "from flask_usher.cli import main; main()"]
    command += ["--settings", str(settings), "serve", "--workers=2", f"--bind=unix:{socket}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "usher db upgrade" in done.stderr
    assert not socket.exists()
