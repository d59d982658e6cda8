"""What a serving process does every few seconds beside its requests."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakSet

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
        self._is_closed = False
        self._begin_anew()
        _KNOWN.add(self)

    def start(self) -> None:
        """Start the thread unless it runs, which is all that a request pays for."""
        if not self._is_running:
            self._start()

    def close(self) -> None:
        """Close the jobs. Nothing is done after that, and the database may be closed."""
        with self._working:
            if not self._is_closed:
                self._is_closed = True
                for job in self._jobs:
                    _attempt(job.close)

    def _begin_anew(self) -> None:
        self._starting = threading.Lock()
        self._working = threading.Lock()
        self._is_running = False

    def _start(self) -> None:
        with self._starting:
            if self._is_closed or self._is_running:
                return
            # Not a daemon, as the threads of some servers are: it is waited for at the end.
            thread = threading.Thread(target=self._run, name="usher", daemon=False)
            try:
                thread.start()
            except RuntimeError:
                # No thread can be had now; the next request tries again.
                return
            self._is_running = True

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


def _forked() -> None:
    # The child has not got the parent's thread, and a lock that it held would be held for ever.
    for it in _KNOWN:
        it._begin_anew()


_KNOWN: WeakSet[Background] = WeakSet()
os.register_at_fork(after_in_child=_forked)


def _attempt(step: Callable[[], object]) -> None:
    try:
        step()
    except Exception:
        # A fault of one job must not end the others.
        logger.exception("a job in the background has failed")
