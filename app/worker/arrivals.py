"""Writes down when mirrors came to have new versions of repos, in the history's database.

The probers' state files say it, so nothing has to be remembered beyond a restart: a worker that starts or
takes over writes all of it once more, which changes nothing where it is known. After that, it writes what is
new. A thread writes, so no publication waits for the database. While that is away, what is to be written is
kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from functools import partial

from app.history.database import open_history
from app.history.versions import Sightings, VersionKey, add_sightings
from app.logs import Faults
from app.model import Arrival, HistoryError, MirrorState, RepomdVersion
from app.settings import Settings
from app.worker.counted import begun

FAULT = "history/propagation"
RETRY_S = 60.0
SLOW_AFTER_S = 60.0
"""The time after which a database that has not answered yet is at fault."""
MOST_VERSIONS = 2000
"""Of how many versions the arrivals are kept until they are written. There are some 200 repos."""

_ByMirror = dict[str, Arrival]


class ArrivalLog:
    """The part of a worker that writes down when mirrors came to have new versions."""

    def __init__(self, write: Callable[[Sightings, float], None], faults: Faults) -> None:
        """`write` adds to the database what was seen, at a time in epoch seconds. It raises HistoryError."""
        self._write = write
        self._faults = faults
        self._writing: Future[None] | None = None
        self._written = Sightings({}, {})  # what is being written
        self._begun_at = self._failed_at = float("-inf")
        self._waits_since = 0.0
        self.begin()

    def begin(self) -> None:
        """Begins anew, so that all that is known is written once more."""
        self._seen: Mapping[str, MirrorState] = {}
        self._origin: Mapping[VersionKey, float] = {}
        self._new: dict[VersionKey, float] = {}
        self._arrivals: dict[VersionKey, _ByMirror] = {}

    def note(self, states: Mapping[str, MirrorState], repomd: Mapping[str, Sequence[RepomdVersion]]) -> None:
        """Notes what is new in the states of mirrors and in the origin's versions, newest first by repo."""
        if states is self._seen:
            return
        origin = new_at_origin(repomd)
        new = {key: at_s for key, at_s in origin.items() if self._origin.get(key) != at_s}
        for mirror, state in states.items():
            before = self._seen.get(mirror)
            known = before.arrivals if before else {}
            if not new and state.arrivals == known:
                continue
            for repo, arrival in state.arrivals.items():
                key = repo, arrival.version
                if key in new or arrival != known.get(repo):
                    self._keep(key, mirror, arrival)
        self._new |= new
        self._seen, self._origin = states, origin
        self._bound()

    def step(self, now: float) -> None:
        """Begins to write what was noted, or looks whether it has been written. `now` is in epoch seconds."""
        if self._writing is not None:
            self._collect(self._writing)
        elif (self._new or self._arrivals) and not 0 <= now - self._failed_at < RETRY_S:
            self._begun_at, self._waits_since = now, time.monotonic()
            self._written = Sightings(self._new, self._arrivals)
            self._new, self._arrivals = {}, {}
            self._writing = begun(partial(self._write, self._written, now))

    def wait(self) -> None:
        """Waits until what is being written is written, for a limited time."""
        if self._writing is not None:
            wait_for([self._writing], SLOW_AFTER_S)

    def _collect(self, writing: Future[None]) -> None:
        """Looks whether a writing has ended. What could not be written is written again later."""
        if not writing.done():
            if time.monotonic() - self._waits_since > SLOW_AFTER_S:
                self._note_fault(f"the database has not answered for {SLOW_AFTER_S:.0f} s")
            return
        self._writing = None
        try:
            writing.result()
        except HistoryError as error:
            self._failed_at = self._begun_at
            self._note_fault(str(error))
            self._put_back(self._written)
        else:
            self._faults.clear(FAULT)

    def _note_fault(self, problem: str) -> None:
        self._faults.set(FAULT, f"{problem}; when mirrors got new versions is written down later")

    def _put_back(self, seen: Sightings) -> None:
        self._new = {**seen.origin, **self._new}
        for (repo, version), mirrors in seen.mirrors.items():
            for mirror, arrival in mirrors.items():
                self._keep((repo, version), mirror, arrival)
        self._bound()

    def _keep(self, key: VersionKey, mirror: str, arrival: Arrival) -> None:
        """Keeps an arrival until it is written. Of two at the same mirror, the earlier counts."""
        kept = self._arrivals.setdefault(key, {})
        if mirror not in kept or arrival.at_s < kept[mirror].at_s:
            kept[mirror] = arrival

    def _bound(self) -> None:
        """Drops the versions that have been kept the longest, beyond `MOST_VERSIONS`."""
        for key in list(self._arrivals)[: max(0, len(self._arrivals) - MOST_VERSIONS)]:
            del self._arrivals[key]


def written(settings: Settings, seen: Sightings, now: float) -> None:
    """Adds what was seen to the history's database, at a time in epoch seconds. Raises HistoryError."""
    history = open_history(settings)
    try:
        add_sightings(history, seen, now)
    finally:
        history.close()


def new_at_origin(repomd: Mapping[str, Sequence[RepomdVersion]]) -> dict[VersionKey, float]:
    """Returns when the origin had new versions, in epoch seconds. `repomd` are the versions that are known of
    each repo, newest first. The last of them was there when the prober first looked, or what it replaced is
    not known any more, so it is left out."""
    return {
        (repo, version.name): version.seen_at.timestamp()
        for repo, known in repomd.items()
        for version in known[:-1]
        if version.name is not None
    }
