"""What `usher doctor` says of settings, keys and files."""

from __future__ import annotations

import os
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.examinations import Examination, examined
from support.installations import Installation
from support.keys import private_pem, public_pem, rsa_key

from flask_usher import keys, schema
from flask_usher.database import Database
from flask_usher.findings import Finding

Disk = namedtuple("Disk", "f_bavail f_frsize f_files f_favail f_blocks", defaults=[1])


@pytest.fixture(autouse=True)
def _as_the_user_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 999)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """An installation in order, except that nobody serves."""
    tmp_path.chmod(0o700)
    database = Database(f"sqlite:///{tmp_path / 'usher.db'}")
    schema.upgrade(database)
    database.close()
    return Installation(tmp_path)


def look(installation: Installation, *arguments: str, **changes: Any) -> Examination:
    """Examine the installation, which has a public address where nobody answers."""
    file = installation.toml(
        **{
            "public_url": "https://localhost:9",
            "proxy": {"trusted_addresses": ["127.0.0.1"]},
            "audit": {"file": str(installation.folder / "audit.log")},
            "token": {
                "signing_key_fingerprint": keys.fingerprint(rsa_key("signing").public_key())
            },
        }
        | changes
    )
    return examined({"USHER_SETTINGS": str(file)}, *arguments)


def test_all_is_well_but_for_the_site(installation: Installation) -> None:
    found = look(installation)
    assert found.bad() == {"workers": "warning", "connection": "fault"}
    assert found.exit_code == 1
    assert list(found.families) == [
        "Settings",
        "Keys",
        "This machine",
        "Database",
        "Redis",
        "Workers",
        "Identity providers",
        "Site",
    ]


def damage(name: str, change: Callable[[bytes], bytes]) -> Callable[[Installation], None]:
    def act(installation: Installation) -> None:
        file = installation.folder / name
        file.write_bytes(change(file.read_bytes()))

    return act


def nothing(_: Installation) -> None:
    """Leave the files as they are."""


def own_public_key(installation: Installation) -> None:
    installation.file("iadvize.pem", public_pem(rsa_key("signing").public_key()))


def own_private_key(installation: Installation) -> None:
    installation.file("iadvize.pem", private_pem(rsa_key("other")))


RECIPIENT = {"token": {"recipient_key": "iadvize.pem"}}
UNUSABLE = [
    pytest.param(
        damage("signing-key.pem", lambda pem: pem[:400]),
        {},
        "token.signing_key",
        "is damaged",
        id="pem-cut-short",
    ),
    pytest.param(
        damage("signing-key.pem", lambda pem: pem.replace(b"\n", b"\\n")),
        {},
        "token.signing_key",
        "is damaged",
        id="pem-on-one-line",
    ),
    pytest.param(
        damage("signing-key.pem", lambda _: public_pem(rsa_key("signing").public_key())),
        {},
        "token.signing_key",
        "holds a public key",
        id="public-key-in-its-place",
    ),
    pytest.param(
        damage("signing-key.pem", lambda _: b""),
        {},
        "token.signing_key",
        "is empty",
        id="key-emptied",
    ),
    pytest.param(
        lambda it: (it.folder / "signing-key.pem").chmod(0o644),
        {},
        "token.signing_key",
        "Run: chmod 600",
        id="key-for-all-to-read",
    ),
    pytest.param(
        own_public_key,
        RECIPIENT,
        "token.recipient_key",
        "not the one that belongs to token.signing_key",
        id="vendor-key-swapped-with-our-own",
    ),
    pytest.param(
        own_private_key,
        RECIPIENT,
        "token.recipient_key",
        "holds a private key where iAdvize's public key belongs",
        id="private-key-as-vendor-key",
    ),
    pytest.param(
        nothing,
        {"token": {"signing_key_fingerprint": "SHA256:other"}},
        "token.signing_key_fingerprint",
        "Restore the key that iAdvize knows",
        id="key-that-iadvize-does-not-know",
    ),
    pytest.param(
        nothing, {"url_prefix": "/usher/"}, "url_prefix", "no slash at its end", id="prefix"
    ),
    pytest.param(
        nothing, {"allowed_origin": []}, "allowed_origin", "'allowed_origins'?", id="unknown"
    ),
]


