"""A limit on how many threads one provider may hold up (Release It!, bulkheads)."""

from __future__ import annotations

import threading
from types import TracebackType

from .base import ProviderUnavailable

CONCURRENCY = 8
"""How many threads of a process one provider may hold up."""


class Bulkhead:
    """A `with` block that at most `limit` threads are in. Others are turned away at once."""

    def __init__(self, limit: int) -> None:
        self._slots = threading.BoundedSemaphore(limit)

    def __enter__(self) -> None:
        if not self._slots.acquire(blocking=False):
            raise ProviderUnavailable("too many wait for the provider")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._slots.release()
