"""A brand's site whose answers a test writes, with the real client and tag on its pages."""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import flask_usher

PACKAGE = Path(flask_usher.__file__).parent
FILES = {
    "/usher/static/": PACKAGE / "static",
    "/usher/sandbox/static/": PACKAGE / "sandbox/static",
}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
PAGE = """<!doctype html>
<html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<script>
  window.iAdvizeInterface = [];
  window.iAdvizeInterface.config = {{ sid: 'test', sandbox: {conditions} }};
  window.outcomes = [];
  document.addEventListener('usher:outcome', (event) => window.outcomes.push(event.detail));
</script>
{scripts}
</head><body></body></html>
"""
TAG = '<script async src="/usher/sandbox/iadvize.js"></script>'
CLIENT = '<script type="module" src="/usher/static/usher.js" data-activate></script>'

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def token(number: int = 1) -> str:
    """Return one of many texts in the form of a token."""
    return f"aGVhZGVyLW9mLXRva2Vu.a2V5.aXY.Y2lwaGVydGV4dC{number:04d}.dGFn"


def answer(
    status: int, body: object = b"", content_type: str = "application/json", **headers: str
) -> Answer:
    """Return an answer; anything but bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    length = headers.pop("length", str(len(raw)))

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", length)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)

    return send


def support_id(number: int = 1) -> str:
    """Return the support id of a token that `granted` gives."""
    return f"ABCDE-{number:05d}"


def granted(number: int = 1, expires_in: int = 60, visitor: str = "jane") -> Answer:
    """Return the answer with a token."""
    body = {"token": token(number), "expires_at": 0, "expires_in": expires_in}
    return answer(200, {**body, "support_id": support_id(number), "visitor": visitor})


def problem(status: int, code: object, **members: Any) -> Answer:
    """Return a refusal."""
    body = {"title": "No", "status": status, "code": code, "activation": "none", **members}
    return answer(status, body, "application/problem+json")


def truncated(handler: BaseHTTPRequestHandler) -> None:
    """Promise more bytes than are sent."""
    answer(200, b'{"token": "', length="5000")(handler)
    handler.close_connection = True


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def accepted(user: str = "local:1", name: str = "Jane Doe") -> Answer:
    """Return the verdict of an iAdvize that accepts the token."""
    return answer(
        200,
        {
            "status": "authentication-success",
            "visitor": {"user_id": user, "name": name},
            "session_seconds": 3600,
        },
    )


def rejected(reason: str) -> Answer:
    """Return the verdict of an iAdvize that does not."""
    return answer(200, {"status": "authentication-failure", "reason": reason, "code": "x"})


@dataclass
class Backend:
    """The running site. Each path answers its script in order; the last answer stays."""

    origin: str = ""
    received: list[Received] = field(default_factory=list)
    scripts: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    released: threading.Event = field(default_factory=threading.Event)
    pages: dict[str, Answer] = field(default_factory=dict)

    def script(self, path: str, *answers: Answer) -> None:
        """Set the answers of a path below `/usher/`."""
        self.scripts[f"/usher/{path}"] = deque(answers)

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer nothing until the test is over."""
        self.released.wait(60)
        handler.close_connection = True

    def page(self, *scripts: str, **conditions: object) -> str:
        """Return the address of a page with these scripts, and conditions for the tag."""
        query = {"scripts": "\n".join(scripts), "conditions": json.dumps(conditions)}
        return f"{self.origin}/page?{urlencode(query)}"

    def put(self, path: str, page: str, **headers: str) -> str:
        """Serve this page at a path of its own, and return its address."""
        self.pages[path] = answer(200, page.encode(), "text/html; charset=utf-8", **headers)
        return self.origin + path

    def posts(self, path: str) -> list[Received]:
        """Return the POSTs that came for a path below `/usher/`."""
        wanted = ("POST", f"/usher/{path}")
        return [it for it in self.received if (it.method, urlsplit(it.path).path) == wanted]


def serve(backend: Backend) -> ThreadingHTTPServer:
    """Start the site on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        # One connection for each request: Chromium sends a POST again by itself when a
        # connection that it used before is closed without an answer.
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            path = self._note()
            backend.pages.get(path, _send_file)(self)

        def do_POST(self) -> None:
            path = self._note()
            script = backend.scripts[path]
            if not script:
                return answer(404)(self)
            return (script.popleft() if len(script) > 1 else script[0])(self)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def _note(self) -> str:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            backend.received.append(Received(self.command, self.path, headers, body))
            return urlsplit(self.path).path

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    backend.origin = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def _send_file(handler: BaseHTTPRequestHandler) -> None:
    url = urlsplit(handler.path)
    if url.path == "/page":
        page = PAGE.format(**dict(parse_qsl(url.query, keep_blank_values=True)))
        return answer(200, page.encode(), "text/html; charset=utf-8")(handler)
    path = url.path.replace("/sandbox/iadvize.js", "/sandbox/static/iadvize.js")
    for prefix, folder in FILES.items():
        if path.startswith(prefix):
            file = folder / path.removeprefix(prefix)
            return answer(200, file.read_bytes(), TYPES[file.suffix])(handler)
    return answer(404)(handler)
