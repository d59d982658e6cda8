"""Thousands of connections to nginx that do next to nothing, from a process of their own."""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from support.nginx_files import HOST
from support.site import wait

SLOW_SECONDS = 10
CONNECT_AT_ONCE = 50
SPARE_DESCRIPTORS = 500
HEAD = (
    b"POST /usher/token HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX-Usher-Client: usher.js/1"
)
WHOLE = b"GET /usher/health/live HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n"
Open = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


@contextmanager
def slow_requests(port: int, certificate: Path, count: int) -> Iterator[None]:
    """Keep up so many connections, each of which sends one byte of a head in ten seconds."""
    with _held(_drip, port, certificate, count):
        yield


@contextmanager
def idle_connections(port: int, certificate: Path, count: int) -> Iterator[int]:
    """Hold so many connections that have had their answer; give how many there may be."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
    count = min(count, allowed)
    with _held(_idle, port, certificate, count):
        yield count


@contextmanager
def _held(
    behave: Callable[[Open, Synchronized[int]], Awaitable[None]],
    port: int,
    certificate: Path,
    count: int,
) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    opened = context.Value("i", 0)
    process = context.Process(
        target=_run, args=(behave, port, certificate, count, opened), daemon=True
    )
    process.start()
    try:
        wait(lambda: opened.value >= 0.9 * count or not process.is_alive(), 300)
        assert process.is_alive()
        yield
    finally:
        process.terminate()
        process.join()


def _run(
    behave: Callable[[Open, Synchronized[int]], Awaitable[None]],
    port: int,
    certificate: Path,
    count: int,
    opened: Synchronized[int],
) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(KeyboardInterrupt):
        asyncio.run(_all(behave, port, certificate, count, opened))


async def _all(
    behave: Callable[[Open, Synchronized[int]], Awaitable[None]],
    port: int,
    certificate: Path,
    count: int,
    opened: Synchronized[int],
) -> None:
    tls = ssl.create_default_context(cafile=str(certificate))
    turn = asyncio.Semaphore(CONNECT_AT_ONCE)

    async def one(number: int) -> None:
        # Spread over addresses, and away from those of the people.
        source = (f"127.0.{2 + number % 50}.1", 0)

        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            async with turn:
                return await asyncio.open_connection(
                    "127.0.0.1", port, ssl=tls, server_hostname=HOST, local_addr=source
                )

        while True:
            try:
                await behave(connect, opened)
            except (OSError, EOFError):
                await asyncio.sleep(1)

    await asyncio.gather(*map(one, range(count)))


async def _drip(connect: Open, opened: Synchronized[int]) -> None:
    reader, writer = await connect()
    opened.value += 1
    try:
        for byte in HEAD:
            writer.write(bytes([byte]))
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(SLOW_SECONDS):
                    if not await reader.read(1024):
                        return
    finally:
        opened.value -= 1
        writer.transport.abort()


async def _idle(connect: Open, opened: Synchronized[int]) -> None:
    reader, writer = await connect()
    writer.write(WHOLE)
    await reader.readuntil(b"\r\n\r\n")
    opened.value += 1
    try:
        while await reader.read(1024):
            pass
    finally:
        opened.value -= 1
        writer.transport.abort()
