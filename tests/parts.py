"""The parts of the machine that some tests need, and what happens when one is missing.

A missing part skips the tests that need it, with the reason in pytest's summary. With
`USHER_TEST_REQUIRE=all` (as in CI) what skips fails instead: a green run has seen everything.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def chromium() -> Path | None:
    """Return Debian's Chromium, which the browser tests drive."""
    return _command("chromium")


def postgresql_programs() -> Path | None:
    """Return the folder with `initdb` and `pg_ctl` of the newest PostgreSQL server."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    on_path = _command("initdb")
    return newest.parent if newest else on_path.parent if on_path else None


def redis_program() -> Path | None:
    """Return the Redis server."""
    return _command("redis-server")


def nginx_program() -> Path | None:
    """Return nginx, which ordinary users do not have on their path."""
    return _command("nginx") or _file("/usr/sbin/nginx")


def haproxy_program() -> Path | None:
    """Return HAProxy, which ordinary users do not have on their path."""
    return _command("haproxy") or _file("/usr/sbin/haproxy")


def logrotate_program() -> Path | None:
    """Return logrotate, which ordinary users do not have on their path."""
    return _command("logrotate") or _file("/usr/sbin/logrotate")


def systemd_analyze() -> Path | None:
    """Return the program that checks unit files."""
    return _command("systemd-analyze")


def softhsm_module() -> Path | None:
    """Return SoftHSM's PKCS#11 module, if the program that makes its tokens is there too."""
    module = _file("/usr/lib/softhsm/libsofthsm2.so")
    return module if _command("softhsm2-util") else None


def prometheus_program(name: str = "prometheus") -> Path | None:
    """Return a program of Prometheus', which `scripts/unpack-prometheus` provides."""
    return _command(name) or _file(str(ROOT / "build/prometheus" / name))


def node_with_modules() -> Path | None:
    """Return Node.js, once `npm ci` has put its libraries into `tests/node`."""
    libraries = ROOT / "tests/node/node_modules"
    there = all((libraries / name).is_dir() for name in NODE_MODULES)
    return _command("node") if there else None


NODE_MODULES = ("jose", "oidc-provider", "typescript")
PARTS: dict[str, tuple[Callable[[], Path | None], str]] = {
    "browser": (chromium, "Chromium is missing (Debian package chromium)"),
    "postgresql": (postgresql_programs, "PostgreSQL is missing (Debian package postgresql)"),
    "redis": (redis_program, "Redis is missing (Debian package redis-server)"),
    "nginx": (nginx_program, "nginx is missing (Debian package nginx)"),
    "haproxy": (haproxy_program, "HAProxy is missing (Debian package haproxy)"),
    "curl": (lambda: _command("curl"), "curl is missing (Debian package curl)"),
    "logrotate": (logrotate_program, "logrotate is missing (Debian package logrotate)"),
    "softhsm": (softhsm_module, "SoftHSM is missing (Debian package softhsm2)"),
    "systemd": (systemd_analyze, "systemd-analyze is missing (Debian package systemd)"),
    "prometheus": (
        prometheus_program,
        "Prometheus is missing (scripts/unpack-prometheus, or Debian package prometheus)",
    ),
    "node": (node_with_modules, "Node.js is missing (packages nodejs and npm), or `make test`"),
}


def need(marker: str) -> None:
    """Skip the running test if the part that its marker names is missing."""
    find, reason = PARTS[marker]
    if find() is None:
        pytest.skip(reason)


def all_are_required() -> bool:
    """Tell whether a skipped test is a failure."""
    return os.environ.get("USHER_TEST_REQUIRE") == "all"


def _file(path: str) -> Path | None:
    return Path(path) if Path(path).is_file() else None


def _command(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None
