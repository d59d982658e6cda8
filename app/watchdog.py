"""Ending a worker in which a request hangs, so that another takes its place."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_SECONDS = 20.0
"""Whatever Usher itself waits for ends sooner; a provider of somebody else's may not."""
FAREWELL_SECONDS = 3.0
LOOK_SECONDS = 1.0
logger = logging.getLogger(__name__)


class Watchdog:
    """WSGI middleware that ends its process when a request takes longer than `longest` seconds.

    A thread can't be ended, and a hanging one is lost to everybody else. The other requests
    have `FAREWELL_SECONDS` to end; then the process is killed, and the server begins a new one.
    """

    def __init__(self, app: WSGIApplication, longest: float = LONGEST_SECONDS) -> None:
        self._app = app
        self._longest = longest
        self._begun: dict[int, float] = {}
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Handle one request."""
        thread = threading.get_ident()
        self._begun[thread] = time.monotonic()
        try:
            return self._app(environ, start_response)
        finally:
            del self._begun[thread]

    def _watch(self) -> None:
        while (hanging := self._hanging()) is None:
            time.sleep(min(LOOK_SECONDS, self._longest))
        frame = sys._current_frames().get(hanging)
        where = "".join(traceback.format_stack(frame)) if frame else ""
        logger.error("a request hangs, and this worker ends:\n%s", where)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(FAREWELL_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    def _hanging(self) -> int | None:
        now = time.monotonic()
        for thread, begun in self._begun.copy().items():
            if now - begun > self._longest:
                return thread
        return None
