"""Writes to the history's database in a thread, so that no publication waits for it.

A database may be away, slow, locked, full or read-only. Then the same is tried again after a while. So what
is written has to be such that it may be written twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial

from app.history.database import HistoryDatabase
from app.logs import Faults
from app.model import HistoryError
from app.worker.counted import begun

RETRY_S = 10.0
SLOW_AFTER_S = 60.0
"""The time after which a database that has not answered yet is at fault."""

Write = Callable[[HistoryDatabase], None]
"""Writes something. Raises HistoryError."""


class HistoryWriter:
    """Writes one thing at a time. `subject` is that of the fault that says why nothing can be written."""

    def __init__(self, subject: str, open_: Callable[[], HistoryDatabase], faults: Faults) -> None:
        self._subject, self._open, self._faults = subject, open_, faults
        self._writing: Future[None] | None = None
        self._begun_at = float("-inf")
        self._waits_since = 0.0
        self._has_failed = False

    def begin(self, write: Write, now: float) -> bool:
        """Begins to write. Returns False if something is being written, or the database failed a moment
        ago."""
        if self._writing is not None or (self._has_failed and 0 <= now - self._begun_at < RETRY_S):
            return False
        self._begun_at, self._waits_since = now, time.monotonic()
        self._writing = begun(partial(self._write, write))
        return True

    def collect(self) -> bool:
        """Returns whether something has been written since it was asked last."""
        writing = self._writing
        if writing is None:
            return False
        if not writing.done():
            if time.monotonic() - self._waits_since > SLOW_AFTER_S:
                self._note(f"the database has not answered for {SLOW_AFTER_S:.0f} s")
            return False
        self._writing, self._has_failed = None, True
        try:
            writing.result()
        except HistoryError as error:
            self._note(str(error))
            return False
        except Exception as error:
            self._note(f"a bug keeps this from being written: {error!r}", trace=True)
            return False
        self._has_failed = False
        self._faults.clear(self._subject)
        return True

    def wait(self) -> bool:
        """Waits for what is being written, for a limited time. Returns whether there was anything."""
        return self._writing is not None and bool(wait_for([self._writing], SLOW_AFTER_S).done)

    def _write(self, write: Write) -> None:
        database = self._open()
        try:
            write(database)
        finally:
            database.close()

    def _note(self, problem: str, trace: bool = False) -> None:
        self._faults.set(self._subject, f"{problem}; what is to be written waits", trace)
