"""Decides when to read, compile and publish.

`Worker.step(now)` looks once at everything and does what is due; `run` calls it every `REFRESH_SECONDS`.
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

from app.answer.privacy import is_for_all
from app.files import Marks
from app.logs import Faults, pause_s
from app.model import SnapshotError, SourceError, StoreError, digest_of
from app.settings import Settings
from app.snapshot import schema, soundness
from app.snapshot.compile import Compiled, compile_snapshot
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument, encode_heartbeat
from app.snapshot.status import encode as encode_status
from app.store import NotOursError, Publication, Store
from app.worker import memory as remembered
from app.worker.exchange import Exchange
from app.worker.guard import Guard
from app.worker.handover import RETRY_S, Handover
from app.worker.pricing import Pricing
from app.worker.pulse import Pulse
from app.worker.reader import InputReader

log = logging.getLogger("mirrorwise.worker")

LEASE_S = 15.0
STATE_EVERY_S = 60.0
BEAT_EVERY_S = 5.0
CHECK_EVERY_S = 60.0
STOP_S = 5.0


class Worker:
    """A worker with all its state. It must be used by one thread only."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.faults = Faults(log)
        self.owner = f"{settings.machine}/{os.getpid()}/{secrets.token_hex(4)}"
        self.generation: str | None = None
        self.reader = InputReader(settings, self.faults)
        self._store = store
        self._guard = Guard()
        self._pulse = Pulse()
        self._pricing = Pricing({}, None)
        self._handover = Handover(self.faults)
        self._exchange = Exchange(store, self.reader, settings.var_dir)
        self.leading: bool | None = None  # None until the store was asked for the lease
        self._seen: Marks | None = None
        self._seen_state: Marks | None = None
        self._state_read_at = float("-inf")
        self._status_at = float("-inf")
        self._beat_at = float("-inf")
        self._checked_at = float("-inf")
        self._tried_at = float("-inf")
        self._ready: tuple[Compiled, bytes, str] | None = None  # compiled, waiting to be published
        self._published: Publication | None = None
        self._published_blobs: tuple[bytes, ...] = ()
        self._status: bytes | None = None

    # --- one step --------------------------------------------------------------------------------

    def step(self, now: float, force: bool = False) -> None:
        """Looks once at inputs and store, and does what is due. `now` is in epoch seconds. With `force`,
        publishes in spite of the guard. Faults are noted in `faults`; only a bug raises."""
        started = time.monotonic()
        try:
            if self._lead(now, force):
                self._attempt("read", lambda: self._read(now))
                try:  # first, so that a worker that takes over knows at least what is published
                    self._attempt("share", lambda: self._exchange.share(now, self._state_read_at))
                finally:  # but a store that is too full to share may have room for what people wrote
                    self._attempt("publish", lambda: self._publish(now, force))
                    self._attempt("status", lambda: self._publish_status(now))
            else:
                self._attempt("share", lambda: self._exchange.stand_by(now))
                if self._handover.waits:
                    self._beat(now)
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
        """Waits for a running place scan, or else for load prices. Returns whether there is something new."""
        scanned = self.reader.geo.scan(wait=True)
        if scanned or self._pricing.collect(now, wait=True):
            self._seen, self._tried_at = None, float("-inf")
            return True
        return False

    def stop(self) -> None:
        """Gives the lease back, and ends the place scan and the computing of prices that run beside the
        worker."""
        self.reader.geo.close()
        self._pricing.close()
        try:
            self._store.release(self.owner)
        except StoreError as error:
            log.warning("the lease was not given back: %s", error)

    def _lead(self, now: float, force: bool) -> bool:
        if self._handover.waits and 0 <= now - self._tried_at < RETRY_S and not force:
            return False
        leading = self._store.lease(self.owner, LEASE_S)
        if not leading:
            self._handover.end()
        elif not self.leading:
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

    def _take_over(self, now: float, force: bool) -> bool:
        """Begins with what was published last, by another worker or by this one before a restart, and with
        what other machines share. Returns whether this worker may take over."""
        memory = remembered.decode(self._readable("memory", self._store.memory))
        self._guard = Guard(memory.hours)
        self._pricing.close()
        self._pricing = Pricing(memory.load_km, memory.priced_at_s)
        self.reader.recall(memory)
        self._seen = None
        self._published = self._status = None
        self.generation = self._generation_there()
        self._exchange.begin(now)
        if force:
            self._handover.end()
            return True
        return self._handover.begin(memory.known, self.reader.stock, now)

    @staticmethod
    def _readable(what: str, read: Callable[[], bytes | None]) -> bytes | None:
        """Returns what `read` finds of the last worker in the store. Returns None if that is damaged, so that
        publishing can repair the store. `what` is its name in the log."""
        try:
            return read()
        except NotOursError as error:
            log.warning("the last worker's %s is lost: %s", what, error)
            return None

    def _generation_there(self) -> str | None:
        """Returns the current generation of the store; None if there is none, or something that is not
        ours."""
        try:
            pointer = self._store.pointer()
        except NotOursError:
            return None
        return pointer.generation if pointer else None

    # --- reading and compiling ---------------------------------------------------------------------

    def _read(self, now: float) -> None:
        """Reads all inputs and compiles a snapshot, if an input has changed."""
        seen, state = self.reader.marks(), self.reader.probe.marks()
        is_time = not 0 <= now - self._state_read_at < STATE_EVERY_S
        state_due = is_time and (self._exchange.has_news() or state != self._seen_state)
        scanned = self.reader.geo.scan()
        priced = self._pricing.collect(now)
        if seen == self._seen and not state_due and not scanned and not priced:
            return
        started = time.monotonic()
        try:
            inputs = self.reader.read(now, self._pricing.load_km)
        except SourceError:
            return  # no config has ever been good; the fault is named
        compiled = compile_snapshot(inputs)
        self._seen, self._seen_state, self._state_read_at = seen, state, now
        self._exchange.was_read()
        self._handover.look(self.reader.stock)
        data = schema.encode(compiled.snapshot)
        try:
            soundness.verified(data)
        except SnapshotError as error:  # web would refuse it; the one before stays published
            self.faults.set("snapshot", f"not published: {error}")
            self._ready = None
            return
        self.faults.clear("snapshot")
        self._ready = (compiled, data, schema.generation_of(data))
        self._pulse.compiled(time.monotonic() - started)
        log.info(
            "compiled %d mirrors for %d places in %.1f s: %.1f MB, generation %s",
            len(compiled.snapshot.mirrors),
            compiled.snapshot.places.count,
            time.monotonic() - started,
            len(data) / 1e6,
            self._ready[2],
        )

    # --- publishing ----------------------------------------------------------------------------------

    def _publish(self, now: float, force: bool) -> None:
        if self._ready is not None:
            self._publish_compiled(*self._ready, now=now, force=force)
        self._restore(now)
        if self._published is not None and self._pricing.is_due(now):
            self._consider_prices(self._published)

    def _publish_compiled(
        self, compiled: Compiled, data: bytes, generation: str, now: float, force: bool
    ) -> None:
        guard = Guard() if force else self._guard
        losses = guard.losses(compiled.counts, now)
        if guard.holds_back(losses, now):
            worst = min(losses, key=lambda loss: loss.keeps / loss.had)
            self.faults.set("guard", f"not published: {len(losses)} lists would be halved; {worst}")
            return
        self.faults.clear("guard")
        guard = guard.after(compiled.counts, losses, now)
        blobs = tuple(blob for blob in [self.reader.networks.networks.mmdb] if blob)
        publication = Publication(
            generation=generation,
            snapshot=data,
            memory=remembered.encode(self._memory(guard, now)),
            blobs=tuple(map(digest_of, blobs)),
            published_at_s=now,
        )
        if generation != self.generation or self._generation_there() is None:
            self._put(publication, blobs)
            self._pulse.publications += 1
            log.info("published generation %s", generation)
        else:
            self._store.remember(publication.memory)
        self.generation, self._published, self._ready = generation, publication, None
        self._published_blobs, self._guard = blobs, guard

    def _consider_prices(self, published: Publication) -> None:
        """Begins to compute prices for the published snapshot, once the places in the city database are
        known. Before that, only the countries of clients are known, and prices do not count for such
        clients."""
        if self.reader.clients and self.reader.geo.places is not None:
            snapshot = LoadedSnapshot(published.generation, published.snapshot)
            self._pricing.solve(snapshot, self.reader.clients)

    def _put(self, publication: Publication, blobs: Iterable[bytes]) -> None:
        with self._renewing():
            for blob in blobs:
                self._store.put_blob(blob)
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
            blobs = all(self._store.blob(digest) is not None for digest in published.blobs)
            return snapshot == published.snapshot and memory is not None and blobs
        except NotOursError:
            return False

    def _restore(self, now: float) -> None:
        """Publishes again if the store has lost what this worker published last, or a part of it. The store
        may have been emptied or overwritten, or another worker may have published while this one was
        stopped."""
        if self._published is None:
            return
        there = self._generation_there() or "nothing"
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
        log.info("published generation %s again: the store had %s", self.generation, there)

    def _memory(self, guard: Guard, now: float) -> remembered.Memory:
        return remembered.Memory(
            config=self.reader.people.config,
            definitions=self.reader.people.definitions,
            known=self.reader.stock,
            hours=guard.remembered(now),
            load_km=self._pricing.load_km,
            priced_at_s=self._pricing.moved_at_s,
        )

    def _publish_status(self, now: float) -> None:
        self._beat(now)
        if self._status_at >= self._state_read_at and 0 <= now - self._status_at < STATE_EVERY_S:
            return
        hidden = {m.name for m in self.reader.people.definitions.values() if not is_for_all(m)}
        status = StatusDocument(
            states={name: state for name, state in self.reader.probe.states.items() if name not in hidden},
            inputs_read_s=self.reader.read_s,
            faults=self.faults.current,
        )
        data = encode_status(status)
        if data != self._status:
            self._store.publish_status(data)
        self._status, self._status_at = data, now

    def _beat(self, now: float) -> None:
        if not 0 <= now - self._beat_at < BEAT_EVERY_S:
            self._store.beat(encode_heartbeat(self._pulse.beat(self.owner, now, self.faults)))
            self._beat_at = now


