"""The service: a Flask app with nothing but Usher on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, redirect, url_for
from werkzeug.wrappers import Response

from .extension import Usher
from .proxies import TrustedProxies
from .request_ids import RequestIds
from .state import EXTENSION, State
from .whole_answers import WholeAnswers

if TYPE_CHECKING:
    from .spans import Spans


def create_app(
    config: Mapping[str, Any] | Path | str | None = None,
    *,
    clock: Callable[[], float] = time.time,
    spans: Spans | None = None,
) -> Flask:
    """Return the service as a WSGI app.

    `config` is what `app.config["USHER"]` takes: a mapping, or the path of a TOML file; when
    absent, the file that `USHER_SETTINGS` names, else `usher.toml`. `clock` gives seconds since
    the epoch; `spans` makes spans of requests. Raises `SettingsError`.
    """
    app = Flask("flask_usher", static_folder=None)
    if spans is not None:
        spans.follow(app)
    app.config["USHER"] = config
    Usher(app, clock=clock, spans=spans)
    state: State = app.extensions[EXTENSION]
    if state.settings.sandbox is not None:
        app.add_url_rule("/", "sandbox", _to_sandbox)
    trusted = state.settings.proxy.trusted_addresses
    app.wsgi_app = TrustedProxies(  # type: ignore[method-assign]
        RequestIds(WholeAnswers(app.wsgi_app)), trusted
    )
    return app


def _to_sandbox() -> Response:
    return redirect(url_for("usher_sandbox.shop"))
