"""Runs `mirrorwise history follow`: counts what is written to logs, for as long as it runs.

The database may be away, slow, full or locked at any time: the logs wait, and what is in them is counted
afterwards. Old sums are forgotten once a day.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.history.database import HistoryDatabase
from app.history.follow import FollowedLog
from app.history.retention import Retention, forget
from app.history.sums import Sums
from app.logs import Faults, pause_s
from app.model import HistoryError

log = logging.getLogger("mirrorwise.history")

EVERY_S = 1.0
FORGET_EVERY_S = 24 * 3600.0


class CollectorMetrics:
    """What Prometheus may know of a collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.lines = Counter(
            "mirrorwise_history_lines",
            "Lines of logs that were counted, and those that were no records and were skipped.",
            ["kind"],
            registry=self.registry,
        )
        self.errors = Counter(
            "mirrorwise_history_errors",
            "How often the database or a log could not be used.",
            registry=self.registry,
        )
        self.unread = Gauge(
            "mirrorwise_history_unread_bytes",
            "How much of the logs is not counted yet.",
            registry=self.registry,
        )
        self.looked = Gauge(
            "mirrorwise_history_up_to_date_timestamp_seconds",
            "When all that was in the logs had been counted last, in epoch seconds.",
            registry=self.registry,
        )
        for kind in ("record", "skipped"):
            self.lines.labels(kind)

    def add(self, sums: Sums) -> None:
        self.lines.labels("record").inc(sums.records)
        self.lines.labels("skipped").inc(sums.skipped)


class LogCollector:
    """Counts the records in several logs. `machine` is the name under which the positions are kept."""

    def __init__(
        self, database: HistoryDatabase, machine: str, paths: Sequence[Path], retention: Retention
    ) -> None:
        self.metrics = CollectorMetrics()
        self.faults = Faults(log)
        self._database = database
        self._retention = retention
        self._logs = [FollowedLog(database, machine, path) for path in paths]
        self._forgot_at_s = float("-inf")

    def run(self, stopping: threading.Event) -> None:
        """Counts until it is told to stop."""
        failures = 0
        while not stopping.is_set():
            failures = 0 if self.look(stopping) else failures + 1
            stopping.wait(pause_s(EVERY_S, failures))
        for followed in self._logs:
            followed.forget()
        self._database.close()

    def look(self, stopping: threading.Event) -> bool:
        """Counts all that is new in the logs, once. Returns whether all went well."""
        is_well = True
        for followed in self._logs:
            subject = f"log/{followed.path}"
            try:
                for sums in followed.look(stopping.is_set):
                    self.metrics.add(sums)
                    self.metrics.unread.set(self._unread_bytes())
                self.faults.clear(subject)
            except HistoryError as error:
                self.metrics.errors.inc()
                self.faults.set(subject, str(error))
                is_well = False
        self.metrics.unread.set(self._unread_bytes())
        if is_well and not stopping.is_set():
            self.metrics.looked.set_to_current_time()
            is_well = self._forget()
        return is_well

    def _unread_bytes(self) -> int:
        return sum(followed.unread_bytes for followed in self._logs)

    def _forget(self) -> bool:
        """Forgets what is old, once a day. Returns False if it failed."""
        if time.monotonic() - self._forgot_at_s < FORGET_EVERY_S:
            return True
        try:
            forget(self._database, self._retention, datetime.now(UTC).date())
        except HistoryError as error:
            self.metrics.errors.inc()
            self.faults.set("retention", str(error))
            return False
        self.faults.clear("retention")
        self._forgot_at_s = time.monotonic()
        return True
