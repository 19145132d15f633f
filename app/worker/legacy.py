"""Reads what the last worker has left in the store. Where the store has lost it, a copy counts: that of this
worker, or the one that web keeps on the same machine."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.model import SnapshotError, StoreError, digest_of
from app.snapshot import soundness
from app.snapshot.schema import Snapshot
from app.store import NotOursError, Publication, Store, file_store
from app.worker import memory as remembered
from app.worker.memory import Memory

log = logging.getLogger("mirrorwise.worker")


@dataclass(frozen=True)
class Copy:
    """A copy of what was published last, for the case that the store loses it."""

    snapshot: bytes
    memory: bytes


@dataclass(frozen=True)
class Legacy:
    """What the last worker has left."""

    memory: Memory
    #: None if there is none, or it is of no use.
    snapshot: Snapshot | None
    #: The generation in the store; None if there is none.
    generation: str | None


def read_legacy(store: Store, copy: Copy | None, var_dir: Path) -> Legacy:
    """Reads what the store has. Where it has lost the snapshot, the copy counts, or what web has kept."""
    generation = generation_in(store)
    known = copy_of(store, generation) or copy or _kept_by_web(var_dir)
    memory = known.memory if known else _readable("memory", store.memory)
    return Legacy(
        memory=remembered.decode(memory),
        snapshot=_sound(known.snapshot) if known else None,
        generation=generation,
    )


def generation_in(store: Store) -> str | None:
    """Returns the current generation of the store; None if there is none, or something that is not ours."""
    try:
        pointer = store.pointer()
    except NotOursError:
        return None
    return pointer.generation if pointer else None


def has_newer(store: Store, ours: Publication | None) -> bool:
    """Returns whether the store has a newer memory than that of our last publication. Then another worker has
    led while this one was stopped for longer than its lease."""
    try:
        pointer = store.pointer()
        if ours is None or pointer is None or digest_of(ours.memory).startswith(pointer.memory):
            return False
        there, here = (
            remembered.decode(memory).chronicle.at_s or 0.0 for memory in (store.memory(), ours.memory)
        )
    except NotOursError:
        return False
    return there > here


def copy_of(store: Store, generation: str | None) -> Copy | None:
    """Returns a copy of what is published; None if the store does not have the snapshot."""
    if generation is None:
        return None
    snapshot = _readable("snapshot", lambda: store.snapshot(generation))
    return None if snapshot is None else Copy(snapshot, _readable("memory", store.memory) or b"")


def _kept_by_web(var_dir: Path) -> Copy | None:
    """Returns the snapshot with which web processes of this machine restart. It comes without a memory."""
    kept = file_store(var_dir)
    try:
        return copy_of(kept, generation_in(kept))
    except StoreError:
        return None


def _sound(data: bytes) -> Snapshot | None:
    try:
        return soundness.verified(data)
    except SnapshotError as error:
        log.warning("the last worker's snapshot is of no use: %s", error)
        return None


def _readable(what: str, read: Callable[[], bytes | None]) -> bytes | None:
    """Reads what the last worker left. Returns None if it is damaged: publishing repairs the store."""
    try:
        return read()
    except NotOursError as error:
        log.warning("the last worker's %s is lost: %s", what, error)
        return None
