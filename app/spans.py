"""Spans of OpenTelemetry: the request, the stages of a decision, and calls to others.

The libraries' own instrumentation makes most of them. It writes down addresses, queries and
messages, so only attributes that are listed here leave the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import requests
import sqlalchemy as sa
from flask import Flask
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

ALLOWED = frozenset(
    {
        *("http.route", "http.method", "http.status_code", "db.system", "db.statement"),
        # The same, by the newer names that OTEL_SEMCONV_STABILITY_OPT_IN brings.
        *("http.request.method", "http.response.status_code", "db.system.name"),
        *("db.query.text", "server.address"),
    }
)
"""Statements have placeholders in the place of values."""
UNTRACED = "/health/,/static/"
NAME = "OTEL_SERVICE_NAME"
Stage = Callable[[str], AbstractContextManager[object]]


class Spans:
    """Makes spans in this process, for all libraries in it, and gives them to a provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("flask_usher")
        self._instrumentors: list[BaseInstrumentor] = [RequestsInstrumentor()]
        # An installation without Redis has no library for it.
        if find_spec("redis") is not None:
            from opentelemetry.instrumentation.redis import RedisInstrumentor

            self._instrumentors.append(RedisInstrumentor())
        for it in self._instrumentors:
            it.instrument(tracer_provider=provider, request_hook=_name_server)

    def follow(self, app: Flask) -> None:
        """Make a span of each request, as part of the trace that the proxy names."""
        FlaskInstrumentor().instrument_app(
            app,
            tracer_provider=self._provider,
            excluded_urls=UNTRACED,
            enable_commenter=False,
        )

    def follow_engines(self, *engines: sa.Engine) -> None:
        """Make a span of each statement."""
        # OpenTelemetry's own part for SQLAlchemy refuses its version 2.1.
        for engine in engines:
            sa.event.listen(engine, "before_cursor_execute", self._begin_statement)
            sa.event.listen(engine, "after_cursor_execute", _end_statement)
            sa.event.listen(engine, "handle_error", _end_failed_statement)

    def _begin_statement(
        self, connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _: Any
    ) -> None:
        context.usher_span = self._tracer.start_span(
            statement.split(maxsplit=1)[0],
            kind=SpanKind.CLIENT,
            attributes={"db.system": connection.dialect.name, "db.statement": statement},
        )

    def close(self) -> None:
        """Make no more spans for the libraries."""
        for it in self._instrumentors:
            it.uninstrument()

    def around(self, stage: Stage) -> Stage:
        """Return the contexts of stages, with a span around each."""

        @contextmanager
        def traced(name: str) -> Iterator[None]:
            with self._tracer.start_as_current_span(name), stage(name):
                yield

        return traced


class Discreet(SpanExporter):
    """Passes on the spans of requests, without what may tell of people."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass on what may be known."""
        of_requests = [it for it in spans if it.parent or it.kind is SpanKind.SERVER]
        return self._exporter.export([_discreet(it) for it in of_requests])

    def shutdown(self) -> None:
        """Pass it on."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Pass it on."""
        return self._exporter.force_flush(timeout_millis)


def exporting(environment: Mapping[str, str]) -> TracerProvider:
    """Return a provider that sends spans where the environment says, in the background."""
    named = {} if NAME in environment else {"service.name": "usher"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(Discreet(OTLPSpanExporter())))
    return provider


def _discreet(span: ReadableSpan) -> ReadableSpan:
    attributes = {name: it for name, it in (span.attributes or {}).items() if name in ALLOWED}
    name = span.name
    if span.kind is SpanKind.SERVER:
        # Without a route, the library takes the path for a name.
        method = attributes.get("http.method") or attributes.get("http.request.method")
        name = f"{method} {attributes.get('http.route', 'other')}"
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _name_server(span: Span, called: object, *_: object) -> None:
    if isinstance(called, requests.PreparedRequest):
        span.set_attribute("server.address", urlsplit(called.url or "").hostname or "")


def _end_statement(_c: Any, _u: Any, _s: Any, _v: Any, context: Any, _m: Any) -> None:
    context.usher_span.end()


def _end_failed_statement(failure: sa.ExceptionContext) -> None:
    span: Span | None = getattr(failure.execution_context, "usher_span", None)
    if span is not None:
        span.set_status(StatusCode.ERROR)
        span.end()
