"""One id from nginx's log to the audit line, and logs that programs can read."""

from __future__ import annotations

import gzip
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from support.site import Serving, Site, serving, status, wait

pytestmark = [pytest.mark.nginx, pytest.mark.slow]

MADE_UP = b"0af7651916cd43dd8448eb211c80319c"


def last_access(site: Site) -> dict[str, Any]:
    """Return the newest line of nginx's log, which it writes after it has answered."""
    log = site.folder / "usher.log"
    wait(lambda: log.read_text().endswith("}\n"))
    line = json.loads(log.read_text().splitlines()[-1])
    assert isinstance(line, dict)
    return line


def test_nginx_and_the_audit_log_have_the_same_id(site: Site, server: Serving) -> None:
    query = b"/usher/token?code=secret-code&x=%22%0d%0a"
    (site.folder / "usher.log").write_text("")
    answer = site.send(site.request(query, b"X-Request-ID: " + MADE_UP, b"Referer: /personal"))
    assert status(answer) == 200
    line = last_access(site)
    audit = site.service.audit_lines()[-1]
    assert line["request_id"] == audit["request_id"] != MADE_UP.decode()
    assert (line["path"], line["status"]) == ("/usher/token", "200")
    for secret in ("secret-code", "personal", site.cookie, str(audit["token_sha256"])):
        assert secret not in json.dumps(line)
    assert line["request_id"].encode() not in answer


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Take traces in; give the address for them, and the spans that have come."""
    taken: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for of_scope in of_resource.scope_spans:
                    taken.extend(of_scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()


def test_the_trace_has_the_id_of_the_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with serving(site):
            made_up = b"traceparent: 00-" + MADE_UP + b"-b7ad6b7169203331-01"
            assert status(site.send(site.request(b"/usher/token", made_up))) == 200
            wait(lambda: any(it.name == "POST /usher/token" for it in spans))
    expected = bytes.fromhex(str(site.service.audit_lines()[-1]["request_id"]))
    assert {it.trace_id for it in spans} == {expected}
    assert {it.name for it in spans} >= {"recognise", "policy", "mint", "audit"}
    assert site.cookie.encode() not in b"".join(it.SerializeToString() for it in spans)


def test_what_the_service_logs_is_json_with_the_id_of_the_request(
    site: Site, server: Serving
) -> None:
    audit = site.service.audit_file
    moved = audit.with_name("moved")
    audit.rename(moved)
    audit.mkdir()
    (site.folder / "usher.log").write_text("")
    try:
        assert status(site.send(site.request())) == 503
    finally:
        audit.rmdir()
        moved.rename(audit)
    wait(lambda: "can't be written" in server.log.read_text())
    (line,) = [it for it in server.log.read_text().splitlines() if "can't be written" in it]
    told = json.loads(line)
    assert told["logger"] == "flask_usher.audit.log"
    assert told["request_id"] == last_access(site)["request_id"]
    assert site.cookie not in server.log.read_text()


def test_workers_log_nothing_but_json(site: Site, server: Serving) -> None:
    assert status(site.send(site.request())) == 200
    victim = server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait(lambda: victim not in server.workers() and len(server.workers()) == 2)
    for line in server.log.read_text().splitlines():
        # granian's own process reports in lines of its own.
        assert line.startswith(("{", "["))
