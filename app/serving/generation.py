"""One generation as a web process serves it, and how it is read from a store."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from app.answer.lists import MirrorLists
from app.answer.memo import Memo
from app.geo.networks import NetworkLookup
from app.model import GeoError, SnapshotError, StoreError
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.soundness import check_names
from app.snapshot.status import StatusDocument
from app.snapshot.status import check as check_status
from app.snapshot.status import decode as decode_status
from app.store import Pointer, Publication, Store

log = logging.getLogger("mirrorwise.web")

MAX_QUESTIONS = 4000

_GENERATION = re.compile(r"[\w.-]{1,64}", re.ASCII)  # it goes into headers


@dataclass(frozen=True)
class Serving:
    """One generation and what belongs to it."""

    lists: MirrorLists
    parser: Parser
    #: None if the generation has no networks database.
    networks: NetworkLookup | None
    published_at_s: float
    #: What was asked before, by path and query: the label of the URL form, and the question.
    questions: Memo[str, tuple[str, Question]]
    #: Which status document `status` is (`Pointer.status`).
    status_tag: str = ""
    #: The status document, still encoded, because only explanations need it.
    status: bytes | None = None

    @property
    def snapshot(self) -> LoadedSnapshot:
        return self.lists.snapshot

    def status_document(self) -> StatusDocument | None:
        """The status document, decoded."""
        return decode_status(self.status) if self.status else None


@dataclass(frozen=True)
class Stored:
    """A generation as a store holds it: what another store needs to hold it too."""

    publication: Publication
    networks: bytes | None


class GenerationReader:
    """Reads generations, the networks databases that belong to them, and status documents: each whole,
    and found good, or not at all."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[str, str]] = {}  # by kind: the last that was refused, and why

    def load(self, store: Store, pointer: Pointer, former: Serving | None) -> tuple[Serving, Stored]:
        """The generation that the store points to, after the `former` one. Its status document is not
        read, because lists do not need it and it may be damaged alone. Raises StoreError, SnapshotError
        or GeoError."""
        with self._refusing("snapshot", pointer.snapshot):
            data = store.snapshot(pointer.generation)
            if data is None:
                raise StoreError(f"generation {pointer.generation} is not there any more")
            started = time.monotonic()
            snapshot = LoadedSnapshot(pointer.generation, data)
            networks = _networks(store, snapshot.networks)
            serving = Serving(
                lists=MirrorLists(snapshot),
                parser=Parser(snapshot.config, ParameterReader(snapshot.policy)),
                networks=_opened(snapshot, networks, former),
                published_at_s=pointer.published_at_s,
                questions=Memo(MAX_QUESTIONS),
            )
        log.info(
            "serving generation %s: %d mirrors, %.1f MB, ready in %.0f ms",
            pointer.generation,
            len(snapshot.mirrors),
            len(data) / 1e6,
            (time.monotonic() - started) * 1e3,
        )
        return serving, Stored(_publication(pointer, data, snapshot.networks), networks)

    def with_status(self, serving: Serving, store: Store, pointer: Pointer) -> Serving:
        """The same generation with the status document that the store has now. Raises StoreError or
        SnapshotError."""
        if serving.status_tag == pointer.status:
            return serving
        with self._refusing("status document", pointer.status):
            status = store.status()
            if status is not None:
                check_status(status)
        return replace(serving, status=status, status_tag=pointer.status)

    @contextmanager
    def _refusing(self, kind: str, tag: str) -> Iterator[None]:
        """What was found bad is not read again (it has megabytes) at every look, until it is another."""
        refused, problem = self._refused.get(kind, ("", ""))
        if refused == tag:
            raise SnapshotError(problem)
        try:
            yield
        except (SnapshotError, GeoError) as error:
            self._refused[kind] = tag, str(error)
            raise


def current_pointer(store: Store) -> Pointer:
    """Where the store points to. Raises StoreError if it points to nothing that can be served."""
    pointer = store.pointer()
    if pointer is None:
        raise StoreError("nothing has been published there")
    if not _GENERATION.fullmatch(pointer.generation):
        raise StoreError(f"the generation there has a strange name: {pointer.generation[:64]!r}")
    return pointer


def at_time(serving: Serving, pointer: Pointer) -> Serving:
    """The same generation with the time of its last publication."""
    if serving.published_at_s == pointer.published_at_s:
        return serving
    return replace(serving, published_at_s=pointer.published_at_s)


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


def _opened(snapshot: LoadedSnapshot, networks: bytes | None, former: Serving | None) -> NetworkLookup | None:
    """The networks database, if the snapshot knows all networks in it. The one in use is used again if it
    is the same."""
    if networks is None:
        return None
    same = former is not None and former.snapshot.networks == snapshot.networks
    lookup = former.networks if same and former is not None else None
    lookup = lookup or NetworkLookup.of(networks)
    check_names(snapshot.overlays, lookup.names)
    return lookup
