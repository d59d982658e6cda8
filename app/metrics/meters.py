"""The metrics of what processes have metered: requests, stages, dependencies, faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from ..outcomes.classes import BEYOND, MICROSECONDS
from ..outcomes.meters import MICROSECOND, SUM
from ..outcomes.tables import Meter

COUNTERS = {
    Meter.REQUEST: ("usher_requests", "Requests answered.", ("route", "status")),
    Meter.SIGNED_IN: ("usher_sign_ins", "Sign-ins.", ("provider",)),
    Meter.NOT_SIGNED_IN: (
        "usher_sign_in_failures",
        "Sign-ins refused, by problem code.",
        ("provider", "code"),
    ),
    Meter.CALL_FAILED: (
        "usher_dependency_failures",
        "Calls to a dependency without an answer.",
        ("dependency", "provider"),
    ),
    Meter.COUNTED_ALONE: (
        "usher_limits_counted_alone",
        "Limits counted in one process, as Redis did not answer.",
        (),
    ),
    Meter.LINE_LOST: ("usher_audit_lines_lost", "Audit lines not written.", ()),
    Meter.POLICY_FAULTY: (
        "usher_policy_reload_failures",
        "Changed policies with faults, in each process.",
        (),
    ),
}
HISTOGRAMS = {
    Meter.REQUEST_US: (
        "usher_request_duration_seconds",
        "How long the service took to answer.",
        ("route",),
    ),
    Meter.STAGE_US: (
        "usher_stage_duration_seconds",
        "How long a stage of the decision took.",
        ("stage",),
    ),
    Meter.CALL_US: (
        "usher_dependency_duration_seconds",
        "How long a call to a dependency took.",
        ("dependency", "provider"),
    ),
}


def meter_metrics(meters: Mapping[Meter, Counter[str]]) -> Iterator[Metric]:
    """Give the metrics of all that was metered, by meter and label."""
    for meter, (name, text, labels) in COUNTERS.items():
        if not labels:
            yield CounterMetricFamily(name, text, value=meters[meter].total())
            continue
        family = CounterMetricFamily(name, text, labels=labels)
        counted = dict.fromkeys(_zeros(meter, meters), 0) | meters[meter]
        for label, count in sorted(counted.items()):
            family.add_metric(_values(label, len(labels)), count)
        yield family
    for meter, (name, text, labels) in HISTOGRAMS.items():
        yield _histogram(HistogramMetricFamily(name, text, labels=labels), meters[meter])


def _zeros(meter: Meter, meters: Mapping[Meter, Counter[str]]) -> set[str]:
    """Return the labels to begin with 0: what begins with 1 has not increased."""
    if meter is Meter.REQUEST:
        routes = {label.rpartition(" ")[0] for label in meters[Meter.REQUEST]}
        return {f"{route} {status}xx" for route in routes for status in (2, 3, 4, 5)}
    if meter is Meter.CALL_FAILED:
        return {label.rpartition(" ")[0] for label in meters[Meter.CALL_US]}
    return set()


def _histogram(family: HistogramMetricFamily, counted: Counter[str]) -> Metric:
    by_label: dict[str, dict[str, int]] = {}
    for text, count in sorted(counted.items()):
        label, _, name = text.rpartition(" ")
        by_label.setdefault(label, {})[name] = count
    for label, classes in by_label.items():
        total = classes.pop(SUM, 0) / MICROSECOND
        names = [*map(str, MICROSECONDS), BEYOND]
        ends = [*(str(bound / MICROSECOND) for bound in MICROSECONDS), "+Inf"]
        reached = accumulate(classes.get(name, 0) for name in names)
        buckets = [(end, float(it)) for end, it in zip(ends, reached, strict=True)]
        family.add_metric(_values(label, len(family._labelnames)), buckets, total)
    return family


def _values(label: str, count: int) -> list[str]:
    """Return the values of labels; those that are missing are empty, which is to have none."""
    values = label.split(" ")
    return [*values, *[""] * (count - len(values))]
