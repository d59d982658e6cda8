"""Metrics for Prometheus: read from the database, so that all workers and hosts are in them.

Counters in the processes would need files that they share, and each host would tell of its
own part only. What is in the database, one small process can tell of all.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ..errors import Code, StoreUnavailable
from ..outcomes.figures import CLASSES, Figures, metered, totals
from ..outcomes.reports import MODES
from ..outcomes.tables import Event
from ..state import State
from .meters import meter_metrics
from .state import state_metrics

COUNTERS = {
    Event.GRANTED: ("usher_tokens_granted", "Tokens issued.", None),
    Event.REFUSED: ("usher_tokens_refused", "Tokens refused, by problem code.", "code"),
    Event.ACTIVATED: ("usher_activations", "Chats that pages report active.", "mode"),
    Event.FAILED: ("usher_activation_failures", "Activations iAdvize refused.", "reason"),
    Event.ERROR: ("usher_page_errors", "Pages that got no answer they understood.", "code"),
}
ZEROS = {Event.REFUSED: [str(code) for code in Code], Event.ACTIVATED: MODES}
HISTOGRAMS = {
    Event.TOKEN_MS: ("usher_token_wait_seconds", "How long pages wait for an answer.", 1000),
    Event.ACTIVATED_MS: ("usher_activation_seconds", "From page to active chat.", 1000),
    Event.TOKEN_LIFE: ("usher_token_life_seconds", "A token's life left on arrival.", 1),
}


class Metrics(Collector):
    """Reads all at each scrape; `usher_up` is 0 while the database is away."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Give all metrics, or `usher_up` alone."""
        database = self._state.database
        try:
            figures, meters = totals(database), metered(database)
            of_state = list(state_metrics(self._state))
        except StoreUnavailable:
            yield GaugeMetricFamily("usher_up", "Whether the database answers.", value=0)
            return
        yield GaugeMetricFamily("usher_up", "Whether the database answers.", value=1)
        yield from _counters(figures)
        yield from _histograms(figures)
        yield from meter_metrics(meters)
        yield from of_state


def registry_of(state: State) -> CollectorRegistry:
    """Return a registry with the metrics of an installation, and nothing about the process."""
    registry = CollectorRegistry()
    registry.register(Metrics(state))
    return registry


def _counters(figures: Figures) -> Iterator[Metric]:
    for event, (name, text, label) in COUNTERS.items():
        if label is None:
            yield CounterMetricFamily(name, text, value=figures.total(event))
            continue
        family = CounterMetricFamily(name, text, labels=[label])
        # What begins with 1 has not increased: a first refusal would be missed.
        counted = dict.fromkeys(ZEROS.get(event, ()), 0) | figures.of(event)
        for value, count in sorted(counted.items()):
            family.add_metric([value], count)
        yield family


def _histograms(figures: Figures) -> Iterator[Metric]:
    for event, (name, text, divisor) in HISTOGRAMS.items():
        counted, bounds = figures.of(event), CLASSES[event]
        reached = accumulate(counted[str(bound)] for bound in bounds)
        buckets = [
            (str(bound / divisor), float(count))
            for bound, count in zip(bounds, reached, strict=True)
        ]
        buckets.append(("+Inf", float(counted.total())))
        # Values are kept in classes only, so there is no sum.
        yield HistogramMetricFamily(name, text, buckets=buckets, sum_value=None)
