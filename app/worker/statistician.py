"""Compiles statistics beside the worker's loop every few minutes, and publishes them through the store.

The database may be away, slow or locked, so it is read in a thread, and no publication waits for it. While it
cannot be read, the statistics that were published last stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from datetime import UTC, datetime
from functools import partial

from app.history.database import open_history
from app.history.totals import read_totals
from app.logs import Faults
from app.model import HistoryError
from app.settings import Settings
from app.snapshot.statistics import encode
from app.store import Store
from app.worker.counted import begun
from app.worker.statistics import PublishedPlan, statistics_of

EVERY_S = 300.0
UNTIL_FIRST_S = 10.0
"""How often the database is looked at until it has given statistics."""
SLOW_AFTER_S = 60.0
"""The time after which a database that has not answered yet is at fault."""


class Statistician:
    """The part of a worker that compiles and publishes statistics."""

    def __init__(self, compile_: Callable[[float, PublishedPlan], bytes | None], faults: Faults) -> None:
        """`compile_` reads the database at a time in epoch seconds. It returns the encoded statistics; None
        stands for nothing counted yet."""
        self._compile = compile_
        self._faults = faults
        self._compiling: Future[bytes | None] | None = None
        self._begun_at = float("-inf")
        self._waits_since = 0.0
        self._data: bytes | None = None
        self._is_published = True

    def step(self, now: float, store: Store, plan: Callable[[], PublishedPlan]) -> None:
        """Begins to compile if that is due, and publishes what has been compiled. `plan` returns what is
        published at the moment. Raises StoreError."""
        if self._compiling is not None:
            self._collect(self._compiling)
        elif not 0 <= now - self._begun_at < (EVERY_S if self._data else UNTIL_FIRST_S):
            self._begun_at, self._waits_since = now, time.monotonic()
            self._compiling = begun(partial(self._compile, now, plan()))
        if self._data is not None and not self._is_published:
            store.publish_statistics(self._data)
            self._is_published = True

    def was_lost(self) -> None:
        """Notes that the store has lost what was published, so that it is published again."""
        self._is_published = False

    def wait(self) -> bool:
        """Waits for statistics that are being compiled, for a limited time. Returns whether there are any to
        publish."""
        return self._compiling is not None and bool(wait_for([self._compiling], SLOW_AFTER_S).done)

    def _collect(self, compiling: Future[bytes | None]) -> None:
        """Takes over the statistics if they are ready. If they were not to be had, says why."""
        if not compiling.done():
            if time.monotonic() - self._waits_since > SLOW_AFTER_S:
                self._note(f"the database has not answered for {SLOW_AFTER_S:.0f} s")
            return
        self._compiling = None
        try:
            data = compiling.result()
        except HistoryError as error:
            self._note(str(error))
            return
        self._faults.clear("statistics")
        if data is not None and data != self._data:
            self._data, self._is_published = data, False

    def _note(self, problem: str) -> None:
        self._faults.set("statistics", f"{problem}; those that were published last stay")


def compiled(settings: Settings, now: float, plan: PublishedPlan) -> bytes | None:
    """Reads the history's database and returns the encoded statistics, or None if nothing has been counted.
    Raises HistoryError."""
    history = open_history(settings)
    moment = datetime.fromtimestamp(now, UTC)
    try:
        if not history.is_there:
            return None
        with history.reading() as connection:
            totals = read_totals(connection, moment.date())
    finally:
        history.close()
    if not totals.days:
        return None
    return encode(*statistics_of(totals, plan.shown(settings.history_least_shown), moment))
