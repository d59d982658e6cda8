"""What `usher serve` has granian load in each worker."""

from __future__ import annotations

from flask import Flask

from .factory import create_app
from .watchdog import Watchdog


def create_worker() -> Flask:
    """Return the service, which ends its process when a request hangs.

    Raises `SettingsError`.
    """
    app = create_app()
    app.wsgi_app = Watchdog(app.wsgi_app)  # type: ignore[method-assign]
    return app
