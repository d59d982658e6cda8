"""What `deploy/` holds, read by the programs that it is for, or by a parser."""

from __future__ import annotations

import getpass
import grp
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from parts import ROOT, logrotate_program, nginx_program, systemd_analyze
from support.site import Site, nginx_arguments

from flask_usher.cli.context import PIN_REFUSED
from flask_usher.cli.serve import MEMORY_MIB
from flask_usher.nginx_block import nginx_block

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd/usher.service"
UNITS = (UNIT, DEPLOY / "systemd/usher-metrics.service")
MOST_EXPOSURE = "20"
"""In tenths, from 0 to 100; a service without any sandbox has more than 90."""


def run(program: Path | None, *arguments: object) -> str:
    result = subprocess.run(
        [str(program), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def commands(key: str, text: str = UNIT.read_text()) -> list[list[str]]:
    lines = (line.partition("=") for line in text.splitlines())
    return [shlex.split(value) for name, _, value in lines if name == key]


def drop_in() -> str:
    """Return what the page gives to `systemctl edit usher` for more workers."""
    page = (ROOT / "docs/deployment.md").read_text()
    found = re.search(r"```ini\n(\[Service\]\nExecStart=\n.*?)```", page, re.S)
    assert found is not None
    return found[1]


@pytest.mark.nginx
def test_nginx_reads_its_files_without_a_warning(site: Site) -> None:
    told = run(nginx_program(), *nginx_arguments(site), "-t")
    assert "test is successful" in told
    assert "[warn]" not in told


def test_the_block_that_embed_prints_says_nothing_else(site: Site) -> None:
    block = nginx_block(site.service.state.settings, "usher")
    whole = (DEPLOY / "nginx/usher.conf").read_text()
    directives = {line.strip() for line in block.splitlines() if line.endswith(";")}
    assert len(directives) > 10
    assert directives <= {line.strip() for line in whole.splitlines()}


@pytest.mark.systemd
@pytest.mark.parametrize("file", UNITS, ids=lambda it: it.stem)
def test_systemd_reads_the_unit_without_a_warning(tmp_path: Path, file: Path) -> None:
    # It looks whether the programs are there.
    unit = tmp_path / file.name
    unit.write_text(file.read_text().replace("/opt/usher/bin/usher", "/bin/true"))
    assert run(systemd_analyze(), "verify", unit) == ""


@pytest.mark.systemd
@pytest.mark.parametrize("file", UNITS, ids=lambda it: it.stem)
def test_the_unit_is_well_sandboxed(file: Path) -> None:
    run(systemd_analyze(), "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", file)


@pytest.mark.parametrize("file", UNITS, ids=lambda it: it.stem)
def test_after_a_refused_pin_the_unit_is_not_started_again(file: Path) -> None:
    assert f"\nRestartPreventExitStatus={PIN_REFUSED}\n" in file.read_text()


@pytest.mark.parametrize("text", [UNIT.read_text(), drop_in()], ids=["unit", "more-workers"])
def test_a_reload_begins_with_the_check_of_what_is_started(text: str) -> None:
    start = commands("ExecStart", text)[-1]
    check, hang_up = commands("ExecReload", text)[-2:]
    workers = start[start.index("--workers") :][:2]
    assert start[:2] == check[:2] == ["/opt/usher/bin/usher", "serve"]
    assert check[2:] == [*workers, "--check"]
    assert hang_up == ["/bin/kill", "-HUP", "$MAINPID"]
    # A reload starts a worker before it ends another.
    ((memory,),) = commands("MemoryMax", text)
    assert memory == f"{(int(workers[1]) + 1) * MEMORY_MIB}M"


def test_unit_and_nginx_name_the_same_socket() -> None:
    (start,) = commands("ExecStart")
    bind = start[start.index("--bind") + 1]
    assert f"server {bind} " in (DEPLOY / "nginx/usher.conf").read_text()


def test_commands_run_as_the_service_does(tmp_path: Path) -> None:
    runuser = tmp_path / "runuser"
    runuser.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    runuser.chmod(0o755)
    told = subprocess.run(
        [DEPLOY / "usher", "pause", "--message", "key leaked"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    (user,) = commands("User")
    (start,) = commands("ExecStart")
    (settings,) = (it for (it,) in commands("Environment") if it.startswith("USHER_"))
    assert told[:4] == ["-u", *user, "--", "env"]
    assert told[4:6] == ["HOME=/var/lib/usher", settings]
    assert told[6:] == [start[0], "pause", "--message", "key leaked"]


@pytest.mark.parametrize("file", UNITS, ids=lambda it: it.stem)
def test_only_the_socket_s_folder_is_for_the_group(file: Path) -> None:
    """nginx is in the service's group, and so is whatever else runs as `www-data`."""
    lines = [line.partition("=") for line in file.read_text().splitlines()]
    modes = {name: mode for name, _, mode in lines if name.endswith("DirectoryMode")}
    assert modes.pop("RuntimeDirectoryMode", "0750") == "0750"
    assert {"ConfigurationDirectoryMode", "StateDirectoryMode"} <= modes.keys()
    assert set(modes.values()) == {"0700"}
    assert ("UMask", "=", "0077") in lines
    assert "d /etc/usher 0700 usher usher" in (DEPLOY / "systemd/tmpfiles.conf").read_text()


@pytest.mark.logrotate
def test_logrotate_moves_the_audit_log_and_compresses_it_later(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("{}\n")
    own = f"su {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}"
    text = (DEPLOY / "logrotate.conf").read_text()
    assert "/var/log/usher/audit.log" in text
    file = tmp_path / "logrotate.conf"
    file.write_text(
        text.replace("/var/log/usher/audit.log", str(log)).replace("su usher usher", own)
    )
    file.chmod(0o644)
    run(logrotate_program(), "--force", "--state", tmp_path / "state", file)
    (moved,) = tmp_path.glob("audit.log-*")
    assert moved.read_text() == "{}\n"
    assert not log.exists()


def test_the_containers_are_described_well() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"tables", "usher", "nginx", "database", "redis"}
    assert {name for name, it in services.items() if "ports" in it} == {"nginx"}
    within = {name: set(it["networks"]) for name, it in services.items()}
    assert within.pop("nginx") == {"front"}
    assert within.pop("usher") == {"front", "back"}
    assert all(it == {"back"} for it in within.values())
    assert compose["networks"]["back"] == {"internal": True}
    for name in ("tables", "usher"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    assert "POSTGRES_USER" not in services["database"]["environment"]
    assert set(services["database"]["secrets"]) == set(compose["secrets"])
    for service in services.values():
        assert {"mem_limit", "pids_limit", "logging"} <= service.keys()
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source[0] in "/." or source in compose["volumes"]
            assert source[0] != "." or (DEPLOY / source).is_file()


def test_the_container_runs_as_nobody_special_and_knows_its_health() -> None:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line[:1].isupper()]
    last = dict(lines)
    assert last["USER"] == "10001:33"
    assert last["CMD"].startswith('["usher", "serve",')
    (start,) = commands("ExecStart")
    assert yaml.safe_load(last["CMD"])[1:] == start[1:]
    compile(yaml.safe_load(last["HEALTHCHECK"].partition("CMD ")[2])[2], "health", "exec")
    for _, source in (it for it in lines if it[0] == "COPY"):
        for name in source.split()[:-1]:
            assert name.startswith(("--from", "/")) or (ROOT / name).exists()
