"""Renders lists (`format=json`) and other records as JSON, for programs."""

from __future__ import annotations

import msgspec

from app.answer.lists import Selection
from app.model import Record
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


def listed(snapshot: LoadedSnapshot, selection: Selection) -> list[ListedMirror]:
    """Returns the entries of a mirrorlist, best first."""
    if not selection.packed:
        return [
            ListedMirror(url=url, mirror=None, country=None, reason=selection.reason)
            for url in selection.urls
        ]
    mirrors = (snapshot.mirrors[index] for index in selection.mirrors)
    return [
        ListedMirror(url=url, mirror=mirror.name, country=mirror.country, reason=pass_)
        for url, mirror, pass_ in zip(selection.urls, mirrors, selection.passes, strict=True)
    ]
