"""What `usher serve` has granian load in each worker."""

from __future__ import annotations

import os
import sys

from flask import Flask

from .factory import create_app
from .json_lines import log_as_json
from .state import EXTENSION, State
from .tracing import spans_for
from .watchdog import Watchdog


def create_worker() -> Flask:
    """Return the service for this process, which forks no more.

    It is known among the workers from now on, not from its first request on, and ends its
    process when a request hangs. What the process logs goes to the standard error as JSON.
    Raises `SettingsError`.
    """
    log_as_json(sys.stderr)
    app = create_app(spans=spans_for(os.environ))
    state: State = app.extensions[EXTENSION]
    state.background.start()
    # What Python loads with the first request can't be had while all descriptors are taken,
    # and a codec that was missing once counts as missing for good.
    app.test_client().get(f"{state.settings.url_prefix}/health/live")
    app.wsgi_app = Watchdog(app.wsgi_app)  # type: ignore[method-assign]
    return app
