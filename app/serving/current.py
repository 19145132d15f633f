"""What a web process answers from, and how it stays current.

A thread looks at the store every `REFRESH_SECONDS`, more rarely after failures. A newer generation is
read, decoded and swapped in as one reference: a request works with the one it began with. Nothing is
asked of the store inside a request. What cannot be read leaves the last good one in place, named once
in the log. With Redis as the store, every good generation is also kept in files, and a process begins
with that copy: Redis may be away, or so slow that it would keep everybody waiting. GeoIP databases
are followed in the same way, as verified copies.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.answer.lists import MirrorLists
from app.answer.memo import Memo
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.networks import NetworkLookup
from app.logs import Faults, pause_s
from app.model import GeoError, SnapshotError, StoreError
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.serving.tally import Tally, TallyFiles, counted
from app.settings import Settings
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import Heartbeat, Status, decode_heartbeat
from app.snapshot.status import decode as decode_status
from app.store import FileStore, Pointer, Publication, Store

log = logging.getLogger("mirrorwise.web")

MAX_QUESTIONS = 4000
HEARTBEAT_EVERY_S = 5.0
KEEP_AGAIN_S = 5.0
PATIENCE_S = 1.0
"""For so long a process that starts waits for the store, when it has a copy to begin with."""
START_S = 5.0
"""And for so long when it has none; gunicorn ends one that takes 30 s."""

_GENERATION = re.compile(r"[\w.-]{1,64}", re.ASCII)  # it goes into headers


@dataclass(frozen=True)
class Serving:
    """One generation and what belongs to it. `status` is the status document, still encoded: only
    explanations need it. `questions`: what the fast path knows, by path and query: the label of the URL
    form, and the question."""

    lists: MirrorLists
    parser: Parser
    networks: NetworkLookup | None
    published_at_s: float
    questions: Memo[str, tuple[str, Question]]
    status_tag: str = ""
    status: bytes | None = None

    @property
    def snapshot(self) -> LoadedSnapshot:
        return self.lists.snapshot

    def status_document(self) -> Status | None:
        """One that cannot be read is as good as none."""
        try:
            return decode_status(self.status) if self.status else None
        except SnapshotError:
            return None


class Current:
    """`serving` and `cities` may be replaced at any moment; read each once a request. None: nothing
    has been published yet, or no database is usable. `asns` are for people only: what they mean for
    a list is in the networks database. `heartbeat`: the worker's last that could be read. `server`: the
    name that all processes of one server share, if there are several."""

    def __init__(
        self, settings: Settings, store: Store, kept: FileStore | None, server: str | None = None
    ) -> None:
        self.serving: Serving | None = None
        self.cities: CityDatabase | None = None
        self.asns: AsnDatabase | None = None
        self.heartbeat: Heartbeat | None = None
        self.faults = Faults(log)
        self.tally = Tally()
        self.tallies = TallyFiles(settings.var_dir / "metrics", server)
        self._settings = settings
        self._store = store
        self._kept = kept
        self._copies = VerifiedCopies(settings.var_dir / "geoip")
        self._city_copies: tuple[Path, ...] = ()
        self._unreadable: tuple[str, str] | None = None  # a generation, and what is wrong with it
        self._to_keep: tuple[Publication, bytes | None] | None = None  # with its networks
        self._keep_again_at = float("-inf")
        self._copy_problem: str | None = None
        self._looked = threading.Event()
        self._heartbeat_at = float("-inf")
        self._stopping = threading.Event()

    # --- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow in the background until `stop`. Returns after the first look, or when that takes long."""
        threading.Thread(target=self._follow, name="mirrorwise-refresh", daemon=True).start()
        if not self._looked.wait(PATIENCE_S) and self.serving is None:
            self._looked.wait(START_S - PATIENCE_S)

    def stop(self) -> None:
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
            self._stopping.wait(pause_s(self._settings.refresh_s, failures))

    def refresh(self) -> None:
        """One look at the store and at the GeoIP files."""
        self._attempt("geoip asn", self._refresh_asns)
        self._attempt("geoip", self._refresh_cities)
        self._begin_with_copy()
        followed = self._attempt("store", lambda: self._follow_store(self._store))
        if self.serving is None and self._copy_problem is not None:
            self.faults.set("last good copy", self._copy_problem)
        self._keep_copy()
        if followed and time.monotonic() - self._heartbeat_at >= HEARTBEAT_EVERY_S:
            self._attempt("heartbeat", self._read_heartbeat)
        self.write_tally()

    def _attempt(self, subject: str, step: Callable[[], None]) -> bool:
        try:
            step()
        except (StoreError, SnapshotError, GeoError) as error:
            self.faults.set(subject, str(error))
            return False
        self.faults.clear(subject)
        return True

    # --- the store -------------------------------------------------------------------------------

    def _begin_with_copy(self) -> None:
        """That there is none is no fault, unless nothing else can be served either."""
        if self.serving is not None or self._kept is None:
            return
        try:
            self._follow_store(self._kept)
            self._copy_problem = None
        except (StoreError, SnapshotError, GeoError) as error:
            self._copy_problem = str(error)

    def _follow_store(self, store: Store) -> None:
        pointer = store.pointer()
        if pointer is None:
            raise StoreError("nothing has been published there")
        if not _GENERATION.fullmatch(pointer.generation):
            raise StoreError(f"the generation there has a strange name: {pointer.generation[:64]!r}")
        serving = self.serving
        if serving is None or serving.snapshot.generation != pointer.generation:
            if self._unreadable is not None and self._unreadable[0] == pointer.generation:
                raise SnapshotError(self._unreadable[1])
            serving = self.serving = self._load(store, pointer)
        if serving.status_tag != pointer.status or serving.published_at_s != pointer.published_at_s:
            self.serving = replace(
                serving,
                status=store.status(),
                status_tag=pointer.status,
                published_at_s=pointer.published_at_s,
            )

    def _read_heartbeat(self) -> None:
        self._heartbeat_at = time.monotonic()
        data = self._store.heartbeat()
        self.heartbeat = decode_heartbeat(data) if data is not None else None

    def write_tally(self) -> None:
        """Leave what this process has counted where the other ones find it."""
        generation = self.serving.snapshot.generation if self.serving else None
        lookups = self.cities.failures if self.cities else 0
        faults = self.faults
        try:
            self.tallies.write(counted(self.tally, generation, faults.by_source, faults.failures, lookups))
            faults.clear("metrics")
        except OSError as error:
            faults.set("metrics", f"not written: {error}")

    def _load(self, store: Store, pointer: Pointer) -> Serving:
        """Without its status document, which lists do not need: that may be damaged alone."""
        data = store.snapshot(pointer.generation)
        if data is None:
            raise StoreError(f"generation {pointer.generation} is not there any more")
        started = time.monotonic()
        try:
            snapshot = LoadedSnapshot(pointer.generation, data)
        except SnapshotError as error:  # 13 MB that need not be read at every look
            self._unreadable = pointer.generation, str(error)
            raise
        blob = store.blob(snapshot.networks) if snapshot.networks else None
        if snapshot.networks and blob is None:
            raise StoreError(f"the networks database {snapshot.networks[:16]} is not there")
        loaded = Serving(
            lists=MirrorLists(snapshot),
            parser=Parser(snapshot.config, ParameterReader(snapshot.policy)),
            networks=self._networks(snapshot.networks, blob),
            published_at_s=pointer.published_at_s,
            questions=Memo(MAX_QUESTIONS),
        )
        self._copies.delete_unused(time.time())
        log.info(
            "serving generation %s: %d mirrors, %.1f MB, ready in %.0f ms",
            pointer.generation,
            len(snapshot.mirrors),
            len(data) / 1e6,
            (time.monotonic() - started) * 1e3,
        )
        if self._kept is not None and store is not self._kept:
            digests = (snapshot.networks,) if snapshot.networks else ()
            copy = Publication(
                generation=pointer.generation,
                snapshot=data,
                memory=b"",
                blobs=digests,
                published_at_s=pointer.published_at_s,
            )
            self._to_keep, self._keep_again_at = (copy, blob), float("-inf")
        return loaded

    def _networks(self, digest: str | None, blob: bytes | None) -> NetworkLookup | None:
        """The networks database has to be a file of its own to be mapped."""
        if digest is None or blob is None:
            return None
        return NetworkLookup(self._copies.keep(digest, blob))

    def _keep_copy(self) -> None:
        """What was read from the store also goes to our own disk; again if that was full."""
        kept, to_keep = self._kept, self._to_keep
        if kept is None or to_keep is None or time.monotonic() < self._keep_again_at:
            return
        copy, blob = to_keep

        def keep() -> None:
            there = kept.pointer() if self._copy_problem is None else None
            if there is None or there.generation != copy.generation:  # else another process was faster
                if blob is not None:
                    kept.put_blob(blob)
                kept.publish(copy, None)

        if self._attempt("last good copy", keep):
            self._to_keep = self._copy_problem = None
        else:
            self._keep_again_at = time.monotonic() + KEEP_AGAIN_S

    # --- GeoIP -----------------------------------------------------------------------------------

    def _refresh_cities(self) -> None:
        sources = self._settings.geoip_city
        try:
            copies = tuple(self._copies.copy(path) for path in sources)
            if copies == self._city_copies:
                return
            self.cities = CityDatabase(copies)
        except GeoError:
            self.cities = self.cities or self._last_cities(sources)
            raise
        self._city_copies = copies
        for source, copy in zip(sources, copies, strict=True):
            self._copies.remember(source, copy)
        self._copies.delete_unused(time.time())

    def _last_cities(self, sources: Sequence[Path]) -> CityDatabase | None:
        """The database that served last, for a process that starts while its files are at fault."""
        copies = [self._copies.last(source) for source in sources]
        last = [copy for copy in copies if copy is not None]
        return CityDatabase(last) if len(last) == len(sources) else None

    def _refresh_asns(self) -> None:
        copies = tuple(self._copies.copy(path) for path in self._settings.geoip_asn)
        if copies and (self.asns is None or copies != self.asns.paths):
            self.asns = AsnDatabase(copies)
