"""Renders lists (`format=json`, `format=zypp`) and other records as JSON, for programs."""

from __future__ import annotations

import msgspec

from app.answer.lists import Selection
from app.model import Pass, Record
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

CONTENT_TYPE = "application/json"


class ListedMirror(Record, frozen=True, kw_only=True):
    """An entry of a mirrorlist in JSON."""

    url: str
    #: The name of the mirror; None for the origin and the vault.
    mirror: str | None
    country: str | None
    reason: str


class ZyppMirror(Record, frozen=True, kw_only=True):
    """An entry of a mirrorlist for libzypp, which since version 17.37 reads an array of objects, and of these
    the key `url`."""

    url: str


class MirrorList(Record, frozen=True, kw_only=True):
    """A mirrorlist in JSON."""

    release: str
    #: The name of the repo; empty for the directories of ISOs.
    repo: str
    arch: str | None
    reason: str
    generation: str
    mirrors: list[ListedMirror]


def document(content: object) -> bytes:
    """Encodes a record or several as JSON, with a line feed at the end."""
    return msgspec.json.encode(content) + b"\n"


def mirrorlist(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    """Renders a mirrorlist as a JSON document."""
    answer = MirrorList(
        release=question.release,
        repo=question.repo or "",
        arch=question.arch or None,
        reason=selection.reason,
        generation=snapshot.generation,
        mirrors=listed(snapshot, selection),
    )
    return document(answer)


def zypp_mirrorlist(snapshot: LoadedSnapshot, question: Question, selection: Selection) -> bytes:
    """Renders a mirrorlist as a JSON array for libzypp."""
    return document([ZyppMirror(url=url) for url in selection.urls])


def listed(snapshot: LoadedSnapshot, selection: Selection) -> list[ListedMirror]:
    """Returns the entries of a mirrorlist, best first."""
    passes = [*selection.passes, Pass.ORIGIN if selection.packed else selection.reason]
    return [
        ListedMirror(
            url=url,
            mirror=mirror.name if mirror else None,
            country=mirror.country if mirror else None,
            reason=reason,
        )
        for url, mirror, reason in zip(selection.urls, selection.mirrors_of(snapshot), passes, strict=False)
    ]
