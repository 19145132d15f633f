"""The copy of the last good generation on the node's own disk, for processes that start without Redis."""

from __future__ import annotations

import time

from app.serving.generation import Stored
from app.store import FileStore

KEEP_AGAIN_S = 5.0


class KeptCopy:
    """The node's copy of the last good generation. All processes of a node share it: the first one that
    has a newer generation writes it."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        #: Why the copy could not be served, so that it is written anew; None if nothing is wrong with it.
        self.problem: str | None = None
        self._waiting: Stored | None = None
        self._again_at = float("-inf")

    def offer(self, stored: Stored) -> None:
        """Takes a generation that `keep` is to write."""
        self._waiting, self._again_at = stored, float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether a generation waits to be written, and no attempt to do so failed in the last 5 s."""
        return self._waiting is not None and time.monotonic() >= self._again_at

    def keep(self) -> None:
        """Writes the generation that waits, if it is not on disk yet. Raises StoreError."""
        try:
            if self._waiting is not None and not self._has(self._waiting.publication.generation):
                if self._waiting.networks is not None:
                    self.store.put_blob(self._waiting.networks)
                self.store.publish(self._waiting.publication, None)
            self._waiting = self.problem = None
        finally:
            self._again_at = time.monotonic() + KEEP_AGAIN_S

    def _has(self, generation: str) -> bool:
        there = self.store.pointer() if self.problem is None else None
        return there is not None and there.generation == generation
