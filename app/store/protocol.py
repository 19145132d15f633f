"""The interface of a store, to which the worker writes and from which web processes read.

A store holds bytes and never looks into them: the snapshots of the last generations, the blobs (places and
networks databases) that these need, the worker's memory, the documents of status and statistics, a heartbeat,
and a request to the worker. It also knows which worker holds the lease. If anything goes wrong, a method
raises StoreError, with a sentence for people that never contains a password. It returns None for what is not
there.
"""

from __future__ import annotations

from typing import Protocol

from app.model import Record, StoreError
from app.store.blob import Blob

KEPT_GENERATIONS = 3

REQUEST_S = 60
"""A request that no worker has taken for so many seconds is forgotten."""


class LeaseLost(StoreError):  # noqa: N818 - says what happened, and the base says Error
    """A publication was not made, or a memory was not replaced, because the worker does not hold the lease:
    another may be publishing."""


class NotOursError(StoreError):
    """The store answers, but its content is damaged or was not written by Mirrorwise. Publishing replaces
    that content."""


class Pointer(Record, frozen=True, kw_only=True):
    """The pointer to the current generation and status document in a store. Readers compare it with the
    pointer that they read last."""

    generation: str
    #: A tag that changes whenever the bytes of the snapshot do.
    snapshot: str
    published_at_s: float
    #: A tag that changes whenever the status document does; "" before the first one.
    status: str
    #: A tag that changes whenever the statistics document does; "" before the first one.
    statistics: str = ""
    #: A tag that changes whenever the worker's memory does; "" if there is none.
    memory: str = ""


class Publication(Record, frozen=True, kw_only=True):
    """A generation with everything that is published together with it."""

    generation: str
    snapshot: bytes
    #: The worker's memory; empty in the copy that a web node keeps, because a web node has no memory.
    memory: bytes
    #: The digests of the blobs that the snapshot refers to. `put_blob` must have stored them before.
    blobs: tuple[str, ...]
    published_at_s: float


class Store(Protocol):
    """The interface of a store. Several threads and processes may use the store at once."""

    def pointer(self) -> Pointer | None:
        """Returns the pointer to the current generation; None if none was published yet. This is one small
        read, because every process asks for the pointer all the time."""

    def snapshot(self, generation: str) -> bytes | None:
        """Returns the encoded snapshot of a generation; None if the generation is not one of the last
        three."""

    def blob(self, digest: str) -> bytes | None:
        """Returns the bytes whose SHA-256 is `digest` (in lower-case hex), verified; None if they are not
        there."""

    def has_blob(self, blob: Blob) -> bool:
        """Returns whether the store has a blob, as far as a quick look tells: the size is right, and so is
        one piece, another one at each look. It reads no more than this piece, however large the blob is."""

    def put_blob(self, data: bytes) -> str:
        """Stores a blob, which may be there already, and returns its digest. A blob to which no publication
        refers within an hour may be removed."""

    def publish(self, publication: Publication, owner: str | None) -> None:
        """Makes a generation current, with its memory, in one atomic step: a reader that sees the pointer can
        read all that belongs to it. The last three generations are kept, and objects that only older ones
        needed are removed. Publishing the same generation again renews its memory and time.

        Raises LeaseLost unless `owner` holds the lease. `owner` is None for the copy that a web node keeps
        for itself: there, several processes write the same, and no lease is needed.
        """

    def memory(self) -> bytes | None:
        """Returns the worker's memory, which tells a worker after a restart what it knew before; None if
        there is none. The memory is part of a publication."""

    def remember(self, memory: bytes, owner: str | None) -> None:
        """Replaces the worker's memory without a publication. Raises LeaseLost as `publish` does: otherwise a
        worker that was stopped for a while would bring back what it knew before another one led."""

    def status(self) -> bytes | None:
        """Returns the status document, which has what changes without changing a list; None if there is
        none."""

    def publish_status(self, data: bytes) -> None:
        """Replaces the status document."""

    def statistics(self) -> bytes | None:
        """Returns the statistics document, which says what was asked for; None if there is none."""

    def publish_statistics(self, data: bytes) -> None:
        """Replaces the statistics document."""

    def lease(self, owner: str, ttl_s: float) -> bool:
        """Takes or renews the lease, the right to publish, for `ttl_s`. Returns whether `owner` has it."""

    def release(self, owner: str) -> None:
        """Gives the lease back, if `owner` has it."""

    def holder(self) -> str | None:
        """Returns the owner of the lease, as far as that can be told; None if no worker has the lease. The
        name is for people."""

    def beat(self, data: bytes) -> None:
        """Replaces the worker's heartbeat."""

    def heartbeat(self) -> bytes | None:
        """Returns the worker's last heartbeat, however old it is; None if there has been none."""

    def shared(self) -> dict[str, str]:
        """Returns the tags of the shared values, by name. Machines share values under names of their own,
        outside of any publication. A tag changes whenever its value does."""

    def read_shared(self, name: str) -> bytes | None:
        """Returns a shared value; None if it is not there, or damaged."""

    def share(self, name: str, data: bytes) -> None:
        """Sets a shared value in one atomic step."""

    def unshare(self, *names: str) -> None:
        """Removes shared values. They may be gone already."""

    def ask(self, request: bytes) -> None:
        """Leaves a request to the worker that publishes. A former one is replaced."""

    def take_request(self) -> bytes | None:
        """Takes the request away, so that it is done once; None if there is none."""

    def close(self) -> None:
        """Closes connections, and gives up the lease if it ends with them."""
