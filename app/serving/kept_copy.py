"""The last good generation on the node's own disk, for a process that starts while Redis is away."""

from __future__ import annotations

import time

from app.serving.generation import Stored
from app.store import FileStore

KEEP_AGAIN_S = 5.0


class KeptCopy:
    """Several processes of a node share one copy: whoever is first writes it."""

    def __init__(self, store: FileStore) -> None:
        self.store = store
        #: Why the copy could not be served; it is written anew then. None: nothing is wrong with it.
        self.problem: str | None = None
        self._waiting: Stored | None = None
        self._again_at = float("-inf")

    def offer(self, stored: Stored) -> None:
        """This generation is to be kept."""
        self._waiting, self._again_at = stored, float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether a generation waits to be kept, and no attempt at it has failed in the last 5 s."""
        return self._waiting is not None and time.monotonic() >= self._again_at

    def keep(self) -> None:
        """Write the generation that waits, if it is not there yet. Raises StoreError."""
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
