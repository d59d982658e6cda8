"""How long something took, told to whoever measures it."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType

from flask_usher.providers.base import Took, unmeasured

__all__ = ["Timer", "Took", "unmeasured"]


class Timer:
    """Times a block. It has failed when it raises one of `failures`."""

    __slots__ = ("_began", "_failures", "_took")

    def __init__(self, took: Took, *failures: type[Exception]) -> None:
        self._took = took
        self._failures = failures

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._took(perf_counter() - self._began, isinstance(error, self._failures))
