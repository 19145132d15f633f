"""Opens generations of the past, to answer from them as they answered then.

An opened generation takes some dozen megabytes, so only the last two that were asked for are held, and one
thread at a time opens one.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import NamedTuple

from app.geo.place_lookup import PlaceLookup
from app.model import GeoError, SnapshotError
from app.model.words import moment
from app.past.archive import Archive, PublishedThen
from app.past.packing import PastError
from app.serving.generation import Serving
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import check as check_status

HELD = 2


class PastServing(NamedTuple):
    """What was served at a moment of the past."""

    serving: Serving
    #: The moment, in epoch seconds.
    at_s: float
    #: What there is to say of it, in sentences.
    words: str


class PastGenerations:
    """The generations that are kept on this machine, opened when they are asked for."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._held: dict[str, Serving] = {}  # the last one that was asked for is the last one here

    def at(self, moment_s: float) -> PastServing:
        """Returns what was served at a moment, in epoch seconds. Raises PastError if nothing is kept of it,
        or if this version of the program cannot read what is kept."""
        found = self._archive.at(moment_s)
        with self._lock:
            name = found.kept.name
            serving = self._held.pop(name, None) or self._opened(found)
            self._held[name] = serving
            while len(self._held) > HELD:
                del self._held[next(iter(self._held))]
        status, problem = self._status(found)
        words = " ".join([*_words(found), *([problem] if problem else [])])
        return PastServing(replace(serving, status=status), moment_s, words)

    def _opened(self, found: PublishedThen) -> Serving:
        """Opens a generation. What the last one has open is used again if it is the same."""
        former = next(reversed(self._held.values()), None)
        kept = found.kept
        snapshot = found.load()
        try:
            networks = self._archive.database(snapshot.networks) if snapshot.networks else None
            serving = Serving.of(snapshot, networks, kept.since_s, former)
            return replace(serving, places=self._places(snapshot, former))
        except (SnapshotError, GeoError) as error:
            raise PastError(
                f"the databases of generation {kept.generation} cannot be used: {error}"
            ) from error

    def _places(self, snapshot: LoadedSnapshot, former: Serving | None) -> PlaceLookup | None:
        digest = snapshot.place_database
        if digest is None:
            return None
        if former is not None and former.snapshot.place_database == digest:
            return former.places
        return PlaceLookup.of(self._archive.database(digest))

    def _status(self, found: PublishedThen) -> tuple[bytes | None, str]:
        """Returns the status document of that moment, and why there is none if it cannot be used."""
        try:
            status = self._archive.status(found.kept, found.asked_s)
            if status is not None:
                check_status(status)
        except (PastError, SnapshotError) as error:
            return None, f"The evidence of then is lost ({error})."
        return status, ""


def _words(found: PublishedThen) -> list[str]:
    """Returns sentences about what is kept of a moment."""
    kept = found.kept
    asked, since, until = map(moment, (found.asked_s, kept.since_s, found.until_s))
    if found.is_exact:
        return [f"This was the answer at {asked}, of the generation that was published {since}."]
    sentences = [
        f"What was published at {asked} is not kept. This is the answer of the nearest generation before "
        f"it, published {since} and seen until {until}."
    ]
    return sentences + [f"Skipped: {problem}." for problem in found.skipped]
