"""What a store promises to the worker, which writes, and to the web processes, which read.

A store holds bytes and never looks into them: the snapshots of the last generations, the blobs
(network databases) those need, the worker's memory, the status document, a heartbeat, and who
holds the lease. Every method raises StoreError, with a sentence for people and never with a
password, for whatever goes wrong; "not there" is None.
"""

from __future__ import annotations

from typing import Protocol

from app.model import Record, StoreError

KEPT_GENERATIONS = 3


class LeaseLost(StoreError):  # noqa: N818 - says what happened, and the base says Error
    """Somebody else may be publishing by now, so this publication was not made."""


class NotOursError(StoreError):
    """The store answers, but what it holds is damaged, or something else's. Publishing replaces it."""


class Pointer(Record, frozen=True, kw_only=True):
    """Where readers should be. `snapshot` and `status` change whenever the bytes of the snapshot and of
    the status document do; `status` is "" before the first one."""

    generation: str
    snapshot: str
    published_at_s: float
    status: str


class Publication(Record, frozen=True, kw_only=True):
    """One generation. `blobs` are the digests of what its snapshot refers to, put before. An empty
    `memory` is none (a web node keeping a copy has none)."""

    generation: str
    snapshot: bytes
    memory: bytes
    blobs: tuple[str, ...]
    published_at_s: float


class Store(Protocol):
    """Safe to use from several threads and processes at once."""

    def pointer(self) -> Pointer | None:
        """The current generation, in one small read: the steady poll. None: none published yet."""

    def snapshot(self, generation: str) -> bytes | None:
        """None: not, or no longer, among the last three generations."""

    def blob(self, digest: str) -> bytes | None:
        """The bytes whose SHA-256 is `digest` (lower-case hex), verified."""

    def put_blob(self, data: bytes) -> str:
        """Store a blob and return its digest; idempotent. A blob that no publication claims within
        an hour may go."""

    def publish(self, publication: Publication, owner: str | None) -> None:
        """Make a generation current, with the memory that belongs to it, atomically: whoever sees
        its pointer can read all that it needs. The last three generations stay; what only older
        ones needed goes. Publishing a generation again renews its memory and time.

        Made only while `owner` holds the lease, else LeaseLost. None is for the copy that a web
        node keeps for itself, where several processes write the same and no lease is needed.
        """

    def memory(self) -> bytes | None:
        """What the worker wants to know again after a restart; part of a publication."""

    def remember(self, memory: bytes) -> None:
        """Replace the memory alone."""

    def status(self) -> bytes | None:
        """The status document: what changes without changing a list."""

    def publish_status(self, data: bytes) -> None: ...

    def lease(self, owner: str, ttl_s: float) -> bool:
        """Take or renew the right to publish, for `ttl_s`. True: it is ours."""

    def release(self, owner: str) -> None:
        """Give the lease back, if it is ours."""

    def holder(self) -> str | None:
        """The owner of the lease, as far as can be told, for people. None: no worker has it."""

    def beat(self, data: bytes) -> None:
        """Leave a sign of life."""

    def heartbeat(self) -> bytes | None:
        """The last sign of life, however old."""

    def close(self) -> None: ...
