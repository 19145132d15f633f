"""Writes down when mirrors came to have new versions of repos, in the history's database.

The probers' state files say it, so nothing has to be remembered beyond a restart: a worker that starts or
takes over writes all of it once more, which changes nothing where it is known. After that, it writes what is
new. While the database is away, what is to be written is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from app.history.database import HistoryDatabase
from app.history.versions import Sightings, VersionKey, add_sightings
from app.logs import Faults
from app.model import Arrival, MirrorState, RepomdVersion
from app.sources.surveys.known import Known
from app.worker.history_writer import HistoryWriter

MOST_VERSIONS = 2000
"""Of how many versions the arrivals are kept until they are written. There are some 200 repos."""


class ArrivalLog:
    """The part of a worker that writes down when mirrors came to have new versions."""

    def __init__(self, open_: Callable[[], HistoryDatabase], faults: Faults) -> None:
        """`open_` opens the history's database."""
        self._writer = HistoryWriter("history/propagation", open_, faults)
        self._batch: Sightings | None = None  # what is being written, until it is
        self.begin()

    def begin(self) -> None:
        """Begins anew, so that all that is known is written once more."""
        self._seen: Mapping[str, MirrorState] = {}
        self._origin: Mapping[VersionKey, float] = {}
        self._new: dict[VersionKey, float] = {}
        self._arrivals: dict[VersionKey, dict[str, Arrival]] = {}

    def step(self, now: float, known: Known) -> None:
        """Notes what is new of mirrors and the origin, and begins to write if nothing is being written. `now`
        is in epoch seconds."""
        self._note(known.states, known.repomd)
        if self._writer.collect():
            self._batch = None
        if self._batch is None and (self._new or self._arrivals):
            self._batch = Sightings(self._new, self._arrivals)
            self._new, self._arrivals = {}, {}
        if self._batch is not None:
            self._writer.begin(partial(add_sightings, seen=self._batch, now=now), now)

    def wait(self) -> bool:
        """Waits for what is being written, for a limited time. Returns whether there was anything."""
        return self._writer.wait()

    def _note(self, states: Mapping[str, MirrorState], repomd: Mapping[str, Sequence[RepomdVersion]]) -> None:
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

    def _keep(self, key: VersionKey, mirror: str, arrival: Arrival) -> None:
        """Keeps an arrival until it is written. Of two at the same mirror, the earlier counts."""
        kept = self._arrivals.setdefault(key, {})
        if mirror not in kept or arrival.at_s < kept[mirror].at_s:
            kept[mirror] = arrival

    def _bound(self) -> None:
        """Drops the versions that have been kept the longest, beyond `MOST_VERSIONS`."""
        for key in list(self._arrivals)[: max(0, len(self._arrivals) - MOST_VERSIONS)]:
            del self._arrivals[key]


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
