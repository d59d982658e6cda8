"""A private Redis server for the suite, on a Unix socket, that can be broken in many ways."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from parts import redis_program

START_SECONDS = 30


class RedisServer:
    """A server that keeps nothing when it stops; `options` are lines of its configuration.

    Its commands are given by `user`, where the default one may not.
    """

    def __init__(self, program: Path, *options: str, user: str | None = None) -> None:
        self._program = program
        self._options = options
        self._user = user
        # Short, since the path of a socket may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="usher-redis-"))
        self.socket = self.folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `redis.url` takes."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        configuration = self.folder / "redis.conf"
        lines = (
            *("bind 127.0.0.1", "port 0", f"unixsocket {self.socket}"),
            *('save ""', f"dir {self.folder}"),
        )
        configuration.write_text("\n".join(lines + self._options) + "\n")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, configuration], stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.command("PING")
            except redis.ConnectionError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    told = (self.folder / "log").read_text()
                    raise RuntimeError(f"Redis did not start:\n{told}") from None
                time.sleep(0.01)
            else:
                return

    @property
    def pid(self) -> int:
        """The id of its first process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Stop the server as a crash would (`kill -9`)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let connections through, and answer none."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str, password: str | None = None) -> Any:
        """Give the server a command and return its answer."""
        with redis.Redis.from_url(self.url, username=self._user, password=password) as client:
            return client.execute_command(*words)

    def drop_clients(self, password: str | None = None) -> None:
        """Close the connections of everybody else."""
        self.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", password=password)

    def calls(self, command: str) -> int:
        """Return how often the server was given a command."""
        with redis.Redis.from_url(self.url, username=self._user) as client:
            counts = client.info("commandstats").get(f"cmdstat_{command}", {})
        return int(counts.get("calls", 0))

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


MakeRedis = Callable[..., RedisServer]


@pytest.fixture
def make_redis() -> Iterator[MakeRedis]:
    """Start Redis servers of the test's own, for tests marked `redis`."""
    program = redis_program()
    assert program is not None
    servers: list[RedisServer] = []

    def make(*options: str, user: str | None = None) -> RedisServer:
        servers.append(RedisServer(program, *options, user=user))
        servers[-1].start()
        return servers[-1]

    try:
        yield make
    finally:
        for server in servers:
            server.remove()


@pytest.fixture
def redis_server(make_redis: MakeRedis) -> RedisServer:
    """A Redis server of the test's own, for tests marked `redis`."""
    return make_redis()
