"""Waits beside the worker's loop for the history's database, which may be away, slow or locked."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Generic, TypeVar

from app.logs import Faults
from app.model import HistoryError
from app.worker.counted import begun

SLOW_AFTER_S = 60.0
"""The time after which a database that has not answered yet is at fault."""

T = TypeVar("T")


class HistoryTask(Generic[T]):
    """What is done with the database in a thread, one thing at a time. `subject` is that of the fault that
    says why nothing can be done, and `meanwhile` says in it what holds until then."""

    def __init__(self, subject: str, meanwhile: str, faults: Faults) -> None:
        self._subject, self._meanwhile, self._faults = subject, meanwhile, faults
        self._doing: Future[T] | None = None
        self._since_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether something is being done, or has been done and was not collected."""
        return self._doing is not None

    def begin(self, do: Callable[[], T]) -> None:
        """Begins to do something; nothing may be being done. `do` may raise HistoryError."""
        self._since_s = time.monotonic()
        self._doing = begun(do)

    def collect(self) -> T | None:
        """Returns what came of it, once; None if it is not done, or could not be. A bug in it raises."""
        doing = self._doing
        if doing is None:
            return None
        if not doing.done():
            if time.monotonic() - self._since_s > SLOW_AFTER_S:
                self.note(f"the database has not answered for {SLOW_AFTER_S:.0f} s")
            return None
        self._doing = None
        try:
            result = doing.result()
        except HistoryError as error:
            self.note(str(error))
            return None
        self._faults.clear(self._subject)
        return result

    def wait(self) -> bool:
        """Waits for what is being done, for a limited time. Returns whether it is done."""
        return self._doing is not None and bool(wait_for([self._doing], SLOW_AFTER_S).done)

    def note(self, problem: str, trace: bool = False) -> None:
        """Notes why it cannot be done; with `trace`, the log has the traceback of the exception at hand."""
        self._faults.set(self._subject, f"{problem}; {self._meanwhile}", trace)
