"""The requests that were counted lately, which tell where clients really are.

They are read from the history database before prices are solved, in the thread that solves them. So no
publication waits for the database, and if it is away, slow or locked, the requests that were read last stay
in use. They are shared through the store, for the worker that takes over and for `mirrorwise simulate`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import TypeVar

from app.history.recent import RecentRequests, decode, encode
from app.model import HistoryError
from app.store import Store

log = logging.getLogger("mirrorwise.worker")

T = TypeVar("T")

SHARED = "history/recent"

PATIENCE_S = 60.0
"""How long prices wait for the database."""

Read = Callable[[float], RecentRequests | None]
"""Reads the database at a time in epoch seconds. Returns None if there is no database, and raises
HistoryError if it cannot be read."""


class CountedRequests:
    """The requests that were read last (`recent`), by this worker or the one before; None if there were none.
    `fault` says why they could not be read anew, if they could not."""

    def __init__(self, read: Read, patience_s: float = PATIENCE_S) -> None:
        self.recent: RecentRequests | None = None
        self.fault: str | None = None
        self._read, self._patience_s = read, patience_s
        self._reading: Future[RecentRequests | None] | None = None
        self._shared: RecentRequests | None = None

    @property
    def by_place(self) -> Mapping[str, float]:
        return self.recent.places if self.recent else {}

    @property
    def is_shared(self) -> bool:
        """Whether what was read last has been shared."""
        return self.recent is self._shared

    def refresh(self, now: float) -> None:
        """Reads the database, and waits for it for a limited time. While the database still owes an answer,
        it is not asked again."""
        reading = self._reading = self._reading or begun(lambda: self._read(now))
        if not wait([reading], self._patience_s).done:
            self.fault = f"the database has not answered for {self._patience_s:.0f} s; {_STAYS}"
            return
        self._reading = None
        try:
            found = reading.result()
        except HistoryError as error:
            self.fault = f"{error}; {_STAYS}"
            return
        except Exception as error:  # prices are solved all the same
            self.fault = f"a bug keeps this from being read: {error!r}; {_STAYS}"
            return
        self.fault = None
        if found is not None and found != (self.recent or RecentRequests()):
            self.recent = found
            log.info("counted %d requests in %d places lately", found.requests, len(found.places))

    def fetch(self, store: Store, tags: Mapping[str, str]) -> None:
        """Takes over what the worker before this one read. `tags` are those of all that is shared."""
        data = store.read_shared(SHARED) if SHARED in tags else None
        shared = decode(data) if data else None
        if shared is not None:
            self.recent = self._shared = shared

    def share(self, store: Store, tags: Mapping[str, str]) -> None:
        """Shares what was read last, if that is news or the store has lost it."""
        recent = self.recent
        if recent is not None and not (self.is_shared and SHARED in tags):
            store.share(SHARED, encode(recent))
            self._shared = recent


_STAYS = "the requests that were read before stay in use"


def begun(read: Callable[[], T]) -> Future[T]:
    """Begins to read in a thread that keeps no process from ending."""
    reading: Future[T] = Future()

    def go() -> None:
        try:
            reading.set_result(read())
        except BaseException as error:
            reading.set_exception(error)

    threading.Thread(target=go, name="mirrorwise-history", daemon=True).start()
    return reading
