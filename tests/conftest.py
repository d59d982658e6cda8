"""What every test shares: the parts of the machine, and a wall around the loopback network."""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Generator, Iterator

import pytest
from parts import PARTS, all_are_required, need

pytest_plugins = [
    "support.databases",
    "support.openid_provider",
    "support.redis_server",
    "support.service",
    "support.openid_service",
    "support.host_app",
    "support.key_ceremony",
    "support.softhsm",
]


def pytest_configure() -> None:
    # Shells start what runs in the background with Ctrl-C ignored, and so would be all that
    # the tests start and end with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in PARTS:
        if item.get_closest_marker(marker):
            need(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and all_are_required():
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be: {report.longreprtext}"
    return report


@pytest.fixture(autouse=True, scope="session")
def loopback_only() -> Iterator[None]:
    """Fail a test that opens a connection to another machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded_connect(self: socket.socket, address: object) -> None:
        _check(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: object) -> int:
        _check(self, address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


def _check(connection: socket.socket, address: object) -> None:
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0]) if isinstance(address, tuple) else str(address)
    if not _is_loopback(host):
        connection.close()
        pytest.fail(f"a test reached out to {host}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
