"""A generation as a web process serves it, and how it is read from a store."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, replace
from functools import cached_property

from app.answer.lists import MirrorLists, size_of
from app.answer.memo import Memo
from app.geo.copies import VerifiedCopies
from app.geo.networks import NetworkLookup
from app.model import SnapshotError, StoreError
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.status import StatusDocument
from app.snapshot.status import decode as decode_status
from app.store import Pointer, Publication, Store

log = logging.getLogger("mirrorwise.web")

QUESTIONS_BYTES = 3 << 19
"""How many bytes of questions are remembered with a generation."""

_GENERATION = re.compile(r"[\w.-]{1,64}", re.ASCII)  # the name goes into headers


@dataclass(frozen=True)
class Serving:
    """A generation with all that requests are answered from, and what the process remembers of them."""

    lists: MirrorLists
    parser: Parser
    #: None if the generation has no networks database.
    networks: NetworkLookup | None
    published_at_s: float
    #: The questions asked before, with the label of their URL form, by path and deciding parameters.
    questions: Memo[str, tuple[str, Question]]
    #: The tag of the status document in `status` (`Pointer.status`).
    status_tag: str = ""
    #: The status document, still encoded, because only explanations need it.
    status: bytes | None = None

    @property
    def snapshot(self) -> LoadedSnapshot:
        return self.lists.snapshot

    def status_document(self) -> StatusDocument | None:
        """The status document, decoded; None if there is none or it cannot be read."""
        return self._document

    @cached_property
    def _document(self) -> StatusDocument | None:
        try:
            return decode_status(self.status) if self.status else None
        except SnapshotError:
            return None


@dataclass(frozen=True)
class Stored:
    """A generation as it came from a store, so that it can be put into another one."""

    publication: Publication
    networks: bytes | None


class GenerationReader:
    """Reads generations, and the networks databases that belong to them."""

    def __init__(self, copies: VerifiedCopies) -> None:
        self._copies = copies
        self._unreadable: tuple[str, str] | None = None  # a generation, and what is wrong with it

    def load(self, store: Store, pointer: Pointer) -> tuple[Serving, Stored]:
        """Reads the generation that the store points to. The status document is not read here: lists do not
        need it, and only it may be damaged. Raises StoreError, SnapshotError or GeoError."""
        if self._unreadable is not None and self._unreadable[0] == pointer.generation:
            raise SnapshotError(self._unreadable[1])
        data = store.snapshot(pointer.generation)
        if data is None:
            raise StoreError(f"generation {pointer.generation} is not there any more")
        started = time.monotonic()
        try:
            snapshot = LoadedSnapshot(pointer.generation, data)
        except SnapshotError as error:  # remembered, so that 13 MB are not read again at every look
            self._unreadable = pointer.generation, str(error)
            raise
        networks = _networks(store, snapshot.networks)
        serving = Serving(
            lists=MirrorLists(snapshot),
            parser=Parser(snapshot.config, ParameterReader(snapshot.policy)),
            networks=self._opened(snapshot.networks, networks),
            published_at_s=pointer.published_at_s,
            questions=Memo(QUESTIONS_BYTES, lambda name, asked: 200 + len(name) + size_of(asked[1])),
        )
        self._copies.delete_unused(time.time())
        log.info(
            "serving generation %s: %d mirrors, %.1f MB, ready in %.0f ms",
            pointer.generation,
            len(snapshot.mirrors),
            len(data) / 1e6,
            (time.monotonic() - started) * 1e3,
        )
        return serving, Stored(_publication(pointer, data, snapshot.networks), networks)

    def _opened(self, digest: str | None, networks: bytes | None) -> NetworkLookup | None:
        """Opens a networks database. It is written to a file first, so that it can be mapped into memory."""
        if digest is None or networks is None:
            return None
        return NetworkLookup(self._copies.keep(digest, networks))


def current_pointer(store: Store) -> Pointer:
    """The store's pointer to the current generation. Raises StoreError if there is nothing to serve."""
    pointer = store.pointer()
    if pointer is None:
        raise StoreError("nothing has been published there")
    if not _GENERATION.fullmatch(pointer.generation):
        raise StoreError(f"the generation there has a strange name: {pointer.generation[:64]!r}")
    return pointer


def with_status(serving: Serving, store: Store, pointer: Pointer) -> Serving:
    """The same generation, with the status document and the time of publication that the store has now."""
    if serving.status_tag == pointer.status and serving.published_at_s == pointer.published_at_s:
        return serving
    return replace(
        serving, status=store.status(), status_tag=pointer.status, published_at_s=pointer.published_at_s
    )


def _publication(pointer: Pointer, snapshot: bytes, networks: str | None) -> Publication:
    return Publication(
        generation=pointer.generation,
        snapshot=snapshot,
        memory=b"",
        blobs=(networks,) if networks else (),
        published_at_s=pointer.published_at_s,
    )


def _networks(store: Store, digest: str | None) -> bytes | None:
    if not digest:
        return None
    networks = store.blob(digest)
    if networks is None:
        raise StoreError(f"the networks database {digest[:16]} is not there")
    return networks
