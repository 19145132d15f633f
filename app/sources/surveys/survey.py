"""A survey is what one machine knows of the mirrors and the origin: its state files, in one value.

Machines share their surveys through the store, as JSON in the format of the state files. So a survey is read
by the same rules: what a newer version of the program adds is left out, and a state that is damaged costs
that mirror alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from app.model import (
    ImageDirectory,
    MirrorState,
    MirrorwiseError,
    ProbeRound,
    Record,
    RepomdVersion,
    SourceError,
)
from app.sources.probe_state import checked_images, checked_round, mirror_state, repo_versions

SCHEMA = 1

_T = TypeVar("_T")


class SurveyError(MirrorwiseError):
    """The bytes are no survey, or one of another schema."""


class Survey(Record, frozen=True, kw_only=True):
    """What one machine knows, or several together."""

    #: The states of mirrors, by the name of the mirror.
    states: dict[str, MirrorState] = {}
    last_round: ProbeRound | None = None
    #: The origin's versions of each repo's repomd.xml, newest first, by "release/repo/arch".
    repomd: dict[str, tuple[RepomdVersion, ...]] = {}
    #: The ISO directories of the origin, by "release/arch".
    images: dict[str, ImageDirectory] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.states or self.last_round or self.repomd or self.images)

    @property
    def newest(self) -> datetime | None:
        """The last moment at which something of it was found out about mirrors; None if nothing was."""
        moments = [state.probed_at for state in self.states.values()]
        moments += [self.last_round.completed_at] if self.last_round else []
        return max(moments, default=None)


class _Document(msgspec.Struct, kw_only=True):
    """A survey as it is shared. All its parts are as in the state files."""

    schema: int
    mirrors: dict[str, dict[str, Any]] = {}
    round: ProbeRound | None = None
    repos: dict[str, tuple[RepomdVersion, ...]] = {}
    isos: dict[str, ImageDirectory] = {}


_ENCODER = msgspec.json.Encoder(order="deterministic")


def encode(survey: Survey) -> bytes:
    """Encodes a survey. Equal surveys give the same bytes."""
    return _ENCODER.encode(
        {
            "schema": SCHEMA,
            "mirrors": survey.states,
            "round": survey.last_round,
            "repos": survey.repomd,
            "isos": survey.images,
        }
    )


def decode(data: bytes) -> tuple[Survey, list[str]]:
    """Decodes a survey. Returns it without its damaged parts, and what is wrong with those. Raises
    SurveyError if nothing of it can be used."""
    try:
        document = msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SurveyError(f"it is not a readable survey: {error}") from error
    if document.schema != SCHEMA:
        raise SurveyError(f"it has schema {document.schema}; this program reads schema {SCHEMA}")
    problems: list[str] = []

    def checked(read: Callable[[Path, _T], _T], file: str, value: _T) -> _T | None:
        try:
            return read(Path(file), value)
        except SourceError as error:
            problems.append(str(error))
            return None

    states = {}
    for name, raw in document.mirrors.items():
        try:
            states[name] = mirror_state(Path(f"{name}.json"), raw)
        except SourceError as error:
            problems.append(str(error))
    return Survey(
        states=states,
        last_round=document.round and checked(checked_round, "round.json", document.round),
        repomd=checked(repo_versions, "repos.json", document.repos) or {},
        images=checked(checked_images, "isos.json", document.isos) or {},
    ), problems
