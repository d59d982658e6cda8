"""PostgreSQL on a host of its own, with the lines of the page on deployment."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from parts import ROOT, postgresql_programs
from support.certificates import certificate
from support.command_line import CommandLine
from support.examinations import examined
from support.pages import block, replaced
from support.postgresql import PostgresqlServer
from support.refusals import assert_refused
from support.server import free_port
from support.service import MakeService, Service

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]
NAME = "db.internal"
"""Its name on the page."""
ADDRESS = "127.0.0.20"
"""What stands for the address on the page."""
PASSWORD = "PASSWORD-of-the-database"


@dataclass(frozen=True)
class DatabaseHost:
    """The server, and where it listens."""

    server: PostgresqlServer
    port: int

    def present(self, pem: Path) -> None:
        """Start the server anew with this certificate, and with an empty database."""
        self.install(pem)
        self.server.stop()
        self.server.start()
        self.server.execute("DROP DATABASE IF EXISTS usher")
        self.server.execute("CREATE DATABASE usher OWNER usher")

    def install(self, pem: Path) -> None:
        """Put a certificate and its key where the page has them."""
        owner = self.server.folder.stat()
        for name in ("db.internal.pem", "db.internal.key"):
            file = self.server.folder / name
            shutil.copy(pem, file)
            file.chmod(0o600)
            os.chown(file, owner.st_uid, owner.st_gid)

    def url(self, passfile: Path, trusted: Path) -> str:
        """Return `database.url` as the page has it."""
        # The given address is what `/etc/hosts` has for the name.
        text = block(
            "deployment.md",
            "[database]",
            {
                f"@{NAME}/usher?": f"@{NAME}:{self.port}/usher?hostaddr={ADDRESS}&",
                "sslrootcert=/etc/usher/ca.pem": f"sslrootcert={trusted}",
                "/etc/usher/pgpass": str(passfile),
            },
        )
        return str(tomllib.loads(text)["database"]["url"])

    def passfile(self, folder: Path, password: str, mode: int) -> Path:
        """Write the file with the password as the page has it."""
        page = (ROOT / "docs/deployment.md").read_text()
        found = re.search(r"`/etc/usher/pgpass`\s\(`(.+?)`, mode 0600", page)
        assert found is not None
        changes = {f"{NAME}:5432:": f"{NAME}:{self.port}:", "PASSWORD": password}
        file = folder / "pgpass"
        file.write_text(replaced(found[1], changes) + "\n")
        file.chmod(mode)
        return file


@pytest.fixture(scope="module")
def database_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseHost]:
    """A server that has the page's lines, and no others for connections over the network."""
    programs = postgresql_programs()
    assert programs is not None
    port = free_port()
    server = PostgresqlServer(
        programs, "synchronous_commit = on", superuser="postgres", port=port
    )
    host = DatabaseHost(server, port)
    changes = {
        "10.0.0.20": ADDRESS,
        # Whoever connects to a loopback address has this one.
        "10.0.0.11": "127.0.0.1",
        "/etc/postgresql": str(server.folder),
    }
    told = block("deployment.md", "# postgresql.conf", changes)
    configuration, access = told.split("# pg_hba.conf")
    try:
        with (server.folder / "data/postgresql.conf").open("a") as file:
            file.write(configuration)
        (server.folder / "data/pg_hba.conf").write_text(f"local all all trust\n{access}")
        host.install(certificate(tmp_path_factory.mktemp("database-host"), NAME))
        server.start()
        server.execute(f"CREATE ROLE usher LOGIN PASSWORD '{PASSWORD}'")
        yield host
    finally:
        server.remove()


@dataclass(frozen=True)
class Host:
    """A host of Usher's, and its command."""

    service: Service
    command_line: CommandLine


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(
    database_host: DatabaseHost, make_service: MakeService, tmp_path: Path
) -> MakeHost:
    """Make a host with the page's URL and password file, but for what is changed."""

    def make(
        trusted: Path, password: str = PASSWORD, mode: int = 0o600, encryption: str = ""
    ) -> Host:
        passfile = database_host.passfile(tmp_path, password, mode)
        changes = {"sslmode=verify-full": encryption} if encryption else {}
        url = replaced(database_host.url(passfile, trusted), changes)
        service = make_service(database={"url": url})
        service.secrets |= {PASSWORD, password}
        return Host(service, CommandLine(tmp_path, url))

    return make


@pytest.fixture
def good(database_host: DatabaseHost, tmp_path: Path) -> Path:
    """The certificate of the server."""
    pem = certificate(tmp_path, NAME)
    database_host.present(pem)
    return pem


def test_a_token_is_issued(make_host: MakeHost, good: Path) -> None:
    host = make_host(good)
    host.command_line.succeed("db", "upgrade")
    assert host.service.signed_in("jane").user_id() == host.service.user_id_of("jane")
    found = examined(host.service.environment).families["Database"]
    assert {it.verdict for it in found.values()} == {"ok"}
    assert found["encryption"].found == "the connection is encrypted"


def assert_no_service(host: Host, told: str) -> None:
    """Check that nothing works, and for which reason."""
    assert told in host.command_line.fail("db", "upgrade")
    assert_refused(host.service.browser().ask(), 503, "store-unavailable")


def test_nobody_is_let_in_without_tls(make_host: MakeHost, good: Path) -> None:
    assert_no_service(make_host(good, encryption="sslmode=disable"), "no encryption")


def test_nobody_is_let_in_with_another_password(make_host: MakeHost, good: Path) -> None:
    host = make_host(good, password="not-the-password")
    assert_no_service(host, "password authentication failed")


def test_a_password_that_others_may_read_is_not_used(make_host: MakeHost, good: Path) -> None:
    assert_no_service(make_host(good, mode=0o640), "no password supplied")


def test_a_server_of_another_authority_is_not_believed(
    make_host: MakeHost, good: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = certificate(tmp_path_factory.mktemp("another-authority"), NAME)
    assert_no_service(make_host(other), "certificate verify failed")


def test_a_server_of_another_name_is_not_believed(
    database_host: DatabaseHost, make_host: MakeHost, tmp_path: Path
) -> None:
    other = certificate(tmp_path, "other.internal")
    database_host.present(other)
    assert_no_service(make_host(other), "does not match host name")
