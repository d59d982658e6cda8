"""What a serving process does every few seconds beside its requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import NamedTuple

SECONDS = 3.0
logger = logging.getLogger(__name__)


class Job(NamedTuple):
    """Something to do again and again, and what is left to do at the end."""

    work: Callable[[], object]
    close: Callable[[], object]


class Background:
    """One thread that does the jobs every `SECONDS`, from the first request to the end.

    Not before: a server may fork between making the app and serving with it. Methods are for
    several threads at once.
    """

    def __init__(self, *jobs: Job) -> None:
        self._jobs = jobs
        self._starting = threading.Lock()
        self._working = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def start(self) -> None:
        """Start the thread unless it runs. Each request does so, and only looks."""
        # In the child of a fork the parent's thread is not alive.
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def close(self) -> None:
        """Close the jobs. Nothing is done after that, and the database may be closed."""
        with self._working:
            if not self._is_closed:
                self._is_closed = True
                for job in self._jobs:
                    _attempt(job.close)

    def _start(self) -> None:
        with self._starting:
            if self._is_closed or (self._thread is not None and self._thread.is_alive()):
                return
            # Not a daemon, as the threads of some servers are: it is waited for at the end.
            thread = threading.Thread(target=self._run, name="usher", daemon=False)
            try:
                thread.start()
            except RuntimeError:
                # No thread can be had now; the next request tries again.
                return
            self._thread = thread

    def _run(self) -> None:
        main = threading.main_thread()
        while main.is_alive() and not self._is_closed:
            self._work()
            main.join(SECONDS)
        self.close()

    def _work(self) -> None:
        with self._working:
            if not self._is_closed:
                for job in self._jobs:
                    _attempt(job.work)


def _attempt(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        # A fault of one job must not end the others.
        logger.exception("a job in the background has failed")
