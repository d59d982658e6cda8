"""Counting without a write for each token: in memory, and into the database in the background.

A process that is killed loses what it counted in its last seconds. The audit log loses nothing:
it is the record, and this is the picture of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..audit import Details, Visit
from ..database import Database
from ..errors import StoreUnavailable
from ..rules.tables import ISSUED
from .reports import Report
from .store import Batch, minute_of, save, thin
from .tables import HOUR, LONGEST_LABEL, Event, Key

MOST_COUNTERS = 10_000
MOST_REPORTS = 2000
logger = logging.getLogger(__name__)


class Outcomes:
    """Learns of each decision and each report. `clock` gives seconds since the epoch.

    Methods are for several threads at once. What there is must be saved every few seconds, and
    once more when the process ends.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._batch = Batch()
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._thinned_hour: int | None = None
        self._is_failing = False
        self._is_closed = False

    def __call__(self, event: str, code: str, visit: Visit, details: Details) -> None:
        """Count a decision about a token, once its audit line is written."""
        if event != "token":
            return
        minute = minute_of(self._clock())
        issued = code == ISSUED
        label = "" if issued else code[:LONGEST_LABEL]
        self._count(Key(minute, Event.GRANTED if issued else Event.REFUSED, label))

    def report(self, report: Report) -> None:
        """Take a report. Raises `StoreUnavailable` when too many wait for the database."""
        with self._lock:
            if len(self._batch.reports) >= MOST_REPORTS:
                raise StoreUnavailable
            self._batch.reports.append((self._clock(), report))

    def save(self) -> bool:
        """Save what there is now; tell whether the database took it."""
        with self._saving:
            if self._is_closed:
                return False
            with self._lock:
                batch, self._batch = self._batch, Batch()
            try:
                if batch:
                    save(self._database, batch, self._clock())
            except StoreUnavailable:
                self._keep(batch)
                self._tell("can't be saved; they are kept for now")
                return False
            except Exception:
                logger.exception("outcomes of some seconds are lost")
                return False
            self._thin()
        if self._is_failing:
            self._is_failing = False
            logger.warning("outcomes are saved again")
        return True

    def close(self) -> None:
        """Save what there is. Nothing is saved after that, and the database may be closed."""
        if self._batch:
            self.save()
        with self._saving:
            self._is_closed = True

    def _count(self, key: Key) -> None:
        with self._lock:
            counts = self._batch.counts
            if key in counts or len(counts) < MOST_COUNTERS:
                counts[key] += 1

    def _keep(self, batch: Batch) -> None:
        with self._lock:
            self._batch.counts.update(batch.counts)
            self._batch.reports[:0] = batch.reports

    def _thin(self) -> None:
        hour = int(self._clock() // HOUR)
        if self._thinned_hour == hour:
            return
        try:
            thin(self._database, self._clock())
            self._thinned_hour = hour
        except StoreUnavailable:
            self._tell("of long ago can't be thinned")

    def _tell(self, what: str) -> None:
        if not self._is_failing:
            self._is_failing = True
            logger.warning("outcomes %s", what)
