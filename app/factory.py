"""The service: a Flask app with nothing but Usher on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, redirect, url_for
from werkzeug.wrappers import Response

from .extension import Usher
from .proxies import TrustedProxies
from .state import EXTENSION, State


def create_app(
    config: Mapping[str, Any] | Path | str | None = None,
    *,
    clock: Callable[[], float] = time.time,
) -> Flask:
    """Return the service as a WSGI app.

    `config` is what `app.config["USHER"]` takes: a mapping, or the path of a TOML file; when
    absent, the file that `USHER_SETTINGS` names, else `usher.toml`. `clock` gives seconds since
    the epoch. Raises `SettingsError`.
    """
    app = Flask("flask_usher", static_folder=None)
    app.config["USHER"] = config
    Usher(app, clock=clock)
    state: State = app.extensions[EXTENSION]
    if state.settings.sandbox is not None:
        app.add_url_rule("/", "sandbox", _to_sandbox)
    trusted = state.settings.proxy.trusted_addresses
    if trusted:
        app.wsgi_app = TrustedProxies(app.wsgi_app, trusted)  # type: ignore[method-assign]
    return app


def create_worker() -> Flask:
    """Return the service for this process, which begins to serve with it and forks no more.

    It is known among the workers from now on, not from its first request on.
    """
    app = create_app()
    state: State = app.extensions[EXTENSION]
    state.background.start()
    return app


def _to_sandbox() -> Response:
    return redirect(url_for("usher_sandbox.shop"))
