"""What workers tell each other through the store besides publications: surveys, scans of databases, and what
requests were counted."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from app.model import SourceError
from app.sources.surveys.own import shared_tags
from app.store import FileStore, Store
from app.worker.reader import InputReader
from app.worker.scans import SharedScans

EVERY_S = 60.0


class Exchange:
    """The part of a worker that shares what its machine knows, and learns what others share."""

    def __init__(self, store: Store, reader: InputReader, var_dir: Path) -> None:
        self._store = store
        self._reader = reader
        # Where the store is in files, all workers have the same scan cache.
        self._scans = (
            None if isinstance(store, FileStore) else SharedScans(var_dir / "scans", reader.geo.copies)
        )
        self._at_s = float("-inf")
        self._has_news = False

    def begin(self, now: float) -> None:
        """Learns all that the inputs need of other machines, and reads the inputs, for a worker that takes
        over."""
        tags = shared_tags(self._store)
        self._reader.probe.fetch(self._store, tags)
        self._reader.counted.fetch(self._store, tags)
        self._reader.open_databases(now)
        if self._scans is not None:
            self._scans.fetch(self._store, tags, self._reader.geo.scans)
        with suppress(SourceError):  # no config has ever been good; reading names the fault
            self._reader.refresh(now)
        if self._scans is not None and self._reader.geo.places is None:
            table = self._scans.fetch_places(self._store, tags)
            if table is not None:
                self._reader.geo.take(table)

    def has_news(self) -> bool:
        """Returns whether other machines have found out anything since the inputs were read last."""
        if self._reader.probe.fetch(self._store, shared_tags(self._store)):
            self._has_news = True
        return self._has_news

    def was_read(self) -> None:
        """Notes that the inputs have been read, with all the news."""
        self._has_news = False

    def was_lost(self) -> None:
        """Notes that the store has lost something, so that all is shared again at once."""
        self._at_s = float("-inf")

    def share(self, now: float, read_at_s: float) -> None:
        """Shares what this machine knows and has found in its databases, and gives back what the store has
        lost, if the inputs were read since (the last time at `read_at_s`), requests were counted, or a minute
        has passed."""
        is_known = self._at_s >= read_at_s and self._reader.counted.is_shared
        if is_known and 0 <= now - self._at_s < EVERY_S:
            return
        tags = shared_tags(self._store)
        self._reader.probe.share(self._store, tags)
        self._reader.counted.share(self._store, tags)
        if self._scans is not None:
            self._scans.share(self._store, tags, self._reader.geo.scans)
        self._at_s = now

    def stand_by(self, now: float) -> None:
        """Shares once a minute what this machine knows of mirrors, for a worker that does not publish."""
        if 0 <= now - self._at_s < EVERY_S:
            return
        tags = shared_tags(self._store)
        self._reader.probe.fetch(self._store, tags)
        with suppress(SourceError):  # people's files are only for mirmon's here
            self._reader.people.read()
        self._reader.read_state()
        self._reader.probe.own.share(self._store, tags)
        self._at_s = now