@pytest.mark.parametrize(("act", "changes", "check", "remedy"), UNUSABLE)
def test_settings_that_cannot_be_used(
    installation: Installation,
    act: Callable[[Installation], None],
    changes: dict[str, Any],
    check: str,
    remedy: str,
) -> None:
    act(installation)
    found = look(installation, **changes)
    assert found.bad() == {check: "fault", "everything else": "warning"}
    fault = found.families["Settings"][check]
    assert remedy in fault.remedy
    assert fault.why == "The service does not start with it."
    assert found.exit_code == 1


def test_all_faults_of_the_settings_at_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    found = look(installation, url_prefix="/", allowed_origins=["shop"], limits={"workers": 0})
    faults = {name for name, verdict in found.bad().items() if verdict == "fault"}
    assert faults == {"url_prefix", "allowed_origins.0", "limits.workers", "FLASK_DEBUG"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"proxy": {"trusted_addresses": []}},
            {"proxy.trusted_addresses": "fault"},
            id="no-proxy",
        ),
        pytest.param(
            {"public_url": "http://localhost:9", "sandbox": {"recipient_key": "other.pem"}},
            {"sandbox": "warning", "recipient key": "warning"},
            id="trial",
        ),
        pytest.param({"token": {}}, {"signing key": "warning"}, id="not-pinned"),
        pytest.param(
            {"token": {"recipient_key": "other-public.pem"}},
            {"signing key": "warning", "recipient key": "warning"},
            id="another-recipient",
        ),
        pytest.param(
            {"policy": {"rules": [{"code": "closed", "refuse_when": "false"}]}},
            {"policy tests": "warning"},
            id="no-tests",
        ),
    ],
)
def test_what_is_not_for_production(
    installation: Installation, changes: dict[str, Any], expected: dict[str, str]
) -> None:
    installation.file("other.pem", private_pem(rsa_key("other")))
    installation.file("other-public.pem", public_pem(rsa_key("other").public_key()))
    bad = look(installation, **changes).bad()
    assert bad == {"workers": "warning", "connection": "fault"} | expected


def test_the_remedy_for_a_key_that_is_not_pinned(installation: Installation) -> None:
    own = keys.fingerprint(rsa_key("signing").public_key())
    found = look(installation, token={}).families["Keys"]["signing key"]
    assert found == Finding(
        "signing key",
        "warning",
        f"{own}, not pinned",
        f'Set token.signing_key_fingerprint = "{own}" once iAdvize has it.',
    )


GIBIBYTE = 1024**3


