"""The application's log as JSON, one line for each record.

Of an exception there are the types and the places, not the messages: those may quote what a
visitor, a provider or the database said.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from traceback import walk_tb
from typing import TextIO

from . import request_ids
from .timestamps import timestamp

MOST_PLACES = 30
SERVER = "_granian"


def log_as_json(stream: TextIO) -> None:
    """Let everything that this process logs go to `stream` as JSON, from warnings on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    server = logging.getLogger(SERVER)
    server.handlers, server.propagate = [], True


class JsonLines(logging.Formatter):
    """Formats records for programs. Everything but ASCII is escaped, line ends among it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without its end."""
        line: dict[str, object] = {
            "time": timestamp(record.created, "milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = request_ids.current.get()
        if request_id is not None:
            line["request_id"] = request_id
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["exceptions"] = [_told(it) for it in _chain(error)]
        return json.dumps(line)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what led to it."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        hidden = cause.__suppress_context__
        cause = cause.__cause__ or (None if hidden else cause.__context__)


def _told(error: BaseException) -> dict[str, object]:
    places = [
        f"{frame.f_code.co_filename}:{line} in {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    kind = type(error)
    return {"type": f"{kind.__module__}.{kind.__qualname__}", "at": places[-MOST_PLACES:]}
