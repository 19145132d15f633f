"""Follows a database that the worker publishes through the store, under the hash of its content.

The database is a file in the folder of verified copies (`copies`), which all processes there share and map:
the first process that needs it fetches it from the store, and the others find it. While it cannot be had, or
is not what it should be, the last good one stays in use, also after a restart. Where the folder takes no
file, a process may hold the database in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from app.geo.copies import VerifiedCopies
from app.geo.memory import MemoryFile
from app.model import GeoError, SnapshotError, StoreError

AGAIN_S = 5.0
"""The pause after a database could not be used, because each attempt may read megabytes."""
TO_DISK_AGAIN_S = 60.0
"""How long a database is held in memory before the folder is tried again."""

D = TypeVar("D")

Fetch = Callable[[str], bytes | None]


class _NotThereError(StoreError):
    """The store does not have the database. To ask again costs next to nothing."""


class PublishedDatabase(Generic[D]):
    """The database that is called `name` in messages and in the folder, such as "places". `open_file` opens a
    file of this kind. It raises GeoError if the content is none, SnapshotError if it does not belong to the
    snapshot."""

    def __init__(
        self, name: str, copies: VerifiedCopies, open_file: Callable[[Path], D], or_memory: bool = False
    ) -> None:
        """With `or_memory`, what the folder does not take is held in memory. Only this process can use its
        path."""
        #: The database in use; None while none has been published, or none has been good.
        self.database: D | None = None
        #: The file of the database in use.
        self.path: Path | None = None
        #: Why the database in use is held in memory; None if it is not.
        self.problem: str | None = None
        self._name = name
        self._copies = copies
        self._open = open_file
        self._or_memory = or_memory
        self._digest: str | None = None  # of the database in use, if it is the one that is published
        self._memory: MemoryFile | None = None  # which holds the database in use
        self._refused: tuple[str | None, str] = (None, "")  # the digest of the last one, and why
        self._again_at = float("-inf")  # of the monotonic clock

    def follow(self, digest: str | None, fetch: Fetch) -> None:
        """Uses the database with this SHA-256 (in hex) from now on, or none for None. `fetch` reads it from
        the store, verified. Raises StoreError, SnapshotError or GeoError if it cannot be used. Then the last
        good one stays in use, and unless it is just not there, the next attempt is made after `AGAIN_S`."""
        if digest == self._digest:
            self._move_to_disk()
            return
        if digest is None:
            self._use(None, None, None)
            return
        if digest == self._refused[0] and time.monotonic() < self._again_at:
            raise GeoError(self._refused[1])
        try:
            self._take(digest, fetch)
        except (StoreError, SnapshotError, GeoError) as error:
            if not isinstance(error, _NotThereError):
                self._refused, self._again_at = (digest, str(error)), time.monotonic() + AGAIN_S
            self._go_back()
            raise

    def _take(self, digest: str, fetch: Fetch) -> None:
        path = self._copies.use(digest)
        content = b""
        if path is None:
            with self._copies.alone():
                path = self._copies.use(digest)  # another process may have been faster
                if path is None:
                    content = self._fetched(digest, fetch)
                    path = self._kept(digest, content)
        if path is not None:
            self._use(digest, path, self._open(path))
            return
        memory = MemoryFile(digest[:32])
        try:
            memory.path.write_bytes(content)
            database = self._open(memory.path)
        except BaseException:
            memory.close()
            raise
        self._use(digest, memory.path, database, memory)

    def _fetched(self, digest: str, fetch: Fetch) -> bytes:
        content = fetch(digest)
        if content is None:
            raise _NotThereError(f"the {self._name} database {digest[:16]} is not there")
        return content

    def _kept(self, digest: str, content: bytes) -> Path | None:
        """Writes the database to the folder. Returns None if it is to be held in memory instead."""
        try:
            return self._copies.keep(digest, content)
        except GeoError as error:
            if not self._or_memory:
                raise
            self.problem = f"{error}; so each process has its own in memory"
            self._again_at = time.monotonic() + TO_DISK_AGAIN_S
            return None

    def _use(
        self, digest: str | None, path: Path | None, database: D | None, memory: MemoryFile | None = None
    ) -> None:
        if self._memory is not None:
            self._memory.close()  # what has mapped it can go on
        self._digest, self.path, self.database, self._memory = digest, path, database, memory
        if memory is None:
            self.problem = None
        if path is not None:
            self._copies.remember(self._name, path)

    def _go_back(self) -> None:
        """Uses the database that an earlier process used last, if none is in use and it is still good."""
        last = self._copies.last(self._name) if self.database is None else None
        if last is None or not self._copies.is_whole(last):
            return
        try:
            self._use(None, last, self._open(last))
        except (SnapshotError, GeoError):
            return

    def _move_to_disk(self) -> None:
        """Moves a database that is held in memory to the folder, as soon as the folder takes it."""
        if self._memory is None or self._digest is None or time.monotonic() < self._again_at:
            return
        path = self._kept(self._digest, self._memory.path.read_bytes())
        if path is not None:
            self._use(self._digest, path, self._open(path))
