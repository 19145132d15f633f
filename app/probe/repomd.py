"""Reads what the prober needs of a repomd.xml: its date, its hashes, and whether the file is one at all.

The format is that of https://github.com/rpm-software-management/createrepo_c (elements `revision` and
`data/timestamp`). The date is the newest timestamp of the data elements: metalinks name it, and dnf compares
it. Old tools write timestamps with a fraction. Some tools write no timestamps; then the revision is the date.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from xml.parsers import expat

from app.model import RepomdVersion, digest_of

_LATEST = 2**40
_MOST_ELEMENTS = 10_000


class _Reader:
    """Collects the revision and the timestamps of a repomd.xml while expat parses it. Raises ValueError for a
    document type, which a repomd.xml never has (so there are no entities either), for another root element,
    and after many more elements than the two hundred or so of a real file."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.text = ""
        self.revision: float | None = None
        self.timestamps: list[float] = []
        self.data_elements = 0
        self.elements = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        self.path.append(name.rpartition(":")[2])
        self.text = ""
        self.elements += 1
        if self.path[0] != "repomd" or self.elements > _MOST_ELEMENTS:
            raise ValueError("it is no repomd.xml")
        if self.path == ["repomd", "data"]:
            self.data_elements += 1

    def end(self, _: str) -> None:
        if self.path == ["repomd", "data", "timestamp"]:
            self.timestamps.append(float(self.text))
        elif self.path == ["repomd", "revision"]:
            self.revision = _number(self.text)
        self.path.pop()
        self.text = ""

    def characters(self, text: str) -> None:
        if len(self.text) < 100:
            self.text += text

    def doctype(self, *_: object) -> None:
        raise ValueError("it has a document type")


def repomd_timestamp(body: bytes) -> int | None:
    """Returns the date of a repomd.xml in epoch seconds, or None if `body` is not a whole, well-formed
    one."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(body, True)
        newest = int(max(reader.timestamps, default=reader.revision or 0.0))
        return newest if reader.data_elements and 0 <= newest <= _LATEST else None
    except (expat.ExpatError, ValueError, OverflowError):
        return None


def version_of(body: bytes, timestamp: int, seen_at: datetime) -> RepomdVersion:
    """Makes the record of one version of a repomd.xml, with the size and hashes that metalinks need. The weak
    hashes are for old clients."""
    return RepomdVersion(
        timestamp=timestamp,
        size=len(body),
        seen_at=seen_at,
        sha256=digest_of(body),
        sha512=hashlib.sha512(body).hexdigest(),
        sha1=hashlib.sha1(body, usedforsecurity=False).hexdigest(),
        md5=hashlib.md5(body, usedforsecurity=False).hexdigest(),
    )


def _number(text: str) -> float | None:
    """Returns the number that a `revision` element holds, which then is a date, or None for any other
    text."""
    try:
        return float(text)
    except ValueError:
        return None
