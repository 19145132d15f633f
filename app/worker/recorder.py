"""Keeps what is published, for questions about the past, beside the worker's loop.

A worker that leads and one that stands by do the same: they look which generation the store has. What is new
is taken from the store at once, because the store may have dropped it a minute later. Writing it takes some
tenths of a second, or very long on a disk that is slow or away, so a thread writes, and no publication waits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import suppress
from functools import partial
from pathlib import Path

from app.files import said
from app.logs import Faults
from app.model import SnapshotError, StoreError, digest_of
from app.past.archive import Archive
from app.past.keeper import Keeper, Sighting
from app.past.packing import PastError
from app.settings import Settings
from app.snapshot import schema
from app.store import NotOursError, Pointer, Store
from app.worker.counted import begun

NOTE_EVERY_S = 60.0
STATUS_EVERY_S = 3600.0
UNTIL_STATUS_S = 120.0
"""How long the status document that belongs to a new generation is waited for."""
AGAIN_S = 60.0
UNBROKEN_S = 60.0
"""Between two looks that are no farther apart, no generation comes and goes unseen."""
MOST_WAITING = 8
"""How many snapshots and documents may wait for the disk in memory."""
STOP_S = 3.0


def keeper_of(settings: Settings) -> Keeper | None:
    """Returns the keeper that the settings describe; None if nothing is to be kept."""
    if not settings.past_mb:
        return None
    return Keeper(Archive.of(settings.var_dir), settings.past_mb * 10**6)


class Recorder:
    """The part of a worker that keeps generations of the past."""

    def __init__(self, keeper: Keeper | None, copy_of: Callable[[str], Path], faults: Faults) -> None:
        """Without a keeper, nothing is kept. `copy_of` returns the path at which this machine has a database
        with a digest, if it has it: then it need not come from the store."""
        self._keeper = keeper
        self._copy_of = copy_of
        self._faults = faults
        self._waiting: deque[Callable[[], None]] = deque()
        self._writing: Future[None] | None = None
        self._current: str | None = None  # the generation that is kept, or is about to be
        self._looked_at = self._noted_at = self._status_at = self._began_at = float("-inf")
        self._unbroken_until = float("-inf")  # of the monotonic clock
        self._status_tag = ""  # of the status document at the last look
        self._former_tag = ""  # of the one that was there before this generation
        self._again_at = float("-inf")

    def look(self, store: Store, now: float) -> None:
        """Looks what the store has, and begins to keep what is new. Raises StoreError."""
        if self._keeper is None:
            return
        self._collect(now)
        self._write()
        if 0 <= self._again_at - now <= AGAIN_S:
            return
        if len(self._waiting) >= MOST_WAITING:
            self._note("the disk is too slow")
            return
        try:
            pointer = store.pointer()
            if pointer is not None:
                self._look_at(self._keeper, pointer, store, now)
        except NotOursError:  # publishing repairs the store
            return
        self._write()

    def _look_at(self, keeper: Keeper, pointer: Pointer, store: Store, now: float) -> None:
        if pointer.generation != self._current:
            if not self._begin(keeper, pointer, store, now):
                return
        elif not 0 <= now - self._noted_at < NOTE_EVERY_S:
            self._waiting.append(partial(keeper.note_until, pointer.generation, now))
            self._noted_at = now
        self._looked_at = now
        self._unbroken_until = time.monotonic() + UNBROKEN_S
        if self._is_status_due(pointer, now) and (status := store.status()) is not None:
            self._waiting.append(partial(keeper.keep_status, pointer.generation, status, now))
            self._status_at = now
        self._status_tag = pointer.status

    def _begin(self, keeper: Keeper, pointer: Pointer, store: Store, now: float) -> bool:
        """Begins to keep a new generation. Returns whether the store has it."""
        data = store.snapshot(pointer.generation)
        if data is None:
            return False
        try:
            databases = schema.databases_of(data)
        except SnapshotError as error:
            self._note(str(error))
            return False
        seen = Sighting(
            generation=pointer.generation,
            snapshot=data,
            databases=databases,
            published_at_s=pointer.published_at_s,
            seen_at_s=now,
            follows=self._current if time.monotonic() < self._unbroken_until else None,
        )
        self._waiting.append(partial(keeper.keep, seen, partial(self._database, store)))
        self._current, self._began_at, self._noted_at = pointer.generation, now, now
        self._status_at, self._former_tag = float("-inf"), self._status_tag
        return True

    def _database(self, store: Store, digest: str) -> bytes | None:
        with suppress(OSError):
            content = self._copy_of(digest).read_bytes()
            if digest_of(content) == digest:
                return content
        return store.blob(digest)

    def _is_status_due(self, pointer: Pointer, now: float) -> bool:
        """Returns whether a status document is to be kept: the first one that was published after a new
        generation, and then one each hour."""
        if not pointer.status:
            return False
        if self._status_at >= self._began_at:
            return not 0 <= now - self._status_at < STATUS_EVERY_S
        return pointer.status != self._former_tag or now - self._began_at > UNTIL_STATUS_S

    def close(self) -> None:
        """Notes until when the generation was current, and waits for a limited time until all is written."""
        if self._keeper is None:
            return
        if self._current is not None:
            self._waiting.append(partial(self._keeper.note_until, self._current, self._looked_at))
        self._write()
        while self.wait():
            self._collect(self._looked_at)
            self._write()

    def wait(self) -> bool:
        """Waits for what is being written, for a limited time. Returns whether anything was."""
        return self._writing is not None and bool(wait_for([self._writing], STOP_S).done)

    # --- the thread ------------------------------------------------------------------------------

    def _write(self) -> None:
        if self._waiting and self._writing is None:
            self._writing = begun(self._write_all)

    def _write_all(self) -> None:
        while self._waiting:
            self._waiting.popleft()()

    def _collect(self, now: float) -> None:
        """Learns whether all could be written. If not, what the store has is kept again after a while."""
        writing = self._writing
        if writing is None or not writing.done():
            return
        self._writing = None
        try:
            writing.result()
        except (OSError, PastError) as error:
            self._note(said(error) if isinstance(error, OSError) else str(error))
        except StoreError:  # the worker names what is wrong with the store
            pass
        else:
            self._faults.clear("past")
            return
        self._waiting.clear()
        self._current, self._again_at = None, now + AGAIN_S

    def _note(self, problem: str) -> None:
        self._faults.set("past", f"{problem}; so what is published now is not kept for later questions")
