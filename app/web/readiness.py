"""Says what is wrong with the service, as this process sees it, for `/readyz`.

Operators read this, and no clients (`operators`). The faults that the worker finds in files are only
counted here all the same: the name of a file is the name of a mirror, which may be private.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.model.words import escaped
from app.render.facts import age
from app.serving.current import Current
from app.snapshot.status import Heartbeat

SILENT_AFTER_S = 60.0
"""The age from which `/readyz` reports the worker's last heartbeat as old. The worker sends a heartbeat every
5 s, but not within a step, and reading a new database takes a while."""
OLD_AFTER_S = 24 * 3600.0
LATE_AFTER_ROUNDS = 3
"""After so many intervals without a complete round, the prober has stopped."""
OWN_SOURCES = ("guard", "takeover", "store")
"""Sources of the worker's faults that are not counted here: the guard has a line of its own, and while
the store fails no heartbeat arrives."""


def reasons(current: Current, now: float) -> Iterator[str]:
    """Yields a line for each thing that is wrong. `now` is in epoch seconds."""
    for texts in (current.faults, current.remarks):
        yield from (f"{subject}: {text}" for subject, text in sorted(texts.current.items()))
    serving = current.serving
    if serving is None:
        return
    failures = serving.places.failures if serving.places else 0
    if failures:
        yield f"places: {failures} lookups failed in the places database: it is damaged"
    age_s = now - serving.published_at_s
    if age_s > OLD_AFTER_S:
        yield f"snapshot: nothing new has been published for {age_s / 3600:.0f} h"
    if "store" not in current.faults.current:  # the worker's news comes through the store
        yield from _of_worker(current.heartbeat, current.leaseholder, now)


def _of_worker(heartbeat: Heartbeat | None, leaseholder: str | None, now: float) -> Iterator[str]:
    may_publish = f"{escaped(leaseholder)} holds the lease" if leaseholder else "no worker holds the lease"
    if heartbeat is None:
        yield f"worker: no sign of life has been seen; {may_publish}"
        return
    silent_s = now - heartbeat.at_s
    if silent_s > SILENT_AFTER_S:
        yield f"worker: no sign of life for {silent_s:.0f} s from {escaped(heartbeat.worker)}; {may_publish}"
    elif (last := heartbeat.last_round) is not None and last.interval_s:
        ago_s = now - last.completed_at.timestamp()
        if ago_s > LATE_AFTER_ROUNDS * last.interval_s:
            yield f"prober: the last round ended {age(ago_s)} ago; they come every {age(last.interval_s)}"
    if heartbeat.guard is not None:
        yield f"guard: {heartbeat.guard}"
    if heartbeat.takeover is not None:
        yield f"takeover: {heartbeat.takeover}"
    faults = {source: number for source, number in heartbeat.faults.items() if source not in OWN_SOURCES}
    if faults:
        found = ", ".join(f"{number} in {source}" for source, number in sorted(faults.items()))
        yield f"worker: faults in what it reads: {found}; its log says more"
