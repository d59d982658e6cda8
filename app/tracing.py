"""Whether requests are traced: when OpenTelemetry's own variables name a collector."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .spans import Spans

COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
DISABLED = "OTEL_SDK_DISABLED"
EXTRA = "flask-usher[tracing]"


def collector(environment: Mapping[str, str]) -> str | None:
    """Return the name of the variable that says where traces go, if they go anywhere."""
    if environment.get(DISABLED, "").lower() == "true":
        return None
    return next((name for name in COLLECTORS if environment.get(name)), None)


def is_installed() -> bool:
    """Tell whether the libraries are there."""
    return find_spec("opentelemetry") is not None and all(
        find_spec(f"opentelemetry.{it}") is not None for it in ("sdk", "instrumentation")
    )


def spans_for(environment: Mapping[str, str]) -> Spans | None:
    """Begin to trace this process, if that is wanted and can be."""
    if collector(environment) is None or not is_installed():
        return None
    # Without it, nobody pays for the libraries.
    from .spans import Spans, exporting

    return Spans(exporting(environment))
