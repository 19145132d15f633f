"""What is wrong with the service as this process sees it, in sentences, for `/readyz`.

Whoever can ask may see them: of what the worker finds at fault in files there are numbers only,
because names of files are names of mirrors, private ones too.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.serving.current import Current
from app.snapshot.status import Heartbeat

SILENT_AFTER_S = 60.0  # it beats every 5 s, but not within a step: reading a new database takes a while
OLD_AFTER_S = 24 * 3600.0
OWN_SOURCES = ("guard", "store")
"""Of the worker's sources those that are named otherwise, or cannot be told while they last."""


def reasons(current: Current, now: float) -> Iterator[str]:
    """One line each; none if all is well. `now` in epoch seconds."""
    yield from (f"{subject}: {fault}" for subject, fault in sorted(current.faults.current.items()))
    failures = current.cities.failures if current.cities else 0
    if failures:
        yield f"geoip: {failures} lookups failed in the city database: it is damaged"
    serving = current.serving
    if serving is None:
        return
    age_s = now - serving.published_at_s
    if age_s > OLD_AFTER_S:
        yield f"snapshot: nothing new has been published for {age_s / 3600:.0f} h"
    if "store" not in current.faults.current:  # else nobody knows
        yield from _of_worker(current.heartbeat, now)


def _of_worker(heartbeat: Heartbeat | None, now: float) -> Iterator[str]:
    if heartbeat is None:
        yield "worker: no sign of life has been seen"
        return
    silent_s = now - heartbeat.at_s
    if silent_s > SILENT_AFTER_S:
        yield f"worker: no sign of life for {silent_s:.0f} s"
    if heartbeat.guard is not None:
        yield f"guard: {heartbeat.guard}"
    faults = {source: number for source, number in heartbeat.faults.items() if source not in OWN_SOURCES}
    if faults:
        found = ", ".join(f"{number} in {source}" for source, number in sorted(faults.items()))
        yield f"worker: faults in what it reads: {found}; its log says more"
