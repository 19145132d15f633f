"""Reads and writes the prober's files. Each is written in one step, so that no reader sees half of one.

Beside the state files, there are two kinds that only the prober reads: state/probe/<name>.json (when a mirror
was asked for what, and what it answered) and state/origin.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from app.files import read_bytes, remove_abandoned, replace
from app.model import (
    Arrival,
    ImageDirectory,
    MirrorState,
    MirrorwiseError,
    ProbeRound,
    Record,
    RepomdVersion,
    SourceError,
    version_name,
)
from app.probe.hosts import Spent
from app.sources.folder import DataFolder

MAX_NOTES_BYTES = 32_000_000

_T = TypeVar("_T")


class Seen(Record, frozen=True, kw_only=True):
    """The result of the last request for a repo's repomd.xml. `asked_at` is in epoch seconds."""

    asked_at: float
    #: The hash of the file in lower-case hex; None if the mirror does not have the file.
    sha256: str | None = None
    #: The date in the file, in epoch seconds; None if the file is no well-formed repomd.xml, and in notes on
    #: the origin.
    timestamp: int | None = None
    #: When the mirror came to have this version; None if it does not have the file, and in notes on the
    #: origin.
    arrival: Arrival | None = None
    #: The validators, which allow a conditional request.
    etag: str | None = None
    modified: str | None = None

    def after(self, last: Seen | None) -> Seen:
        """Returns the same with the moment at which the mirror came to have this version. `last` is the
        result in the round before; None if there was none."""
        if self.sha256 is None:
            return self
        version = version_name(self.sha256)
        arrival = last.arrival if last else None
        if arrival is None or arrival.version != version:
            is_exact = last is not None and last.sha256 != self.sha256
            arrival = Arrival(version=version, at_s=round(self.asked_at), is_exact=is_exact)
        return msgspec.structs.replace(self, arrival=arrival)


class Lacking(Record, frozen=True, kw_only=True):
    """A directory that a mirror lacks."""

    #: When it was first asked for in vain, and when last.
    since: float
    asked_at: float


class ProbeNotes(Record, frozen=True, kw_only=True):
    """The prober's notes about one mirror, for the next round. Times are epoch seconds."""

    contents: dict[str, Seen] = {}
    #: When each ISO directory was asked for, by key.
    isos: dict[str, float] = {}
    #: When the mirror's copy of the vault was asked for a release, by the release.
    vault: dict[str, float] = {}
    #: What the mirror lacks, by the keys of `contents` and `isos`.
    lacking: dict[str, Lacking] = {}
    #: When each endpoint was last asked, by keys such as "https/ipv4".
    endpoints: dict[str, float] = {}
    #: When the mirror last failed, as a whole or in a part. A mirror that is down has to give all its
    #: contents once after this time, over as many rounds as necessary, before it counts as good.
    failed_at: float = 0.0
    #: The requests to the mirror's hosts in this clock hour, by host.
    spent: dict[str, Spent] = {}


class OriginNotes(Record, frozen=True, kw_only=True):
    """The prober's notes about the origin: the time in its timestamp file, its repomd.xml files, and the
    files of checksums in its ISO directories."""

    timestamp: datetime | None = None
    #: The times in the timestamp files of the products' origins, by product.
    product_timestamps: dict[str, datetime] = {}
    contents: dict[str, Seen] = {}
    isos: dict[str, Seen] = {}


class RecordsError(MirrorwiseError):
    """The prober cannot write its files, so that what it measured is not kept."""


class Records:
    """The files that the prober writes in one data folder: its state files and its own notes."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folder of notes, and removes temporary files that a killed run left behind. The folder of
        the mirrors' states is not made until the first state is written, because an empty one means that no
        state is known any more. Raises RecordsError."""
        notes = self.folder.prober_notes
        try:
            notes.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordsError(f"{notes} cannot be a folder: {error.strerror or error}") from error
        for folder in (self.folder.state, self.folder.mirror_states, self.folder.prober_notes):
            remove_abandoned(folder)

    def state(self, mirror: str) -> Path:
        return _named(self.folder.mirror_states, mirror)

    def load_notes(self, mirror: str) -> ProbeNotes:
        return _load(_named(self.folder.prober_notes, mirror), ProbeNotes) or ProbeNotes()

    def load_origin(self) -> OriginNotes:
        return _load(self.folder.origin_notes, OriginNotes) or OriginNotes()

    def save_mirror(self, state: MirrorState | None, mirror: str, notes: ProbeNotes) -> None:
        """Writes the state of a mirror, unless it is None, and its notes. The state comes first: if the
        prober is killed in between, the mirror is only asked once more."""
        if state is not None:
            self._write(self.state(mirror), state)
        self._write(_named(self.folder.prober_notes, mirror), notes)

    def save_origin(self, versions: Mapping[str, tuple[RepomdVersion, ...]], notes: OriginNotes) -> None:
        self._write(self.folder.repos, versions)
        self._write(self.folder.origin_notes, notes)

    def save_images(self, images: Mapping[str, ImageDirectory], notes: OriginNotes) -> None:
        self._write(self.folder.images, images)
        self._write(self.folder.origin_notes, notes)

    def save_round(self, done: ProbeRound) -> None:
        self._write(self.folder.round, done)

    def _write(self, path: Path, value: object) -> None:
        """Writes a value to a JSON file. Does nothing while the whole data folder is missing, because a new
        folder would be in the way when the old one comes back. Raises RecordsError."""
        if self.folder.root.is_dir():
            write_json(path, value)


def _named(folder: Path, mirror: str) -> Path:
    if "/" in mirror or "\0" in mirror or mirror.startswith("."):
        raise ValueError(f"{mirror!r} cannot be the name of a file")
    return folder / f"{mirror}.json"


def write_json(path: Path, value: object) -> None:
    """Replaces a JSON file in one step. The file need not survive a power cut, because mirrors can be asked
    again. Raises RecordsError."""
    try:
        replace(path, msgspec.json.encode(value) + b"\n")
    except OSError as error:
        raise RecordsError(f"{path} cannot be written: {error.strerror or error}") from error


def _load(path: Path, kind: type[_T]) -> _T | None:
    """Reads one of the prober's own files. Returns None if it is unreadable, because mirrors can be asked
    again."""
    try:
        return msgspec.json.decode(read_bytes(path, MAX_NOTES_BYTES), type=kind)
    except (SourceError, ValueError, RecursionError):  # ValueError: msgspec's errors, and what is not UTF-8
        return None
