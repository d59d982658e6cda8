"""The guard in front of every address of Usher, and the headers on every answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Request, Response, request
from werkzeug.exceptions import MethodNotAllowed

from ..errors import Code
from ..policy import Refuse
from ..state import State
from .problems import problem_response, refusal_of
from .visits import BODY_LIMIT_BYTES, current_request, current_visit

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The addresses at which decisions fall; their audit lines go by the same names.
DECISIONS = ("token", "sign-in", "sign-out")
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
Headers = tuple[tuple[str, str], ...]
ALWAYS: Headers = (
    ("X-Content-Type-Options", "nosniff"),
    # Not no-referrer: with that, browsers send "Origin: null" with the sign-in form.
    ("Referrer-Policy", "same-origin"),
    ("Vary", "Origin, Cookie"),
)
FOR_PAGES: Headers = (
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("X-Frame-Options", "DENY"),
)
FOR_ORIGINS: Headers = (
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Expose-Headers", "Retry-After, RateLimit, RateLimit-Policy"),
)
FOR_PREFLIGHTS: Headers = (
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "GET, POST"),
    ("Access-Control-Allow-Headers", "Content-Type, X-Usher-Client"),
    ("Access-Control-Max-Age", "600"),
)


class Guard:
    """Turns away what no view should see, and seals what goes out.

    It hangs on the app, not on the blueprint, so that an unknown path or method below the
    prefix is answered like the rest. Requests outside the prefix pass untouched.
    """

    def __init__(self, state: State) -> None:
        settings = state.settings
        self._audit = state.audit
        self._secure = settings.secure
        self._prefix = settings.url_prefix + "/"
        self._events = {f"{self._prefix}{event}": event for event in DECISIONS}
        self._health = settings.url_prefix + "/health/"
        self._static = settings.url_prefix + "/static/"
        self._origins = frozenset({settings.public_url, *settings.allowed_origins})
        self._hosts = frozenset(urlsplit(origin).netloc for origin in self._origins)
        self._headers = [*ALWAYS]
        if settings.secure and settings.http.strict_transport_security:
            self._headers.append(
                ("Strict-Transport-Security", settings.http.strict_transport_security)
            )

    def install(self, app: Flask) -> None:
        """Put the guard in front of the app's requests and behind its answers."""
        app.before_request(self._inspect_current)
        app.after_request(self._seal_current)

    def _inspect_current(self) -> Response | None:
        if not request.path.startswith(self._prefix):
            return None
        try:
            return self._inspect(current_request())
        except Exception as error:
            return problem_response(refusal_of(error))

    def _seal_current(self, response: Response) -> Response:
        if request.path.startswith(self._prefix):
            self._seal(current_request(), response)
        return response

    def _inspect(self, request: Request) -> Response | None:
        """Return a refusal or the answer to a preflight; `None` lets the request in."""
        code = self._fault(request)
        if code is not None:
            return self._refuse(request, code)
        if request.method == "OPTIONS":
            return _nothing()
        # A body in pieces is cut off here, and must still be seen to be too large.
        request.max_content_length = BODY_LIMIT_BYTES + 1
        request.max_form_memory_size = BODY_LIMIT_BYTES
        return None

    def _seal(self, request: Request, response: Response) -> None:
        """Add the security and CORS headers."""
        headers = response.headers
        page = response.mimetype == "text/html"
        headers.extend(self._headers)
        if page:
            headers.extend(FOR_PAGES)
        if "Content-Security-Policy" not in headers:
            headers.add("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
        if not request.path.startswith(self._static):
            headers["Cache-Control"] = "no-store"
        origin = request.headers.get("Origin")
        if origin is not None and origin in self._origins:
            headers.add("Access-Control-Allow-Origin", origin)
            headers.extend(FOR_PREFLIGHTS if request.method == "OPTIONS" else FOR_ORIGINS)

    def _fault(self, request: Request) -> Code | None:
        if not request.path.startswith(self._health):
            if request.host not in self._hosts:
                return Code.HOST_NOT_ALLOWED
            if self._secure and request.scheme != "https":
                return Code.HTTPS_REQUIRED
        failed = request.routing_exception
        if isinstance(failed, MethodNotAllowed):
            return None if request.method == "OPTIONS" else Code.METHOD_NOT_ALLOWED
        if failed is not None:
            return Code.NOT_FOUND
        if request.method == "POST" and self._is_foreign(request):
            return Code.CROSS_ORIGIN
        if (request.content_length or 0) > BODY_LIMIT_BYTES:
            return Code.CONTENT_TOO_LARGE
        # RFC 3986: the rest of Unicode comes percent-encoded, or it is no text at all.
        if not request.query_string.isascii():
            return Code.MALFORMED_REQUEST
        return None

    def _is_foreign(self, request: Request) -> bool:
        origin = request.headers.get("Origin")
        if origin is not None:
            return origin not in self._origins
        return request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin"

    def _refuse(self, request: Request, code: Code) -> Response:
        self._audit.write(self._events.get(request.path, "request"), code, current_visit())
        response = problem_response(Refuse(code))
        failed = request.routing_exception
        if code is Code.METHOD_NOT_ALLOWED and isinstance(failed, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(failed.valid_methods or ()))
        return response


def _nothing() -> Response:
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response
