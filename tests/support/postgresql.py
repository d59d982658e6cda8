"""A private PostgreSQL server for the suite, on a Unix socket, without any durability."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

USER = "usher"
PORT = 5432
START_SECONDS = 30
CONFIGURATION = """
port = {port}
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 200
shared_buffers = 32MB
fsync = off
full_page_writes = off
synchronous_commit = off
"""


class PostgresqlServer:
    """A server whose data live in a folder of its own; `programs` is where `initdb` is.

    `options` are further lines of its configuration. Another `port` is for those that let it
    listen on addresses too.
    """

    def __init__(
        self, programs: Path, *options: str, superuser: str = USER, port: int = PORT
    ) -> None:
        self._programs = programs
        self._superuser = superuser
        self._port = port
        # Short, since the path of a socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="usher-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._owner: dict[str, Any] = {"cwd": self.folder}
        if os.geteuid() == 0:
            owner = _ordinary_user()
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._owner |= {
                "user": owner.pw_uid,
                "group": owner.pw_gid,
                "extra_groups": [],
            }
        self._run(
            *("initdb", "-D", "data", "-U", superuser, "-A", "trust", "-E", "UTF8"),
            *("--locale=C", "-N"),
        )
        base = CONFIGURATION.format(folder=self.folder, port=port)
        with (self.folder / "data/postgresql.conf").open("a") as file:
            file.write("\n".join([base, *options, ""]))

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.folder / f".s.PGSQL.{self._port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", "data"],
                stdout=log,
                stderr=log,
                **self._owner,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    told = (self.folder / "log").read_text()
                    raise RuntimeError(f"PostgreSQL did not start:\n{told}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """The id of its first process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill the server (`kill -9`), and wait until its children have noticed."""
        if self._process is not None:
            tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
            children = [it for task in tasks for it in task.read_text().split()]
            self._process.kill()
            self._process.wait()
            self._process = None
            while any(map(_runs, children)):
                time.sleep(0.01)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create_database(self) -> str:
        """Create a database and return its name."""
        self._databases += 1
        name = f"usher_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def url(self, name: str) -> str:
        """Return SQLAlchemy's URL of a database."""
        place = f"host={self.folder}&port={self._port}"
        return f"postgresql+psycopg://{self._superuser}@/{name}?{place}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement outside any transaction."""
        with psycopg.connect(
            host=str(self.folder),
            port=self._port,
            user=self._superuser,
            dbname=database,
            autocommit=True,
        ) as connection:
            connection.execute(statement.encode())

    def _run(self, program: str, *arguments: str) -> None:
        result = subprocess.run(
            [self._programs / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **self._owner,
        )
        if result.returncode != 0:
            raise RuntimeError(f"{program} failed for {getpass.getuser()}:\n{result.stdout}")


def _runs(process: str) -> bool:
    try:
        # Whoever has ended and waits for its parent has no command any more.
        return Path(f"/proc/{process}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


def _ordinary_user() -> pwd.struct_passwd:
    # The server refuses to run as root.
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
