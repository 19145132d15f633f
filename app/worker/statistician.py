"""Compiles statistics beside the worker's loop every few minutes, and soon after something has happened to a
mirror, and publishes them through the store.

The database may be away, slow or locked, so it is read in a thread, and no publication waits for it. While it
cannot be read, the statistics that were published last stay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from app.history.database import open_history
from app.history.mirror_history import read_histories
from app.history.totals import read_totals
from app.logs import Faults
from app.settings import Settings
from app.snapshot.statistics import encode
from app.store import Store
from app.worker.history_task import HistoryTask
from app.worker.propagation import meant, read_propagation
from app.worker.statistics import PublishedPlan, histories_of, statistics_of

EVERY_S = 300.0
UNTIL_FIRST_S = 10.0
"""How often the database is looked at until it has given statistics."""
AFTER_EVENTS_S = 20.0
"""How long after one look the next one is, if the database has new events."""


class Statistician:
    """The part of a worker that compiles and publishes statistics."""

    def __init__(self, compile_: Callable[[float, PublishedPlan], bytes | None], faults: Faults) -> None:
        """`compile_` reads the database at a time in epoch seconds. It returns the encoded statistics; None
        stands for an empty database."""
        self._compile = compile_
        self._task = HistoryTask[bytes | None]("statistics", "those that were published last stay", faults)
        self._begun_at = float("-inf")
        self._read_written = 0
        self._data: bytes | None = None
        self._is_published = True

    def step(self, now: float, store: Store, plan: Callable[[], PublishedPlan], written: int = 0) -> None:
        """Begins to compile if that is due, and publishes what has been compiled. `plan` returns what is
        published at the moment, and `written` is how often events have been written to the database. Raises
        StoreError."""
        if self._task.is_busy:
            data = self._task.collect()
            if data is not None and data != self._data:
                self._data, self._is_published = data, False
        elif not 0 <= now - self._begun_at < self._pause_s(written):
            self._begun_at, self._read_written = now, written
            self._task.begin(partial(self._compile, now, plan()))
        if self._data is not None and not self._is_published:
            store.publish_statistics(self._data)
            self._is_published = True

    def _pause_s(self, written: int) -> float:
        """Returns how long after a look at the database the next one is due."""
        if self._data is None:
            return UNTIL_FIRST_S
        return EVERY_S if written == self._read_written else AFTER_EVENTS_S

    def was_lost(self) -> None:
        """Notes that the store has lost what was published, so that it is published again."""
        self._is_published = False

    def wait(self) -> bool:
        """Waits for statistics that are being compiled, for a limited time. Returns whether there are any to
        publish."""
        return self._task.wait()


def compiled(settings: Settings, now: float, plan: PublishedPlan) -> bytes | None:
    """Reads the history's database and returns the encoded statistics, or None if it has neither requests nor
    events. Raises HistoryError."""
    history = open_history(settings)
    moment = datetime.fromtimestamp(now, UTC)
    shown = plan.shown(settings.history_least_shown)
    try:
        if not history.is_there:
            return None
        with history.reading() as connection:
            totals = read_totals(connection, moment.date())
            happened = read_histories(connection, shown.mirrors, moment)
            known = meant(shown.mirrors, plan.probe.states, plan.probe.interval_s)
            propagation = read_propagation(connection, known, moment)
    finally:
        history.close()
    if not (totals.days or happened.days or happened.events or propagation):
        return None
    service, mirrors = statistics_of(totals, shown, moment)
    shares = mirrors if totals.days else {}
    return encode(service, shares, histories_of(happened), happened.last, propagation)