def run(worker: Worker, refresh_s: float, stopping: threading.Event, force: bool) -> None:
    """Runs steps until `stopping` is set. `force` is for the first publication. If a step fails because of a
    bug, this is logged, and the worker goes on; after failures, the pauses between steps are longer."""
    failures = 0
    try:
        while not stopping.is_set():
            try:
                worker.step(time.time(), force)
                worker.faults.clear("worker")
            except Exception as error:
                worker.faults.set("worker", f"a step failed: {error!r}", trace=True)
            force = force and not worker.has_published
            failures = failures + 1 if {"store", "worker"} & set(worker.faults.by_source) else 0
            stopping.wait(pause_s(refresh_s, failures))
    finally:
        worker.stop()


def run_until(worker: Worker, refresh_s: float, stopping: threading.Event, force: bool) -> bool:
    """Calls `run` in a thread, so that the process can end while a step still waits: a server's answer that
    comes byte by byte may take minutes. When `stopping` is set, a step under way has `STOP_S` seconds to end.
    If it does not, nothing is half published, as when a process is killed. Returns whether the thread has
    ended."""

    def go() -> None:
        try:
            run(worker, refresh_s, stopping, force)
        finally:
            stopping.set()

    thread = threading.Thread(target=go, name="mirrorwise-worker", daemon=True)
    thread.start()
    stopping.wait()
    thread.join(STOP_S)
    if thread.is_alive():
        log.warning("ended within a step, which has not come to its end in %.0f s", STOP_S)
    return not thread.is_alive()


def run_once(worker: Worker, force: bool) -> bool:
    """Compiles and publishes once, and waits for a place scan and prices if they are due. Returns whether
    the result was published."""
    try:
        worker.step(time.time(), force)
        while worker.wait(time.time()):
            worker.step(time.time(), force)
        if worker.leading is False and "takeover" not in worker.faults.current:
            worker.faults.set("lease", "another worker holds it and publishes; end that one first")
        return worker.has_published and not {"store", "config", "guard"} & set(worker.faults.current)
    finally:
        worker.stop()
