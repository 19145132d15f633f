"""gunicorn's master process, which does not leave clients without an answer when it reloads."""

from __future__ import annotations

import time
from typing import Any

from gunicorn.arbiter import Arbiter


class SmoothArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """On SIGHUP gunicorn starts new workers and ends the old ones at once, although new ones take seconds
    until they answer. Here the old ones go when the new ones answer."""

    def manage_workers(self) -> None:
        """Starts workers that are missing, and ends those that are too many."""
        youngest = sorted(self.WORKERS.values(), key=lambda worker: worker.age)[-self.num_workers :]
        if len(self.WORKERS) <= self.num_workers or all(map(_answers, youngest)):
            super().manage_workers()


def _answers(worker: Any) -> bool:
    """Whether a worker's loop has begun. From then on it sets the time of a file to the clock that counts
    from the machine's start; the file was made with the time of day, which is far ahead of that."""
    return bool(worker.tmp.last_update() <= time.monotonic())
