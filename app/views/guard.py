"""The guard in front of every address of Usher, and the headers on every answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from ..errors import Code
from ..policy import Refuse
from ..state import State
from .problems import problem_response
from .visits import BODY_LIMIT_BYTES, current_visit

ALLOWED_HEADERS = "Content-Type, X-Usher-Client"
PREFLIGHT_SECONDS = 600
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """Turns away what no view should see, and seals what goes out.

    It hangs on the app, not on the blueprint, so that an unknown path or method below the
    prefix is answered like the rest. Requests outside the prefix pass untouched.
    """

    def __init__(self, state: State) -> None:
        settings = state.settings
        self._settings = settings
        self._audit = state.audit
        self._prefix = settings.url_prefix + "/"
        self._token_path = settings.url_prefix + "/token"
        self._health = settings.url_prefix + "/health/"
        self._static = settings.url_prefix + "/static/"
        self._origins = frozenset({settings.public_url, *settings.allowed_origins})
        self._hosts = frozenset(urlsplit(origin).netloc for origin in self._origins)

    def install(self, app: Flask) -> None:
        """Put the guard in front of the app's requests and behind its answers."""
        app.before_request(self.inspect)
        app.after_request(self.seal)

    def inspect(self) -> Response | None:
        """Return a refusal or the answer to a preflight; `None` lets the request in."""
        path = request.path
        if not path.startswith(self._prefix):
            return None
        code = self._fault()
        if code is not None:
            return self._refuse(code)
        if request.method == "OPTIONS":
            return _nothing()
        request.max_content_length = BODY_LIMIT_BYTES
        request.max_form_memory_size = BODY_LIMIT_BYTES
        return None

    def seal(self, response: Response) -> Response:
        """Add the security and CORS headers."""
        if not request.path.startswith(self._prefix):
            return response
        headers = response.headers
        page = response.mimetype == "text/html"
        headers["X-Content-Type-Options"] = "nosniff"
        # Not no-referrer: with that, browsers send "Origin: null" with the sign-in form.
        headers["Referrer-Policy"] = "same-origin"
        headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        headers.add("Vary", "Origin, Cookie")
        if not request.path.startswith(self._static):
            headers["Cache-Control"] = "no-store"
        if page:
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["X-Frame-Options"] = "DENY"
        if self._settings.secure and self._settings.http.strict_transport_security:
            headers["Strict-Transport-Security"] = self._settings.http.strict_transport_security
        self._share(headers)
        return response

    def _share(self, headers: Any) -> None:
        origin = request.headers.get("Origin")
        if origin is None or origin not in self._origins:
            return
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "Retry-After"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, POST"
            headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
            headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)

    def _fault(self) -> Code | None:
        failed = request.routing_exception
        if isinstance(failed, MethodNotAllowed):
            return None if request.method == "OPTIONS" else Code.METHOD_NOT_ALLOWED
        if failed is not None:
            return Code.NOT_FOUND
        if request.path.startswith(self._health):
            return None
        if request.host not in self._hosts:
            return Code.HOST_NOT_ALLOWED
        if self._settings.secure and request.scheme != "https":
            return Code.HTTPS_REQUIRED
        if request.method == "OPTIONS":
            return None
        if request.method == "POST" and self._is_foreign():
            return Code.CROSS_ORIGIN
        if (request.content_length or 0) > BODY_LIMIT_BYTES:
            return Code.CONTENT_TOO_LARGE
        return None

    def _is_foreign(self) -> bool:
        origin = request.headers.get("Origin")
        if origin is not None:
            return origin not in self._origins
        return request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"

    def _refuse(self, code: Code) -> Response:
        if request.path == self._token_path:
            self._audit.write("token", code, current_visit())
        response = problem_response(Refuse(code))
        failed = request.routing_exception
        if isinstance(failed, MethodNotAllowed) and failed.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(failed.valid_methods))
        return response


def _nothing() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
