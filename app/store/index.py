"""Defines how both stores keep things: as immutable objects, named by their SHA-256, and one small index.

Snapshots, blobs, the memory, and the documents of status and statistics are *objects*; the *index* says which
of them are current. A publication first writes its objects, which no reader looks for yet, and then replaces
the index in one atomic step. A writer that is killed at any moment leaves the former index or the new one,
and each is whole. The name of an object is the digest of its content, so a reader can verify the object, and
writing the same object twice does no harm. Objects to which the new index no longer refers are removed in
the same step. Objects that never got into an index, because their writer died, are removed after
`UNCLAIMED_S`.

A store implements the five abstract methods of `IndexedStore`; all rules are here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from itertools import count
from typing import Literal

import msgspec

from app.model import EpochSeconds, Record, StoreError, digest_of
from app.store.blob import Blob
from app.store.protocol import KEPT_GENERATIONS, LeaseLost, NotOursError, Pointer, Publication

UNCLAIMED_S = 3600


class Kept(Record, frozen=True, kw_only=True):
    """A generation that can still be read, with the digests of its snapshot and blobs."""

    generation: str
    snapshot: str
    blobs: tuple[str, ...] = ()


class Index(Record, frozen=True, kw_only=True):
    """The index, which says what a store holds at the moment, by digest."""

    #: The publications that can still be read, the newest first, which is the current one.
    kept: tuple[Kept, ...] = ()
    published_at_s: EpochSeconds = 0.0
    memory: str | None = None
    status: str | None = None
    statistics: str | None = None

    def objects(self) -> set[str]:
        """Returns the digests of all objects that are still needed."""
        digests = {self.memory, self.status, self.statistics}
        for kept in self.kept:
            digests.update((kept.snapshot, *kept.blobs))
        return {digest for digest in digests if digest is not None}

    def publishing(self, new: Kept, memory: str | None, published_at_s: float) -> Index:
        """Returns the index after a publication, with the `new` generation first and, behind it, the
        generations that are still kept."""
        others = tuple(kept for kept in self.kept if kept.generation != new.generation)
        kept = (new, *others)[:KEPT_GENERATIONS]
        return msgspec.structs.replace(self, kept=kept, memory=memory, published_at_s=published_at_s)


class Swap(Record, frozen=True, kw_only=True):
    """A change of the index, made in one atomic step."""

    change: Callable[[Index], Index]
    #: Objects by digest, which are saved before the step.
    adds: dict[str, bytes]
    #: The digests of objects that must be in the store when the step is made.
    needs: tuple[str, ...] = ()
    #: If set, the step is made only while this owner holds the lease.
    owner: str | None = None


def encode_index(index: Index) -> bytes:
    return msgspec.json.encode(index)


def decode_index(data: bytes | None, where: str) -> Index:
    """Decodes an index. Returns an empty one for None, which stands for an index that was never written.
    Raises NotOursError if the bytes are no index of ours."""
    if data is None:
        return Index()
    try:
        return msgspec.json.decode(data, type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        problem = f"not an index of Mirrorwise ({error}); publishing replaces it"
        raise NotOursError(f"{where}: {problem}") from error


def missing_objects(missing: Iterable[str], where: str) -> StoreError:
    """Makes the error for a swap that needs objects which the store does not have."""
    names = ", ".join(f"{digest[:12]}…" for digest in sorted(missing))
    return StoreError(f"{where}: not there, or gone since they were put: {names}; put them again and retry")


def lease_lost(owner: str, where: str) -> LeaseLost:
    """Makes the error for a swap whose owner does not hold the lease."""
    return LeaseLost(f"{where}: {owner} does not hold the lease (any more), so nothing was stored")


class IndexedStore(ABC):
    """The base class of both stores. It does everything that has to do with generations, memory and status
    document."""

    where: str  # for messages

    def __init__(self) -> None:
        self._looks = count()

    def pointer(self) -> Pointer | None:
        index = decode_index(self._load_index(), self.where)
        if not index.kept:
            return None
        current = index.kept[0]
        return Pointer(
            generation=current.generation,
            snapshot=current.snapshot[:16],
            published_at_s=index.published_at_s,
            status=(index.status or "")[:16],
            statistics=(index.statistics or "")[:16],
            memory=(index.memory or "")[:16],
        )

    def snapshot(self, generation: str) -> bytes | None:
        def find(index: Index) -> str | None:
            return next((kept.snapshot for kept in index.kept if kept.generation == generation), None)

        return self._current(find)

    def memory(self) -> bytes | None:
        return self._current(lambda index: index.memory)

    def status(self) -> bytes | None:
        return self._current(lambda index: index.status)

    def statistics(self) -> bytes | None:
        return self._current(lambda index: index.statistics)

    def blob(self, digest: str) -> bytes | None:
        data = self._load_object(digest)
        if data is not None and digest_of(data) != digest:
            raise NotOursError(f"{self.where}: the object {digest[:12]}… does not hold what its name says")
        return data

    def has_blob(self, blob: Blob) -> bool:
        start, piece = blob.piece(next(self._looks))
        return self._look_at_object(blob.digest, start, len(piece)) == (blob.size, piece)

    def put_blob(self, data: bytes) -> str:
        digest = digest_of(data)
        self._save_object(digest, data)
        return digest

    def publish(self, publication: Publication, owner: str | None) -> None:
        snapshot = digest_of(publication.snapshot)
        adds = {snapshot: publication.snapshot}
        memory = None
        if publication.memory:
            memory = digest_of(publication.memory)
            adds[memory] = publication.memory
        new = Kept(generation=publication.generation, snapshot=snapshot, blobs=publication.blobs)
        self._swap(
            Swap(
                change=lambda index: index.publishing(new, memory, publication.published_at_s),
                adds=adds,
                needs=publication.blobs,
                owner=owner,
            )
        )

    def remember(self, memory: bytes, owner: str | None) -> None:
        self._replace("memory", memory, owner)

    def publish_status(self, data: bytes) -> None:
        self._replace("status", data)

    def publish_statistics(self, data: bytes) -> None:
        self._replace("statistics", data)

    def _replace(
        self, field: Literal["memory", "status", "statistics"], data: bytes, owner: str | None = None
    ) -> None:
        """Saves an object and makes it the one that a field of the index names, if `owner` holds the lease,
        or none is given."""
        digest = digest_of(data)

        def change(index: Index) -> Index:
            return msgspec.structs.replace(index, **{field: digest})

        self._swap(Swap(change=change, adds={digest: data}, owner=owner))

    def _current(self, find: Callable[[Index], str | None]) -> bytes | None:
        """Reads the object whose digest `find` takes from the index. Returns None if there is no such digest,
        or the object is gone. The object may be replaced after the index was read; then the index names
        another object, which is read instead."""
        former = None
        while True:
            digest = find(decode_index(self._load_index(), self.where))
            if digest is None or digest == former:
                return None
            data = self.blob(digest)
            if data is not None:
                return data
            former = digest

    @abstractmethod
    def _load_index(self) -> bytes | None: ...

    @abstractmethod
    def _load_object(self, digest: str) -> bytes | None: ...

    @abstractmethod
    def _look_at_object(self, digest: str, start: int, size: int) -> tuple[int, bytes] | None:
        """Returns the size of an object and a piece of it; None if it is not there."""

    @abstractmethod
    def _save_object(self, digest: str, data: bytes) -> None:
        """Saves an object, or repairs the one that is there. Until a swap refers to the object, it is
        unclaimed and may be removed after `UNCLAIMED_S`."""

    @abstractmethod
    def _swap(self, swap: Swap) -> None:
        """Saves the objects that a swap adds. Then, in one atomic step, checks that the swap's owner (if any)
        holds the lease and that all needed objects are there, replaces the index, and removes the objects to
        which only the former index referred. A former index that is not ours counts as empty: otherwise only
        a person could repair the store."""
