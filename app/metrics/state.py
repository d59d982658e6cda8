"""The metrics of what is so at this moment."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from ..errors import KeyUnavailable
from ..key_rotation import Purpose
from ..key_rotation.records import records
from ..state import State
from ..workers import Difference, differences, seen


def state_metrics(state: State) -> Iterator[Metric]:
    """Give what the database and the settings say now. Raises `StoreUnavailable`."""
    is_paused = state.admission.pauses.current() is not None
    yield GaugeMetricFamily(
        "usher_paused", "Whether the operator has stopped all tokens.", value=is_paused
    )
    workers = seen(state.database)
    family = GaugeMetricFamily(
        "usher_workers", "Processes that serve.", labels=("host", "release")
    )
    for labels, count in sorted(Counter((it.host, it.release) for it in workers).items()):
        family.add_metric(labels, count)
    yield family
    differing = differences(workers)
    family = GaugeMetricFamily(
        "usher_workers_disagree", "Whether processes have different ones.", labels=("on",)
    )
    for difference in Difference:
        family.add_metric([difference], difference in differing)
    yield family
    since = _signing_key_since(state)
    if since is not None:
        yield GaugeMetricFamily(
            "usher_signing_key_created_timestamp_seconds",
            "Since when there is the signing key.",
            value=since,
        )


def _signing_key_since(state: State) -> float | None:
    # Staged by the ceremony, or else as old as its file.
    try:
        key = state.admission.key_ring.minter().signing_key
    except KeyUnavailable:
        return None
    with state.database.reading() as connection:
        known = {it.fingerprint: it for it in records(connection, Purpose.SIGNING)}
    record = known.get(key.fingerprint)
    if record is not None and record.confirmed_at is not None:
        return record.staged_at
    try:
        return os.stat(key.source).st_mtime
    except OSError:
        return None if record is None else record.staged_at
