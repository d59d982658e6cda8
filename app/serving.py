"""What `usher serve` has granian load in each worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys

from flask import Flask

from .errors import SettingsError
from .factory import create_app
from .json_lines import log_as_json
from .processors import keep_to_one
from .state import EXTENSION, State
from .tracing import spans_for
from .watchdog import Watchdog


def create_worker() -> Flask:
    """Return the service for this process, which forks no more.

    It is known among the workers from now on, not from its first request on, and ends its
    process when a request hangs. What the process logs goes to the standard error as JSON.
    Raises `SettingsError`, and ends the server when a PIN was refused.
    """
    log_as_json(sys.stderr)
    return _worker()


def create_worker_on_one_processor() -> Flask:
    """Return the same, for a process that keeps to one processor from now on."""
    log_as_json(sys.stderr)
    keep_to_one()
    return _worker()


def _worker() -> Flask:
    try:
        app = create_app(spans=spans_for(os.environ))
    except SettingsError as error:
        if error.is_of_pin:
            _end_server()
        raise
    state: State = app.extensions[EXTENSION]
    state.background.start()
    # What Python loads with the first request can't be had while all descriptors are taken,
    # and a codec that was missing once counts as missing for good.
    app.test_client().get(f"{state.settings.url_prefix}/health/live")
    app.wsgi_app = Watchdog(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _end_server() -> None:
    # It would start one worker after the other, each of which tries the PIN.
    server = multiprocessing.parent_process()
    if server is not None and server.pid is not None and server.is_alive():
        os.kill(server.pid, signal.SIGTERM)
