"""What a worker exchanges with other machines through the store: surveys of mirrors, and the places that were
found in GeoIP databases. A worker that stands by shares what its machine knows, too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from app.logs import Faults
from app.model import SourceError
from app.store import FileStore, Store
from app.surveys.own import shared_tags
from app.worker.handover import Handover, Stock
from app.worker.reader import InputReader
from app.worker.scans import SharedScans, shared_places

EVERY_S = 60.0


class Exchange:
    """The exchange between one worker's inputs and the store."""

    def __init__(self, reader: InputReader, store: Store, var_dir: Path, faults: Faults) -> None:
        self.handover = Handover(faults)
        #: Whether there is something new from other machines, since the inputs were read last.
        self.has_news = False
        self._reader = reader
        self._store = store
        self._scans = None if isinstance(store, FileStore) else SharedScans(var_dir / "scans")
        self._shared_at = float("-inf")

    def begin(self, known: Stock, now: float, forced: bool) -> bool:
        """Fetches what other machines share, and reads all inputs. Returns whether this worker knows enough
        to take over from one that had `known`, or is forced to."""
        tags = shared_tags(self._store)
        self._reader.probe.fetch(self._store, tags)
        self._reader.open_databases(now)
        if self._scans is not None:
            self._scans.fetch(self._store, tags, self._reader.geo.scans)
        with suppress(SourceError):  # no config has ever been good; reading names the fault
            self._reader.refresh(now)
        if self._reader.geo.places is None:
            self._reader.geo.places = shared_places(self._store, tags)
        if forced:
            self.handover.end()
            return True
        return self.handover.begin(known, self._reader.stock, now)

    def fetch(self) -> None:
        """Fetches the surveys of other machines that have changed."""
        if self._reader.probe.fetch(self._store, shared_tags(self._store)):
            self.has_news = True

    def begin_anew(self) -> None:
        """Notes that the store was emptied: everything has to be shared again."""
        self._shared_at = float("-inf")

    def stand_by(self, now: float) -> None:
        """Shares what this machine knows, although another worker publishes, or what is published stays."""
        if 0 <= now - self._shared_at < EVERY_S:
            return
        tags = shared_tags(self._store)
        self._reader.probe.fetch(self._store, tags)
        with suppress(SourceError):  # people's files are only for mirmon's here
            self._reader.people.read()
        self._reader.read_state()
        self._reader.probe.own.share(self._store, tags)
        self._shared_at = now

    def share(self, now: float, read_at: float) -> None:
        """Shares what this machine knows and has found in its databases, and gives back what the store has
        lost, at most once a minute after the state files were read at `read_at`."""
        self.handover.look(self._reader.stock)
        if self._shared_at >= read_at and 0 <= now - self._shared_at < EVERY_S:
            return
        tags = shared_tags(self._store)
        self._reader.probe.share(self._store, tags)
        if self._scans is not None:
            self._scans.share(self._store, tags, self._reader.geo.scans)
        self._shared_at = now
