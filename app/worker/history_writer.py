"""Writes to the history's database in a thread, so that no publication waits for it.

A database may be away, slow, locked, full or read-only. Then the same is tried again after a while. So what
is written has to be such that it may be written twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.history.database import HistoryDatabase
from app.logs import Faults
from app.worker.history_task import HistoryTask

RETRY_S = 10.0

Write = Callable[[HistoryDatabase], None]
"""Writes something. Raises HistoryError."""


class HistoryWriter:
    """Writes one thing at a time. `subject` is that of the fault that says why nothing can be written."""

    def __init__(self, subject: str, open_: Callable[[], HistoryDatabase], faults: Faults) -> None:
        self._open = open_
        self._task = HistoryTask[bool](subject, "what is to be written waits", faults)
        self._begun_at = float("-inf")
        self._has_failed = False

    def begin(self, write: Write, now: float) -> bool:
        """Begins to write. Returns False if something is being written, or the database failed a moment
        ago."""
        if self._task.is_busy or (self._has_failed and 0 <= now - self._begun_at < RETRY_S):
            return False
        self._begun_at = now
        self._task.begin(partial(self._write, write))
        return True

    def collect(self) -> bool:
        """Returns whether something has been written since it was asked last."""
        if not self._task.is_busy:
            return False
        try:
            is_written = bool(self._task.collect())
        except Exception as error:
            self._task.note(f"a bug keeps this from being written: {error!r}", trace=True)
            is_written = False
        if not self._task.is_busy:
            self._has_failed = not is_written
        return is_written

    def wait(self) -> bool:
        """Waits for what is being written, for a limited time. Returns whether there was anything."""
        return self._task.wait()

    def _write(self, write: Write) -> bool:
        database = self._open()
        try:
            write(database)
        finally:
            database.close()
        return True
