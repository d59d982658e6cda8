"""Page views of signed-in people, at a steady rate that waits for no answer."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faults.people import Person
from support.nginx_files import HOST

PATIENCE_SECONDS = 40
"""Longer than nginx's own."""
MOST_IN_FLIGHT = 4000
IDLE_SECONDS = 50
"""Less than nginx keeps a connection open."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a token and what came of it; times are those of `time.monotonic`.

    `started` is when it was due, so that a client that is late makes nothing look faster.
    `status` is 0 when there was no answer; `code` then says what came instead of one.
    """

    person: Person
    started: float
    ended: float
    status: int
    code: str = ""
    token: str = ""
    support_id: str = ""

    @property
    def seconds(self) -> float:
        """How long the visitor waited."""
        return self.ended - self.started


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; without one, `status` is 0 and `body` says what came in its place."""

    status: int
    head: bytes
    body: bytes

    def field(self, name: bytes) -> bytes | None:
        """Return a header field; the name in lower case."""
        start = self.head.lower().find(b"\r\n" + name + b":")
        if start < 0:
            return None
        return self.head[start + len(name) + 3 :].partition(b"\r\n")[0].strip()


class PageViews:
    """Asks nginx for tokens until it is stopped.

    `rate` is in requests a second; they come at random moments, as those of people do.
    `choose` names who asks next.
    """

    def __init__(
        self, port: int, certificate: Path, rate: float, choose: Callable[[], Person]
    ) -> None:
        self.asked: list[Asked] = []
        self._client = Client(port, certificate)
        self._rate = rate
        self._choose = choose
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask_all()))

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> Sequence[Asked]:
        """Send no more, wait for the answers, and return everything."""
        self._ended.set()
        self._thread.join()
        return self.asked

    async def _ask_all(self) -> None:
        running: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while not self._ended.is_set():
            due += random.expovariate(self._rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._ask(self._choose(), due))
            running.add(task)
            task.add_done_callback(running.discard)
            if len(running) > MOST_IN_FLIGHT:
                raise RuntimeError("more requests wait than this client can hold")
        await asyncio.gather(*running)
        self._client.close()

    async def _ask(self, person: Person, due: float) -> None:
        self.asked.append(await self._client.token(person, due))


class Client:
    """Keeps connections to nginx, as many as are needed, from the addresses of the people."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._idle: defaultdict[str, deque[Connection]] = defaultdict(deque)

    async def token(self, person: Person, due: float) -> Asked:
        """Ask for a token as `usher.js` does."""
        status, body = await self.post(person, b"/usher/token", b"{}")
        ended = time.monotonic()
        if status == 0:
            return Asked(person, due, ended, 0, body.decode())
        members = {}
        with suppress(ValueError):
            members = json.loads(body)
        return Asked(
            person,
            due,
            ended,
            status,
            str(members.get("code", "")),
            str(members.get("token", "")) if status == 200 else "",
            str(members.get("support_id", "")),
        )

    async def post(self, person: Person, path: bytes, body: bytes) -> tuple[int, bytes]:
        """Send JSON; return status and body, or 0 and what came in the place of an answer."""
        request = b"\r\n".join(_head(person, path, len(body))) + b"\r\n\r\n" + body
        answer = await self.send(person.address, request)
        return answer.status, answer.body

    async def send(self, address: str, request: bytes) -> Answer:
        """Send the bytes of a request from an address, and return what comes back."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._exchange(address, request)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            return Answer(0, b"", type(error).__name__.encode())

    async def _exchange(self, address: str, request: bytes) -> Answer:
        idle = self._idle[address]
        while idle and idle[0].used_at < time.monotonic() - IDLE_SECONDS:
            idle.popleft().close()
        connection = idle.pop() if idle else await self._connect(address)
        try:
            answer = await connection.exchange(request)
        except BaseException:
            connection.close()
            raise
        if answer.field(b"connection") == b"close":
            connection.close()
        else:
            idle.append(connection)
        return answer

    async def _connect(self, address: str) -> Connection:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self._port,
            ssl=self._tls,
            server_hostname=HOST,
            local_addr=(address, 0),
        )
        return Connection(reader, writer)

    def close(self) -> None:
        """Close what is idle."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()


class Connection:
    """One connection, which carries one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.used_at = time.monotonic()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and return the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        answer = Answer(int(head[9:12]), head, b"")
        length = answer.field(b"content-length")
        if length is not None:
            body = await self._reader.readexactly(int(length))
            answer = Answer(answer.status, head, body)
        elif answer.status != 204:
            raise ValueError("an answer without a length")
        self.used_at = time.monotonic()
        return answer

    def close(self) -> None:
        """Close it, whatever state it is in."""
        self._writer.transport.abort()


def _head(person: Person, path: bytes, length: int) -> Iterable[bytes]:
    return (
        b"POST " + path + b" HTTP/1.1",
        b"Host: " + HOST.encode(),
        b"Accept: */*",
        b"Content-Type: application/json",
        b"Content-Length: %d" % length,
        b"Cookie: __Host-usher=" + person.cookie.encode(),
        b"Origin: https://" + HOST.encode(),
        b"Sec-Fetch-Mode: cors",
        b"Sec-Fetch-Site: same-origin",
        b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        b"X-Usher-Client: usher.js/1",
    )
