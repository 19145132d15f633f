"""Decides when to read, compile and publish.

`Worker.step(now)` looks once at everything and does what is due; `running` calls it every `REFRESH_SECONDS`.
Of several workers, one holds the lease; the others stand by and take over when it ends. The name of a
generation depends only on what decides lists, so a file that changes without changing its meaning causes
no publication. What people write is published at once. The prober writes file by file during a round, and
its changes are published at most once a minute.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from app.answer.privacy import is_for_all
from app.files import Marks
from app.history.database import open_history
from app.logs import Faults
from app.model import SnapshotError, SourceError, StoreError
from app.settings import Settings
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument, contents_of, encode_heartbeat
from app.snapshot.status import encode as encode_status
from app.store import Blob, BlobError, NotOursError, Publication, Store
from app.worker import journal
from app.worker import memory as remembered
from app.worker.arrivals import ArrivalLog
from app.worker.chronicle import Chronicle
from app.worker.compiling import Ready, compile_admitted
from app.worker.edits import Leeway
from app.worker.exchange import Exchange
from app.worker.guard import Guard, guard_of
from app.worker.handover import RETRY_S, Handover
from app.worker.journal import Journal
from app.worker.legacy import Copy, copy_of, generation_in, has_newer, read_legacy
from app.worker.list_changes import ListChanges
from app.worker.losses import Force
from app.worker.mirror_facts import ChronicleMemory
from app.worker.pricing import Pricing
from app.worker.pulse import Pulse
from app.worker.reader import InputReader
from app.worker.recorder import Recorder, keeper_of
from app.worker.request import answer_to, decode_request
from app.worker.statistician import Statistician, compiled
from app.worker.statistics import PublishedPlan

log = logging.getLogger("mirrorwise.worker")

LEASE_S = 15.0
STATE_EVERY_S = 60.0
BEAT_EVERY_S = 5.0
CHECK_EVERY_S = 60.0


class Worker:
    """A worker with all its state. It must be used by one thread only."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.faults = Faults(log)
        self.owner = f"{settings.machine}/{os.getpid()}/{secrets.token_hex(4)}"
        self.generation: str | None = None
        self.reader = InputReader(settings, self.faults)
        self._store, self._var_dir = store, settings.var_dir
        self._guard = Guard()
        self._pulse = Pulse()
        self._journal = Journal(settings.data_dir)
        self._pricing = Pricing({}, None)
        self._handover = Handover(self.faults)
        self._exchange = Exchange(store, self.reader, settings.var_dir)
        self._statistician = Statistician(partial(compiled, settings), self.faults)
        self._recorder = Recorder(keeper_of(settings), self.reader.geo.copies.path_of, self.faults)
        opened = partial(open_history, settings)
        self._chronicle = Chronicle(opened, self._journal, self.faults, settings.history_days)
        self._arrivals = ArrivalLog(opened, self.faults)
        self.leading: bool | None = None  # None until the store was asked for the lease
        self._seen: Marks | None = None
        self._seen_state: Marks | None = None
        self._state_read_at = self._status_at = self._beat_at = float("-inf")
        self._checked_at = self._tried_at = float("-inf")
        self._ready: Ready | None = None
        self._copy: Copy | None = None  # of what is published, in case the store loses it
        self._waiting = ""  # the edits that the guard holds back, as the log has them
        self._copied: str | None = None
        self._copied_at = float("-inf")
        self._published: Publication | None = None
        self._published_blobs: tuple[Blob, ...] = ()
        self._status: bytes | None = None

    # --- one step --------------------------------------------------------------------------------

    def step(self, now: float, force: Force = Force.NO) -> None:
        """Looks once at inputs and store, and does what is due. `now` is in epoch seconds. With `force`,
        publishes what the guard would hold back. Faults are noted in `faults`; only a bug raises."""
        started = time.monotonic()
        try:
            if self._lead(now, force):
                request = decode_request(self._store.take_request())
                allowed = max(force, request.force) if request else force
                self._attempt("read", lambda: self._read(now, allowed))
                try:  # first, so that a worker that takes over knows at least what is published
                    self._attempt("share", lambda: self._exchange.share(now, self._state_read_at))
                finally:  # but a store that is too full to share may have room for what people wrote
                    self._attempt("publish", lambda: self._publish(now))
                    if request:
                        self._pulse.answer = answer_to(request, self.generation, self.faults.current)
                        self._beat_at = float("-inf")
                    self._attempt("status", lambda: self._publish_status(now))
                    self._attempt("arrivals", lambda: self._arrivals.step(now, self.reader.probe))
                    self._attempt("statistics", lambda: self._publish_statistics(now))
                    self._attempt("events", lambda: self._chronicle.step(now))
            else:
                self._follow(now)
                self._attempt("share", lambda: self._exchange.stand_by(now))
                if self._handover.waits:
                    self._beat(now)
            self._attempt("past", lambda: self._recorder.look(self._store, now))
            self.faults.clear("store")
        except StoreError as error:
            self.faults.set("store", str(error))
        self._pulse.stepped(now, time.monotonic() - started)

    def _attempt(self, part: str, do: Callable[[], None]) -> None:
        """Runs a part of a step. A bug in this part (any exception but StoreError) is noted as a fault, and
        the other parts are run all the same."""
        try:
            do()
        except StoreError:
            raise
        except Exception as error:
            self.faults.set(f"worker/{part}", f"a bug: {error!r}", trace=True)
        else:
            self.faults.clear(f"worker/{part}")

    @property
    def has_published(self) -> bool:
        """Whether the worker, since it began to lead, has published a snapshot or found it published
        already."""
        return self._published is not None

    def wait(self, now: float) -> bool:
        """Waits for a place scan, for load prices, or for a database. Returns whether there is news."""
        scanned = self.reader.geo.scan(wait=True)
        priced = not scanned and self._pricing.collect(now, wait=True)
        if scanned or priced:
            self._journal.note_all({journal.SCANNED: scanned, journal.PRICED: priced})
            self._seen, self._tried_at = None, float("-inf")
            return True
        waiting = (self._statistician, self._chronicle, self._arrivals, self._recorder)
        return any(part.wait() for part in waiting)

    def stop(self) -> None:
        """Gives the lease back, and ends what runs beside the worker."""
        self.reader.geo.close()
        self._pricing.close()
        try:
            self._store.release(self.owner)
        except StoreError as error:
            log.warning("the lease was not given back: %s", error)
        self._recorder.close()

    def _lead(self, now: float, force: Force) -> bool:
        if self._handover.waits and 0 <= now - self._tried_at < RETRY_S and not force:
            return False
        leading = self._store.lease(self.owner, LEASE_S)
        if not leading:
            self._handover.end()
        elif not self.leading or has_newer(self._store, self._published):
            with self._renewing():
                leading = self._take_over(now, force)
            if not leading:
                self._store.release(self.owner)
                self._tried_at, self.leading = now, False
        if leading != self.leading:
            holder = "" if leading else self._store.holder() or "another worker"
            log.info("publishing as %s" if leading else "standing by: %s is publishing", holder or self.owner)
        self.leading = leading
        return leading

    def _take_over(self, now: float, force: Force) -> bool:
        """Begins with what was published last, by another worker or by this one before a restart, and with
        what other machines share. Returns whether this worker may take over."""
        legacy = read_legacy(self._store, self._copy, self._var_dir)
        memory = legacy.memory
        self._guard = guard_of(memory, legacy.snapshot)
        self._pricing.close()
        self._pricing = Pricing(memory.load_km, memory.priced_at_s)
        self.reader.recall(memory)
        self._seen = self._ready = None
        self._published = self._status = None
        self.generation = legacy.generation
        self._journal.begin()
        self._chronicle.begin(memory.chronicle, memory.definitions)
        self._exchange.begin(now)
        self._arrivals.begin()
        if force:
            self._handover.end()
            return True
        return self._handover.begin(memory.known, self.reader.stock, now)

    def _follow(self, now: float) -> None:
        """Keeps a copy of what the other worker publishes, in case that the store loses it."""
        generation = generation_in(self._store)
        if generation == self._copied and 0 <= now - self._copied_at < CHECK_EVERY_S:
            return
        self._copy = copy_of(self._store, generation) or self._copy
        self._copied, self._copied_at = generation, now

    # --- reading and compiling ---------------------------------------------------------------------

    def _read(self, now: float, force: Force) -> None:
        """Reads all inputs and compiles, if an input has changed, or the guard has to look again."""
        seen, state = self.reader.marks(), self.reader.probe.marks()
        is_time = not 0 <= now - self._state_read_at < STATE_EVERY_S
        news = is_time and self._exchange.has_news()
        state_due = news or (is_time and state != self._seen_state)
        guard_due = not self._state_read_at <= now < self._guard.look_again_s
        scanned = self.reader.geo.scan()
        priced = self._pricing.collect(now)
        self.faults.report("history", self.reader.counted.fault)
        if seen == self._seen and not (state_due or guard_due or scanned or priced or force):
            return
        started = time.monotonic()
        try:
            written = self.reader.refresh(now)
        except SourceError:
            return  # no config has ever been good; the fault is named
        self._journal.changed(self._seen, seen)
        self._journal.changed(self._seen_state, state)
        others = {journal.PROBER: news, journal.RELEASED: guard_due, journal.FORCED: bool(force)}
        self._journal.note_all({journal.SCANNED: scanned, journal.PRICED: priced, **others})
        self._exchange.was_read()
        self._handover.look(self.reader.stock)
        leeway, load_km = Leeway(now, force), self._pricing.load_km
        try:
            self._ready = compile_admitted(self.reader, self._guard, written, load_km, leeway)
        except SnapshotError as error:  # web would refuse it; the one before stays published
            self.faults.set("snapshot", f"not published: {error}")
            self._ready = None
        self._seen, self._seen_state, self._state_read_at = seen, state, now
        if self._ready is None:
            return
        self.faults.clear("snapshot")
        took_s = time.monotonic() - started
        self._pulse.compiled(took_s)
        log.info("compiled %s", self._ready.account(took_s))

    # --- publishing ----------------------------------------------------------------------------------

    def _publish(self, now: float) -> None:
        try:
            if self._ready is not None:
                self._publish_compiled(self._ready, now)
            self._restore(now)
            self.faults.clear("geoip/places database")
        except BlobError as error:  # and the store has lost it too
            self.faults.set("geoip/places database", f"{error}, so it is made again")
            self.reader.geo.doubt_database()
        if self._published is not None and self._pricing.is_due(now):
            self._consider_prices(self._published, now)

    def _publish_compiled(self, ready: Ready, now: float) -> None:
        blobs = self.reader.blobs
        is_new = ready.generation != self.generation or generation_in(self._store) is None
        changes = ListChanges(self._guard.accepted, ready.guard.accepted) if is_new else None
        entry = self._chronicle.entry(ready, self.reader.probe.states, changes, now)
        publication = Publication(
            generation=ready.generation,
            snapshot=ready.data,
            memory=remembered.encode(self._memory(ready.guard, entry.memory, now)),
            blobs=tuple(blob.digest for blob in blobs),
            published_at_s=now,
        )
        if is_new:
            self._put(publication, blobs)
            self._pulse.publications += 1
            log.info("published generation %s: %s", ready.generation, entry.line)
        else:
            self._store.remember(publication.memory, self.owner)
        self._chronicle.stored(entry)
        self._journal.forget()
        self.generation, self._published, self._ready = ready.generation, publication, None
        self._published_blobs, self._guard = blobs, ready.guard
        self._copy = Copy(publication.snapshot, publication.memory)
        self.faults.replace("guard/", ready.guard.faults)
        waiting = ", ".join(sorted(name or "config.yml" for name in ready.guard.waiting))
        if waiting not in ("", self._waiting):
            log.warning("edits that wait: %s", waiting)
        self._waiting = waiting

    def _consider_prices(self, published: Publication, now: float) -> None:
        """Begins to compute prices for the published snapshot, once the places in the city database are
        known. Before that, only the countries of clients are known, and prices do not count for such
        clients."""
        if self.reader.geo.places is not None and self.reader.clients:
            snapshot = LoadedSnapshot(published.generation, published.snapshot)
            self._pricing.solve(snapshot, partial(self.reader.count_clients, now))

    def _put(self, publication: Publication, blobs: Iterable[Blob]) -> None:
        with self._renewing():
            for blob in blobs:
                if not self._store.has_blob(blob):
                    self._store.put_blob(blob.load())
            self._store.publish(publication, self.owner)

    @contextmanager
    def _renewing(self) -> Iterator[None]:
        """Renews the lease for as long as the block runs: over a slow line, a publication may take longer
        than the lease lasts."""
        done = threading.Event()

        def renew() -> None:
            with suppress(StoreError):  # then publishing fails too, and says why
                while self._store.lease(self.owner, LEASE_S) and not done.wait(LEASE_S / 3):
                    continue

        thread = threading.Thread(target=renew, name="mirrorwise-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _is_whole(self, published: Publication) -> bool:
        """Returns whether the store really has all of a publication: a server may have evicted a part."""
        try:
            snapshot, memory = self._store.snapshot(published.generation), self._store.memory()
            blobs = all(map(self._store.has_blob, self._published_blobs))
            return snapshot == published.snapshot and memory is not None and blobs
        except NotOursError:
            return False

    def _restore(self, now: float) -> None:
        """Publishes again if the store has lost what this worker published last, or a part of it. The store
        may have been emptied or overwritten, or another worker may have published while this one was
        stopped."""
        if self._published is None:
            return
        there = generation_in(self._store) or "nothing"
        if there == self._published.generation:
            if 0 <= now - self._checked_at < CHECK_EVERY_S:
                return
            if self._is_whole(self._published):
                self._checked_at = now
                return
            there = "not all of it"
        self._put(self._published, self._published_blobs)
        self._status, self._status_at = None, float("-inf")
        self._exchange.was_lost()
        self._statistician.was_lost()
        log.info("published generation %s again: the store had %s", self.generation, there)

    def _memory(self, guard: Guard, chronicle: ChronicleMemory, now: float) -> remembered.Memory:
        written = guard.accepted.written if guard.accepted else None
        return remembered.Memory(
            config=written.config if written else None,
            definitions=dict(written.definitions) if written else {},
            known=self.reader.stock,
            hours=guard.numbers.remembered(now),
            waiting=dict(guard.waiting),
            verdicts_held_since_s=guard.verdicts_held_since_s,
            load_km=self._pricing.load_km,
            priced_at_s=self._pricing.moved_at_s,
            chronicle=chronicle,
        )

    def _publish_status(self, now: float) -> None:
        self._beat(now)
        if self._status_at >= self._state_read_at and 0 <= now - self._status_at < STATE_EVERY_S:
            return
        published = self._guard.accepted.mirrors if self._guard.accepted else {}
        hidden = {m.name for m in self.reader.people.definitions.values() if not is_for_all(m)}
        hidden |= {m.name for m in published.values() if not is_for_all(m)}
        states = {name: state for name, state in self.reader.probe.states.items() if name not in hidden}
        status = StatusDocument(
            states=states,
            inputs_read_s=self.reader.read_s,
            faults=self.faults.current,
            contents=contents_of(states.values()),
            held=tuple(sorted(self._guard.held - hidden)),
        )
        data = encode_status(status)
        if data != self._status:
            self._store.publish_status(data)
        self._status, self._status_at = data, now

    def _publish_statistics(self, now: float) -> None:
        if (published := self._published) is not None:
            self._statistician.step(now, self._store, lambda: self._plan(published), self._chronicle.written)

    def _plan(self, published: Publication) -> PublishedPlan:
        return PublishedPlan(published, self._pricing.load_km, self.reader.clients, self.reader.probe)

    def _beat(self, now: float) -> None:
        if not 0 <= now - self._beat_at < BEAT_EVERY_S:
            beat = self._pulse.beat(self.owner, now, self.faults, self.reader.probe.newest_round())
            self._store.beat(encode_heartbeat(beat))
            self._beat_at = now
