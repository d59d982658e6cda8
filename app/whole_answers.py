"""Handing each answer to the server in one piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class WholeAnswers:
    """WSGI middleware: what the app gives in pieces becomes a list of one.

    granian sends such an answer with its head, at once. One that it has to ask for piece by
    piece costs more, and is cut in two when the worker is killed in between: the proxy asks
    another worker only for what has not begun to arrive.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Handle one request."""
        answer = self._app(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()
