"""Reads and writes the prober's files. Each is written in one step, so that no reader sees half of one.

Beside the state files, there are two that only the prober reads: state/probe/<name>.json (when a mirror
was asked for what, and what it answered) and state/origin.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from app.files import remove_abandoned, replace
from app.model import MirrorState, ProbeRound, Record, RepomdVersion
from app.probe.hosts import Spent
from app.sources.folder import DataFolder

_T = TypeVar("_T")


class Seen(Record, frozen=True, kw_only=True):
    """The result of one request for a repomd.xml."""

    asked_at: float
    #: None if the mirror does not have the file.
    sha256: str | None = None
    #: None if the file is no repomd.xml.
    timestamp: int | None = None
    #: The validators, which allow a conditional request.
    etag: str | None = None
    modified: str | None = None


class ProbeNotes(Record, frozen=True, kw_only=True):
    """The prober's notes about one mirror, for the next round. Times are epoch seconds."""

    contents: dict[str, Seen] = {}
    isos: dict[str, float] = {}
    #: When each endpoint was asked, by keys such as "https/ipv4".
    endpoints: dict[str, float] = {}
    #: This hour's requests to the mirror's hosts.
    spent: dict[str, Spent] = {}


class OriginNotes(Record, frozen=True, kw_only=True):
    """The prober's notes about the origin: the time in its timestamp file, and its repomd.xml files."""

    timestamp: datetime | None = None
    contents: dict[str, Seen] = {}


class Records:
    """The state files of one data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Makes the folders, and removes temporary files that a killed run left behind."""
        for folder in (self.folder.state, self.folder.mirror_states, self.folder.prober_notes):
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)

    def state(self, mirror: str) -> Path:
        return _named(self.folder.mirror_states, mirror)

    def load_notes(self, mirror: str) -> ProbeNotes:
        return _load(_named(self.folder.prober_notes, mirror), ProbeNotes) or ProbeNotes()

    def load_origin(self) -> OriginNotes:
        return _load(self.folder.origin_notes, OriginNotes) or OriginNotes()

    def save_mirror(self, state: MirrorState | None, mirror: str, notes: ProbeNotes) -> None:
        """Writes both files of a mirror. The state comes first: if the prober is killed in between, the
        mirror is only asked once more."""
        if state is not None:
            write_json(self.state(mirror), state)
        write_json(_named(self.folder.prober_notes, mirror), notes)

    def save_origin(self, versions: Mapping[str, tuple[RepomdVersion, ...]], notes: OriginNotes) -> None:
        write_json(self.folder.repos, versions)
        write_json(self.folder.origin_notes, notes)

    def save_round(self, completed_at: datetime) -> None:
        write_json(self.folder.round, ProbeRound(completed_at=completed_at))


def _named(folder: Path, mirror: str) -> Path:
    if "/" in mirror or "\0" in mirror or mirror.startswith("."):
        raise ValueError(f"{mirror!r} cannot be the name of a file")
    return folder / f"{mirror}.json"


def write_json(path: Path, value: object) -> None:
    """Replaces a file in one step. It need not survive a power cut, because mirrors can be asked again."""
    replace(path, msgspec.json.encode(value) + b"\n")


def _load(path: Path, kind: type[_T]) -> _T | None:
    """Reads one of the prober's own files; None if it is unreadable, because mirrors can be asked again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
