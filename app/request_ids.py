"""The id of a request: one in the proxy's log, the audit log, our own log and the trace."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "HTTP_X_REQUEST_ID"
KEY = "flask_usher.request_id"
FORM = re.compile(r"[0-9a-f]{32}")
"""That of nginx's `$request_id`, and of a trace's id (W3C Trace Context)."""
current: ContextVar[str | None] = ContextVar("flask_usher.request_id", default=None)


class RequestIds:
    """WSGI middleware: takes the id that the proxy has given, or gives one.

    Stands behind `TrustedProxies`, which lets nobody else's header through.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Handle one request."""
        given = environ.get(HEADER, "")
        environ[KEY] = given if FORM.fullmatch(given) else _new()
        current.set(environ[KEY])
        return self._app(environ, start_response)


def request_id(environ: dict[str, Any]) -> str:
    """Return the id of a request; inside a host app, where nobody has given one, a new one."""
    found: str = environ.get(KEY) or _new()
    environ[KEY] = found
    return found


def _new() -> str:
    return secrets.token_hex(16)
