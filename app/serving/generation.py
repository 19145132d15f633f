"""A generation (a published snapshot) as a web process serves it, and how it is read from a store."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from app.answer.lists import MirrorLists, size_of
from app.answer.memo import Memo
from app.geo.networks import NetworkLookup
from app.geo.place_lookup import PlaceLookup
from app.model import GeoError, SnapshotError, StoreError
from app.request.download import Download
from app.request.parameters import ParameterReader
from app.request.question import Parser, Question
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.soundness import check_names
from app.snapshot.statistics import StatisticsDocument
from app.snapshot.statistics import decode as decode_statistics
from app.snapshot.status import StatusDocument
from app.snapshot.status import check as check_status
from app.snapshot.status import decode as decode_status
from app.store import Pointer, Publication, Store

log = logging.getLogger("mirrorwise.web")

QUESTIONS_BYTES = 3 << 19
"""How many bytes of questions are remembered with a generation."""

_GENERATION = re.compile(r"[\w.-]{1,64}", re.ASCII)  # the name goes into headers


class Remembered(NamedTuple):
    """What a request asked for, as it is remembered for further requests of the kind."""

    #: The label of the URL form.
    form: str
    #: The question, or the directory of a download.
    asked: Question | Download
    #: The question as it is recorded.
    recorded: str


@dataclass(frozen=True)
class Serving:
    """A generation with everything that a process needs to answer requests from it, and with the questions
    that the process remembers."""

    lists: MirrorLists
    parser: Parser
    #: None if the generation has no networks database.
    networks: NetworkLookup | None
    published_at_s: float
    #: The questions that clients asked before, and the directories of their downloads, by path and deciding
    #: parameters.
    questions: Memo[str, Remembered]
    #: The places database of the generation, or the last good one while that cannot be had; None while there
    #: is none, and then no client has a place.
    places: PlaceLookup | None = None
    #: The tag of the status document in `status` (`Pointer.status`).
    status_tag: str = ""
    #: The status document, still encoded, because only explanations need it.
    status: bytes | None = None
    #: The tag of the statistics document in `statistics` (`Pointer.statistics`).
    statistics_tag: str = ""
    #: The statistics document; None if there is none.
    statistics: StatisticsDocument | None = None

    @classmethod
    def of(
        cls, snapshot: LoadedSnapshot, networks: bytes | None, published_at_s: float, former: Serving | None
    ) -> Serving:
        """Makes all that follows from a snapshot and its networks database. What the `former` generation has
        open is used again. Raises SnapshotError or GeoError if the two do not belong together."""
        return cls(
            lists=MirrorLists(snapshot),
            parser=Parser(snapshot.config, ParameterReader(snapshot.policy)),
            networks=_opened(snapshot, networks, former),
            published_at_s=published_at_s,
            questions=Memo(QUESTIONS_BYTES, _size_of_remembered),
        )

    @property
    def snapshot(self) -> LoadedSnapshot:
        return self.lists.snapshot

    @cached_property
    def status_document(self) -> StatusDocument | None:
        """The status document, decoded; None if there is none."""
        return decode_status(self.status) if self.status else None


@dataclass(frozen=True)
class Stored:
    """A generation and its networks database as the bytes that a store returned. The process writes these
    bytes to another store, as a copy for times without Redis. `networks` is None if there is no such
    database."""

    publication: Publication
    networks: bytes | None


class GenerationReader:
    """Reads generations, their networks databases, and documents of status and statistics. It checks each of
    them as a whole before it is used."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[str, str]] = {}  # by kind: the tag of the last one, and why

    def load(self, store: Store, pointer: Pointer, former: Serving | None) -> tuple[Serving, Stored]:
        """Reads the generation that the store points to; `former` is the one served before. The status
        document is not read here, because lists do not need it, and it may be damaged while the snapshot is
        good. Raises StoreError, SnapshotError or GeoError."""
        with self._refusing("snapshot", pointer.snapshot):
            data = store.snapshot(pointer.generation)
            if data is None:
                raise StoreError(f"generation {pointer.generation} is not there any more")
            started = time.monotonic()
            snapshot = LoadedSnapshot(pointer.generation, data)
            networks = _networks(store, snapshot.networks)
            serving = replace(
                Serving.of(snapshot, networks, pointer.published_at_s, former),
                statistics_tag=former.statistics_tag if former else "",
                statistics=former.statistics if former else None,
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
        """Returns the same generation, with the status document that the store has now. Raises StoreError or
        SnapshotError."""
        if serving.status_tag == pointer.status:
            return serving
        with self._refusing("status document", pointer.status):
            status = store.status()
            if status is not None:
                check_status(status)
        return replace(serving, status=status, status_tag=pointer.status)

    def with_statistics(self, serving: Serving, store: Store, pointer: Pointer) -> Serving:
        """Returns the same generation, with the statistics document that the store has now. Raises StoreError
        or SnapshotError."""
        if serving.statistics_tag == pointer.statistics:
            return serving
        with self._refusing("statistics", pointer.statistics):
            data = store.statistics()
            statistics = decode_statistics(data) if data is not None else None
        return replace(serving, statistics=statistics, statistics_tag=pointer.statistics)

    @contextmanager
    def _refusing(self, kind: str, tag: str) -> Iterator[None]:
        """A context manager around the code that reads and checks data with this tag. If the check fails with
        SnapshotError or GeoError, the tag is remembered, and the next attempt with the same tag raises
        SnapshotError at once, instead of reading megabytes again. One tag is remembered for each `kind` of
        data."""
        refused, problem = self._refused.get(kind, ("", ""))
        if refused == tag:
            raise SnapshotError(problem)
        try:
            yield
        except (SnapshotError, GeoError) as error:
            self._refused[kind] = tag, str(error)
            raise


def current_pointer(store: Store) -> Pointer:
    """Returns the store's pointer to the current generation. Raises StoreError if there is nothing to
    serve."""
    pointer = store.pointer()
    if pointer is None:
        raise StoreError("nothing has been published there")
    if not _GENERATION.fullmatch(pointer.generation):
        raise StoreError(f"the generation there has a strange name: {pointer.generation[:64]!r}")
    return pointer


def up_to_date(serving: Serving, pointer: Pointer, places: PlaceLookup | None) -> Serving:
    """Returns the same generation, with the time of publication that the store has now, and with this places
    database."""
    if serving.published_at_s == pointer.published_at_s and serving.places is places:
        return serving
    return replace(serving, published_at_s=pointer.published_at_s, places=places)


def _size_of_remembered(name: str, remembered: Remembered) -> int:
    """Returns about how many bytes an entry of `Serving.questions` takes in memory."""
    asked = remembered.asked
    if isinstance(asked, Question):
        return 200 + len(name) + size_of(asked)
    return 300 + len(name) + len(asked.rest) + size_of(asked.question)


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
    """Opens the networks database of a snapshot, or returns the open one of the `former` generation if that
    is the same. Raises SnapshotError if the snapshot does not know all networks in the database."""
    if networks is None:
        return None
    same = former is not None and former.snapshot.networks == snapshot.networks
    lookup = former.networks if same and former is not None else None
    lookup = lookup or NetworkLookup.of(networks)
    check_names(snapshot.overlays, lookup.names)
    return lookup