@pytest.mark.parametrize(
    ("disk", "verdict", "found"),
    [
        (Disk(2 * GIBIBYTE, 1, 10**6, 10**6), "ok", "2.0 GiB free"),
        (Disk(2 * GIBIBYTE, 1, 0, 0), "ok", "2.0 GiB free"),
        (Disk(GIBIBYTE // 2, 1, 10**6, 10**6), "warning", "0.5 GiB free"),
        (Disk(GIBIBYTE // 100, 1, 10**6, 10**6), "fault", "0.0 GiB free"),
        (Disk(2 * GIBIBYTE, 1, 10**6, 500), "warning", "room for 500 files"),
        (Disk(2 * GIBIBYTE, 1, 10**6, 5), "fault", "room for 5 files"),
    ],
)
def test_disks_that_fill_up(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    disk: Disk,
    verdict: str,
    found: str,
) -> None:
    monkeypatch.setattr("flask_usher.doctor.machine.os.statvfs", lambda _: disk)
    machine = look(installation, audit={"syslog": "/dev/null"}).families["This machine"]
    assert "room for the audit log" not in machine
    room = look(installation).families["This machine"]
    for name in ("room for the audit log", "room for the database"):
        assert (room[name].verdict, room[name].found.partition(" at ")[0]) == (verdict, found)


def test_an_audit_log_that_cannot_be_written(installation: Installation) -> None:
    found = look(installation, audit={"file": "/proc/no/such/folder"})
    assert found.families["This machine"]["audit log"].verdict == "fault"
    assert "that this user may write to" in found.families["This machine"]["audit log"].remedy


def test_an_audit_log_that_nobody_rotates(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.file("audit.log", b"x" * 2000)
    monkeypatch.setattr("flask_usher.doctor.machine.LARGE_AUDIT_BYTES", 1999)
    found = look(installation).families["This machine"]["audit log's size"]
    assert (found.verdict, found.remedy) == ("warning", "Rotate it: deploy/logrotate.conf.")


@pytest.mark.parametrize(
    ("name", "mode", "verdict", "remedy"),
    [
        ("usher.toml", 0o602, "fault", "chmod go-w"),
        ("usher.toml", 0o620, "warning", "chmod go-w"),
        (".", 0o777, "fault", "chmod go-w"),
        ("audit.log", 0o604, "warning", "chmod o-r"),
        ("usher.db", 0o644, "warning", "chmod o-r"),
    ],
)
def test_files_that_others_may_touch(
    installation: Installation, name: str, mode: int, verdict: str, remedy: str
) -> None:
    installation.file("audit.log", b"")
    (installation.folder / "usher.db").chmod(0o600)
    look(installation)
    path = (installation.folder / name).resolve()
    settings = installation.folder / "usher.toml"
    path.chmod(mode)
    found = examined({"USHER_SETTINGS": str(settings)})
    finding = found.families["This machine"][f"permissions of {path.name}"]
    assert finding.verdict == verdict
    assert finding.remedy == f"Run: {remedy} {path}"
    assert f"(mode {mode:04o})" in finding.found


@pytest.mark.parametrize(
    ("changes", "mode", "told"),
    [
        pytest.param({"redis": {"url": "redis://:pw@127.0.0.1:9/0"}}, 0o600, None, id="alone"),
        pytest.param(
            {"redis": {"url": "redis://:pw@127.0.0.1:9/0"}}, 0o640, "its group", id="redis"
        ),
        pytest.param(
            {"database": {"url": "postgresql+psycopg://usher:pw@127.0.0.1:9/usher"}},
            0o640,
            "its group",
            id="database",
        ),
        pytest.param(
            {"redis": {"url": "redis://:pw@127.0.0.1:9/0"}}, 0o644, "everybody", id="all"
        ),
        pytest.param({"redis": {"url": "redis://127.0.0.1:9/0"}}, 0o644, None, id="none"),
    ],
)
def test_settings_with_a_password_are_for_nobody_else(
    installation: Installation, changes: dict[str, Any], mode: int, told: str | None
) -> None:
    look(installation, **changes)
    settings = installation.folder / "usher.toml"
    settings.chmod(mode)
    found = examined({"USHER_SETTINGS": str(settings)}).families["This machine"]
    finding = found.get("permissions of usher.toml")
    assert (finding is None) == (told is None)
    if finding is not None:
        assert finding.verdict == "warning"
        assert finding.found == f"{told} may read {settings} (mode {mode:04o})"
        assert finding.remedy == f"Run: chmod go-r {settings}"


def test_root_is_told_that_it_sees_no_fault(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    found = look(installation).families["This machine"]["user"]
    assert found.verdict == "warning"
    settings = f"USHER_SETTINGS={installation.folder}/usher.toml"
    assert f"runuser -u usher -- env {settings} {sys.prefix}/bin/usher doctor" in found.remedy


def test_it_changes_nothing(installation: Installation) -> None:
    look(installation)

    def state() -> dict[str, tuple[int, bytes]]:
        return {
            it.name: (it.stat().st_mode, it.read_bytes())
            for it in installation.folder.iterdir()
            if not it.name.startswith("usher.db-")
        }

    before = state()
    examined({"USHER_SETTINGS": str(installation.folder / "usher.toml")})
    assert state() == before


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = look(Installation(tmp_path))
    assert found.families["Database"] == {
        "tables": Finding(
            "tables",
            "fault",
            "tables that are missing or old",
            f"Expected: tables of revision {schema.HEAD} or later. Run: usher db upgrade.",
            "Nobody can sign in, and no token is issued.",
        )
    }
    assert not (tmp_path / "usher.db").exists()


def test_no_secret_is_told(installation: Installation) -> None:
    url = "postgresql+psycopg://usher:hidden-password@127.0.0.1:9/usher"
    found = look(
        installation,
        database={"url": url},
        redis={"url": "redis://:hidden-password@127.0.0.1:9/0"},
    )
    assert found.families["Database"]["connection"].verdict == "fault"
    assert found.families["Redis"]["connection"].found == "no connection"
    secrets = ["hidden-password", (installation.folder / "secret-key").read_text()]
    told = found.printed + str([asdict(it) for it in found])
    assert not [it for it in secrets if it in told]
    assert os.environ.get("USHER_SETTINGS") is None
