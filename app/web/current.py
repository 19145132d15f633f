"""What a web process answers from, and how it stays current.

A thread looks at the store every `REFRESH_SECONDS`. A newer generation is read, decoded and swapped
in as one reference: a request works with the one it began with. Nothing is asked of the store
inside a request. What cannot be read leaves the last good one in place, named once in the log; with
Redis as the store, every good generation is also kept in files, from which a process can start
while Redis is away. GeoIP databases are followed in the same way, as verified copies.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.faults import Faults
from app.geo.copies import VerifiedCopies
from app.geo.database import AsnDatabase, CityDatabase
from app.geo.networks import NetworkLookup
from app.memo import Memo
from app.model import GeoError, SnapshotError, StoreError
from app.parameters import ParameterReader
from app.question import Parser, Question
from app.settings import Settings
from app.snapshot.loaded import LoadedSnapshot
from app.store import FileStore, Pointer, Publication, Store

log = logging.getLogger("mirrorwise.web")

MAX_QUESTIONS = 4000


@dataclass(frozen=True)
class Serving:
    """One generation and what belongs to it. `status` is the status document, still encoded: only
    explanations need it. `questions`: what the fast path knows, by `fastpath.target_of`."""

    snapshot: LoadedSnapshot
    parser: Parser
    networks: NetworkLookup | None
    published_at_s: float
    questions: Memo[str, Question]
    status_tag: str = ""
    status: bytes | None = None


class Current:
    """`serving` and `cities` may be replaced at any moment; read each once a request. None: nothing
    has been published yet, or no database is usable. `asns` are for people only: what they mean for
    a list is in the networks database."""

    def __init__(self, settings: Settings, store: Store, kept: FileStore | None) -> None:
        self.serving: Serving | None = None
        self.cities: CityDatabase | None = None
        self.asns: AsnDatabase | None = None
        self.faults = Faults(log)
        self._settings = settings
        self._store = store
        self._kept = kept
        self._copies = VerifiedCopies(settings.var_dir / "geoip")
        self._city_copies: tuple[Path, ...] = ()
        self._stopping = threading.Event()

    # --- the thread ------------------------------------------------------------------------------

    def start(self) -> None:
        """Read once, then go on in the background until `stop`."""
        self.refresh()
        threading.Thread(target=self._follow, name="mirrorwise-refresh", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _follow(self) -> None:
        while not self._stopping.wait(self._settings.refresh_s):
            try:
                self.refresh()
                self.faults.clear("refresh")
            except Exception as error:
                self.faults.set("refresh", f"failed: {error!r}", trace=True)

    def refresh(self) -> None:
        """One look at the store and at the GeoIP files."""
        self._attempt("geoip asn", self._refresh_asns)
        self._attempt("geoip", self._refresh_cities)
        followed = self._attempt("store", lambda: self._follow_store(self._store))
        kept = self._kept
        if not followed and self.serving is None and kept is not None:
            self._attempt("last good copy", lambda: self._follow_store(kept))

    def _attempt(self, subject: str, step: Callable[[], None]) -> bool:
        try:
            step()
        except (StoreError, SnapshotError, GeoError) as error:
            self.faults.set(subject, str(error))
            return False
        self.faults.clear(subject)
        return True

    # --- the store -------------------------------------------------------------------------------

    def _follow_store(self, store: Store) -> None:
        pointer = store.pointer()
        if pointer is None:
            raise StoreError("nothing has been published there")
        serving = self.serving
        if serving is None or serving.snapshot.generation != pointer.generation:
            self._load(store, pointer)
        elif serving.status_tag != pointer.status or serving.published_at_s != pointer.published_at_s:
            self.serving = replace(
                serving,
                status=store.status(),
                status_tag=pointer.status,
                published_at_s=pointer.published_at_s,
            )

    def _load(self, store: Store, pointer: Pointer) -> None:
        data = store.snapshot(pointer.generation)
        if data is None:
            raise StoreError(f"generation {pointer.generation} is not there any more")
        started = time.monotonic()
        snapshot = LoadedSnapshot(pointer.generation, data)
        blob = store.blob(snapshot.networks) if snapshot.networks else None
        if snapshot.networks and blob is None:
            raise StoreError(f"the networks database {snapshot.networks[:16]} is not there")
        countries = [name for name in snapshot.rows if len(name) == 2 and name.isalpha()]
        self.serving = Serving(
            snapshot=snapshot,
            parser=Parser(snapshot.config, ParameterReader(snapshot.policy, countries)),
            networks=self._networks(snapshot.networks, blob),
            published_at_s=pointer.published_at_s,
            questions=Memo(MAX_QUESTIONS),
            status_tag=pointer.status,
            status=store.status(),
        )
        log.info(
            "serving generation %s: %d mirrors, %.1f MB, ready in %.0f ms",
            pointer.generation,
            len(snapshot.mirrors),
            len(data) / 1e6,
            (time.monotonic() - started) * 1e3,
        )
        if self._kept is not None and store is not self._kept:
            self._keep(self._kept, pointer, data, blob)

    def _networks(self, digest: str | None, blob: bytes | None) -> NetworkLookup | None:
        """The networks database has to be a file of its own to be mapped."""
        if digest is None or blob is None:
            return None
        return NetworkLookup(self._copies.keep(digest, blob))

    def _keep(self, kept: FileStore, pointer: Pointer, data: bytes, blob: bytes | None) -> None:
        def keep() -> None:
            there = kept.pointer()
            if there is not None and there.generation == pointer.generation:
                return
            blobs = (kept.put_blob(blob),) if blob is not None else ()
            copy = Publication(
                generation=pointer.generation,
                snapshot=data,
                memory=b"",
                blobs=blobs,
                published_at_s=pointer.published_at_s,
            )
            kept.publish(copy, None)

        self._attempt("last good copy", keep)

    # --- GeoIP -----------------------------------------------------------------------------------

    def _refresh_cities(self) -> None:
        copies = tuple(self._copies.copy(path) for path in self._settings.geoip_city)
        if copies != self._city_copies:
            self.cities = CityDatabase(copies)
            self._city_copies = copies
            self._copies.delete_unused(time.time())

    def _refresh_asns(self) -> None:
        copies = tuple(self._copies.copy(path) for path in self._settings.geoip_asn)
        if copies and (self.asns is None or copies != self.asns.paths):
            self.asns = AsnDatabase(copies)
