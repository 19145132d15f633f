"""Lets gunicorn's master process reload while every client gets its answer."""

from __future__ import annotations

import time
from typing import Any

from gunicorn.arbiter import Arbiter


class SmoothArbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """A gunicorn master process that, on SIGHUP, ends the old workers only when the new ones answer.
    gunicorn's own ends them as soon as it has started the new ones, which take seconds until they answer."""

    def manage_workers(self) -> None:
        """Starts workers that are missing. If there are too many, ends the oldest once the youngest
        answer."""
        youngest = sorted(self.WORKERS.values(), key=lambda worker: worker.age)[-self.num_workers :]
        if len(self.WORKERS) <= self.num_workers or all(map(_answers, youngest)):
            super().manage_workers()


def _answers(worker: Any) -> bool:
    """Returns whether a worker's main loop has begun. From then on the loop sets the time of the worker's
    file to the monotonic clock, which counts from the machine's start. The file was made with the time of
    day, which is far ahead of that."""
    return bool(worker.tmp.last_update() <= time.monotonic())
