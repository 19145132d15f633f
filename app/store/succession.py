"""Which workers of this machine are dead for certain, so that their lease in Redis need not run out.

A worker that is killed leaves its lease behind. Each one locks a file in `var/` for as long as it lives,
and writes its name into it before it asks for the lease. Whoever has the lock knows that all others
whose names are there have ended: in another container too, as long as `var/` is the same. Where the file
cannot be locked nothing is known, and a lease has to run out as it does between machines.

That is about time only. Two never publish at once: each swap of the index is made only while Redis
itself has the publisher's name in the lease.
"""

from __future__ import annotations

import threading
from pathlib import Path

from app.store.lock_file import LockFile

MAX_NAMES = 100
"""Of workers that ended before they had the lease."""


class Succession:
    """The line of workers that share a `var/`."""

    def __init__(self, path: Path) -> None:
        self._file = LockFile(path)
        self._guard = threading.Lock()
        self._dead: frozenset[str] = frozenset()
        self._written = ""

    def dead(self, owner: str) -> frozenset[str]:
        """The names of workers that have ended for certain."""
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
        """The owner has the lease now, so that no dead worker has it."""
        with self._guard:
            if not self._dead:
                return
            try:
                self._file.write(owner)
            except OSError:
                return
            self._dead = frozenset()

    def end(self) -> None:
        """The worker ends in order."""
        with self._guard:
            self._file.drop()
            self._dead, self._written = frozenset(), ""
