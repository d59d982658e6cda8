"""The line between the hosts and PostgreSQL, which may become slow or go dead.

A proxy in a process of its own, from one Unix socket to another.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

DEAD = -1.0
LOOK_SECONDS = 0.05


class Line:
    """Passes on what comes, each piece of an answer after `delay` seconds."""

    def __init__(self, listen: Path, target: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._delay: Synchronized[float] = context.Value("d", 0.0)
        self._process = context.Process(
            target=_serve, args=(listen, target, self._delay), daemon=True
        )
        self._process.start()

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Delay each piece of an answer."""
        with self._with_delay(seconds):
            yield

    @contextmanager
    def dead(self) -> Iterator[None]:
        """Pass nothing on, and close nothing."""
        with self._with_delay(DEAD):
            yield

    def stop(self) -> None:
        """Close it."""
        self._process.terminate()
        self._process.join()

    @contextmanager
    def _with_delay(self, seconds: float) -> Iterator[None]:
        self._delay.value = seconds
        try:
            yield
        finally:
            self._delay.value = 0.0


def _serve(listen: Path, target: Path, delay: Synchronized[float]) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_proxy(listen, target, delay))


async def _proxy(listen: Path, target: Path, delay: Synchronized[float]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            _forward(reader, there_writer, delay, is_answer=False),
            _forward(there_reader, writer, delay, is_answer=True),
        )

    server = await asyncio.start_unix_server(connected, listen)
    await server.serve_forever()


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay: Synchronized[float],
    *,
    is_answer: bool,
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            while delay.value == DEAD:
                await asyncio.sleep(LOOK_SECONDS)
            if is_answer and delay.value > 0:
                await asyncio.sleep(delay.value)
            writer.write(data)
            await writer.drain()
    writer.close()
