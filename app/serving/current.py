"""Keeps up to date the data from which a web process answers.

A thread looks at the store every `REFRESH_SECONDS`, more rarely after failures. A newer generation (a
published snapshot) is read, decoded and swapped in as one reference: a request works with the generation it
began with. No request waits for the store. While a newer generation cannot be read, the last good one stays,
and the log says so. With Redis as the store, every good generation is also kept in files, and a process
begins with that copy: Redis may be away, or so slow that every client would wait for it.

The places database is large and seldom new. All processes of a node map the same file of it. While it cannot
be read, a new generation is served with the last good one. The vendors' GeoIP databases are only for words,
so a node need not have them.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial

from app.files import is_gone
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.following import follow_asns, follow_cities
from app.geo.place_lookup import PlaceLookup
from app.geo.published import PublishedDatabase
from app.logs import Faults, pause_s
from app.model import GeoError, SnapshotError, StoreError
from app.serving.generation import GenerationReader, Serving, current_pointer, up_to_date
from app.serving.kept_copy import KeptCopy
from app.serving.tally import Counted, Tally, TallyFiles
from app.settings import Settings
from app.snapshot.status import Heartbeat, decode_heartbeat
from app.store import FileStore, Pointer, Store

log = logging.getLogger("mirrorwise.web")

FollowDocument = Callable[[Serving, Store, Pointer], Serving]

HEARTBEAT_EVERY_S = 5.0
LATE_AFTER_S = 30.0
PATIENCE_S = 1.0
"""The seconds that a process waits for the store at its start when it has a copy to begin with."""
START_S = 5.0
"""The seconds that a process waits for the store at its start when it has no copy. gunicorn ends a process
that takes 30 s to start."""


class Current:
    """All that this web process serves now. Attributes may be replaced at any time, so a request reads each
    of them once."""

    def __init__(
        self, settings: Settings, store: Store, kept: FileStore | None, server: str | None = None
    ) -> None:
        """Prepares to follow a store. `kept` is the file store in which to keep a copy of the last good
        generation, if any. `server` is the name that all processes of one server share, if there are
        several."""
        #: The generation served; None while none has been read.
        self.serving: Serving | None = None
        #: The city database, for words alone: lists depend on the places database instead. None if there is
        #: none on this machine.
        self.cities: CityDatabase | None = None
        #: The ASN database, for words alone: lists depend on the networks database instead.
        self.asns: AsnDatabase | None = None
        #: The worker's last heartbeat that could be read.
        self.heartbeat: Heartbeat | None = None
        #: The worker that may publish, by name; None if not known. It is looked for only when no heartbeat
        #: comes.
        self.leaseholder: str | None = None
        #: What is wrong at the moment.
        self.faults = Faults(log)
        #: What is unusual at the moment, but no fault.
        self.remarks = Faults(log)
        #: The requests that this process has answered.
        self.tally = Tally()
        #: The files with the counts of all processes of the server.
        self.tallies = TallyFiles(settings.var_dir / "metrics", server)
        self._refresh_s = settings.refresh_s
        self._store = store
        self._kept = KeptCopy(kept) if kept is not None else None
        self._copies = VerifiedCopies(settings.var_dir / "geoip", or_memory=True)
        self._places = PublishedDatabase("places", self._copies, PlaceLookup, or_memory=True)
        self._places_problem: str | None = None
        self._generations = GenerationReader()
        self._followed_cities = follow_cities(settings.geoip_city, self._copies)
        self._followed_asns = follow_asns(settings.geoip_asn, self._copies)
        self._heartbeat_at = float("-inf")
        self._looked = threading.Event()
        self._stopping = threading.Event()

    # --- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts the thread that follows the store, and waits for the thread's first look: at most
        `PATIENCE_S` if something can be served by then, and at most `START_S` otherwise."""
        threading.Thread(target=self._follow, name="mirrorwise-refresh", daemon=True).start()
        if not self._looked.wait(PATIENCE_S) and self.serving is None:
            self._looked.wait(START_S - PATIENCE_S)

    def stop(self) -> None:
        """Ends the thread after its present look."""
        self._stopping.set()

    def _follow(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self.refresh()
                self.faults.clear("refresh")
            except Exception as error:
                self.faults.set("refresh", f"failed: {error!r}", trace=True)
            self._looked.set()
            failures = failures + 1 if {"store", "refresh"} & set(self.faults.current) else 0
            self._stopping.wait(pause_s(self._refresh_s, failures))

    # --- one look --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Looks once at the GeoIP files and at the store, and takes up what is new."""
        self._follow_databases()
        if self.serving is None and self._kept is not None:
            self._begin_with(self._kept)
        followed = self._attempt("store", lambda: self._follow_store(self._store))
        if self._kept is not None:
            self._keep(self._kept)
        self.faults.report("places", self._places_problem)
        self.faults.report("geoip copies", self._places.problem or self._copies.problem)
        if followed and time.monotonic() - self._heartbeat_at >= HEARTBEAT_EVERY_S:
            self._attempt("heartbeat", self._read_heartbeat)
        self.write_tally()

    def _attempt(self, subject: str, step: Callable[[], None]) -> bool:
        """Takes a step, and notes its error as a fault of `subject`. Returns whether the step succeeded."""
        try:
            step()
        except (StoreError, SnapshotError, GeoError) as error:
            self.faults.set(subject, str(error))
            return False
        self.faults.clear(subject)
        return True

    def _follow_databases(self) -> None:
        changed = False
        for subject, followed in (("geoip", self._followed_cities), ("geoip asn", self._followed_asns)):
            changed |= followed.look()
            faults = (text for source, text in followed.faults.items() if not is_gone(source))
            self.faults.report(subject, "; ".join(faults))
            self.remarks.report(subject, "; ".join(followed.remarks.values()))
        self.cities, self.asns = self._followed_cities.database, self._followed_asns.database
        if changed:
            self._copies.delete_unused(time.time())

    def _follow_store(self, store: Store) -> None:
        pointer = current_pointer(store)
        serving = self.serving
        if serving is None or serving.snapshot.generation != pointer.generation:
            serving, stored = self._generations.load(store, pointer, serving)
            if self._kept is not None and store is not self._kept.store:
                self._kept.offer(stored)
        self._follow_places(serving.snapshot.place_database, store)
        if self._places.database is not serving.places:
            self._copies.delete_unused(time.time())
        self.serving = up_to_date(serving, pointer, self._places.database)
        for subject, follow in (
            ("status document", self._generations.with_status),
            ("statistics", self._generations.with_statistics),
        ):
            self._attempt(subject, partial(self._follow_document, follow, store, pointer))

    def _follow_places(self, digest: str | None, store: Store) -> None:
        """Uses the places database with this digest, or goes on with the last good one. The kept copy of a
        generation has none in it, so what is wrong becomes a fault only after the store was asked."""
        try:
            self._places.follow(digest, store.blob)
            self._places_problem = None
        except (StoreError, GeoError) as error:
            self._places_problem = str(error)

    def _follow_document(self, follow: FollowDocument, store: Store, pointer: Pointer) -> None:
        if self.serving is not None:
            self.serving = follow(self.serving, store, pointer)

    def _begin_with(self, kept: KeptCopy) -> None:
        try:
            self._follow_store(kept.store)
            kept.problem = None
        except (StoreError, SnapshotError, GeoError) as error:
            kept.problem = str(error)

    def _keep(self, kept: KeptCopy) -> None:
        """Writes the kept copy if it is due. A bad copy is a fault only while nothing else can be served."""
        if self.serving is None and kept.problem is not None:
            self.faults.set("last good copy", kept.problem)
        if kept.is_due:
            self._attempt("last good copy", kept.keep)

    def _read_heartbeat(self) -> None:
        self._heartbeat_at = time.monotonic()
        data = self._store.heartbeat()
        self.heartbeat = decode_heartbeat(data) if data is not None else None
        late = self.heartbeat is None or time.time() - self.heartbeat.at_s > LATE_AFTER_S
        self.leaseholder = self._store.holder() if late else None

    # --- counts ----------------------------------------------------------------------------------

    def counted(self) -> list[Counted]:
        """Returns the counts of this process, and of all other processes of its server that can be read. Also
        writes those of this process to its file."""
        own = self.write_tally()
        try:
            return [own, *self.tallies.others()]
        except OSError as error:
            self.faults.set("metrics", f"the counts of other processes cannot be read: {error}")
            return [own]

    def write_tally(self) -> Counted:
        """Writes what this process has counted to its file, where the other processes find it."""
        tally = self.tally
        counted = Counted(
            pid=os.getpid(),
            requests=[(*key, number) for key, number in tuple(tally.requests.items())],
            buckets=list(tally.buckets),
            seconds=tally.seconds,
            memo_hits=tally.memo_hits,
            generation=self.serving.snapshot.generation if self.serving else None,
            faults=self.faults.by_source,
            failures=dict(self.faults.failures),
            lookup_failures=places.failures if (places := self._places.database) else 0,
        )
        try:
            self.tallies.write(counted)
            self.faults.clear("metrics")
        except OSError as error:
            self.faults.set("metrics", f"not written: {error}")
        return counted
