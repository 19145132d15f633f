"""Finds out which workers of this machine are dead, so that their lease in Redis need not run out.

A worker that is killed leaves its lease behind. A worker locks a file in `var/`, keeps the lock for as long
as it lives, and writes its name into the file before it asks for the lease. The worker that has the lock
knows that all others whose names are in the file have ended, also in other containers, as long as they share
`var/`. If the file cannot be locked, nothing is known, and a lease has to run out as it does between
machines.

The file only saves time. Two workers never publish at once, because the index is replaced only while the
lease in Redis has the publisher's name.
"""

from __future__ import annotations

import threading
from pathlib import Path

from app.store.lock_file import LockFile

MAX_NAMES = 100
"""The largest number of dead workers whose names are remembered. There are several if workers ended before
they had the lease."""


class Succession:
    """A record, in the lock file at `path`, of the workers that have shared a `var/` folder one after the
    other."""

    def __init__(self, path: Path) -> None:
        self._file = LockFile(path)
        self._guard = threading.Lock()
        self._dead: frozenset[str] = frozenset()
        self._written = ""

    def dead(self, owner: str) -> frozenset[str]:
        """Returns the names of workers that have ended for certain; none if the file cannot be locked.
        `owner` is the name of this worker."""
        with self._guard:
            try:
                if not self._file.is_ours:  # not yet, or the folder was replaced
                    self._written = ""
                if not self._file.take():
                    return frozenset()
                if self._written != owner:
                    names = [name for name in self._file.names() if name != owner][-MAX_NAMES:]
                    self._file.write(*names, owner)
                    self._written, self._dead = owner, frozenset(names)
            except OSError:
                return frozenset()
            return self._dead

    def leads(self, owner: str) -> None:
        """Notes that the owner has the lease now, so that no dead worker can have it."""
        with self._guard:
            if not self._dead:
                return
            try:
                self._file.write(owner)
            except OSError:
                return
            self._dead = frozenset()

    def end(self) -> None:
        """Unlocks the file, because the worker ends."""
        with self._guard:
            self._file.drop()
            self._dead, self._written = frozenset(), ""
