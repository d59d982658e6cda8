"""Spans tell where time goes, and nothing of who asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.openid_service import OpenIdWorkshop
from support.redis_server import RedisServer
from support.service import MakeService, Service

from flask_usher import create_app
from flask_usher.spans import ALLOWED, Discreet, Spans
from flask_usher.tracing import collector, spans_for

NGINX = "127.0.0.1"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
STAGES = {"recognise", "policy", "mint", "audit"}


@dataclass
class Traces:
    """Makes spans, and keeps what would leave the process."""

    spans: Spans
    exporter: InMemorySpanExporter

    def __call__(self) -> list[ReadableSpan]:
        """Return the spans that have ended since the last time."""
        found = self.exporter.get_finished_spans()
        self.exporter.clear()
        return list(found)


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    """Trace this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Discreet(exporter)))
    spans = Spans(provider)
    monkeypatch.setattr("support.service.create_app", partial(create_app, spans=spans))
    yield Traces(spans, exporter)
    spans.close()


def told(spans: list[ReadableSpan]) -> str:
    """Return everything that spans say."""
    return " ".join(it.to_json() for it in spans)


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def test_a_token_has_its_spans_and_they_tell_of_nobody(
    make_service: MakeService, traces: Traces
) -> None:
    service = make_service(proxy={"trusted_addresses": [NGINX]})
    browser = service.signed_in()
    browser.ask()
    traces()
    answer = browser.ask(
        headers={
            "traceparent": PARENT,
            "X-Request-ID": TRACE,
            "User-Agent": "a-certain-browser",
        }
        | {"X-Forwarded-For": "203.0.113.77", "X-Forwarded-Proto": "https"},
        query_string={"code": "secret-code"},
        environ_overrides={"REMOTE_ADDR": NGINX},
    )
    assert answer.status_code == 200
    spans = traces()
    (request,) = [it for it in spans if it.kind.name == "SERVER"]
    assert request.name == "POST /usher/token"
    assert {it.name for it in spans} >= STAGES
    assert [it for it in spans if it.name.startswith("SELECT")]
    assert {trace_of(it) for it in spans} == {TRACE, answer.audit_lines[0]["request_id"]}
    assert {name for it in spans for name in it.attributes or ()} <= ALLOWED
    assert (request.attributes or {})["http.status_code"] == 200
    everything = told(spans)
    for secret in (
        *service.secrets,
        *("secret-code", "203.0.113.77", "a-certain-browser", "jane"),
        answer.members["token"],
        answer.members["support_id"],
    ):
        assert secret not in everything


def test_an_error_is_told_without_its_words() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Discreet(exporter)))
    tracer = provider.get_tracer("test")

    def fail() -> None:
        with tracer.start_as_current_span("request", kind=SpanKind.SERVER) as span:
            span.set_attribute("http.url", "https://violet-otter")
            raise ValueError("violet-otter")

    with pytest.raises(ValueError, match="violet"):
        fail()
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert "violet-otter" not in span.to_json()


def test_a_statement_that_fails_is_told_as_such(
    make_service: MakeService, traces: Traces
) -> None:
    service = make_service()
    browser = service.signed_in()
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE usher_sign_ins RENAME TO moved")
    assert browser.ask().status_code == 503
    failed = [it for it in traces() if it.status.status_code is StatusCode.ERROR]
    assert "SELECT" in {it.name for it in failed}
    with service.state.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE moved RENAME TO usher_sign_ins")


def test_unknown_paths_have_one_name(make_service: MakeService, traces: Traces) -> None:
    service = make_service()
    for path in ("/usher/jane@mail.example", "/jane@mail.example"):
        service.browser().get(path)
    assert {it.name for it in traces() if it.kind.name == "SERVER"} == {"GET other"}


def test_strangers_name_no_trace(make_service: MakeService, traces: Traces) -> None:
    service = make_service(proxy={"trusted_addresses": [NGINX]})
    for peer in ("203.0.113.7", NGINX):
        service.browser().ask(
            headers={"traceparent": PARENT, "X-Forwarded-Proto": "https"},
            environ_overrides={"REMOTE_ADDR": peer},
        )
        assert (TRACE in {trace_of(it) for it in traces()}) == (peer == NGINX)


def test_probes_and_the_background_have_none(make_service: MakeService, traces: Traces) -> None:
    service = make_service()
    service.browser().get("/usher/health/ready")
    service.browser().get("/usher/static/usher.js")
    service.state.presence.announce()
    assert traces() == []


@pytest.mark.redis
def test_redis_is_told_without_keys(
    make_service: MakeService, traces: Traces, redis_server: RedisServer
) -> None:
    service = make_service(redis={"url": redis_server.url})
    service.signed_in().ask()
    calls = [it.attributes or {} for it in traces()]
    statements = [
        str(it["db.statement"]).split() for it in calls if it.get("db.system") == "redis"
    ]
    assert statements
    assert {word for _, *words in statements for word in words} <= {"?", "LOAD"}


def test_calls_to_a_provider_name_its_host_and_nothing_else(
    openid: OpenIdWorkshop, traces: Traces
) -> None:
    shop = openid.make(openid.fake())
    traces()
    shop.signed_in()
    spans = traces()
    calls = [it for it in spans if "server.address" in (it.attributes or {})]
    assert calls
    assert {(it.attributes or {})["server.address"] for it in calls} == {"127.0.0.1"}
    everything = told(spans)
    for secret in shop.service.secrets:
        assert secret not in everything
    assert "code=" not in everything


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_it_is_on_when_a_collector_is_named(
    environment: dict[str, str], expected: str | None
) -> None:
    assert collector(environment) == expected
    if expected is None:
        assert spans_for(environment) is None


def test_it_costs_nothing_unless_it_is_wanted(service: Service) -> None:
    program = """
import os, sys
from flask_usher import create_app
from flask_usher.tracing import spans_for
create_app(spans=spans_for(os.environ))
print([it for it in sys.modules if it.startswith("opentelemetry")])
"""
    environment = {name: it for name, it in os.environ.items() if not name.startswith("OTEL_")}
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | service.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
