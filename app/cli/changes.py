"""Runs `mirrorwise changes`, which compares what was published at two moments."""

from __future__ import annotations

import time

import click
import msgspec

from app.model import MirrorwiseError
from app.past.archive import Archive, PublishedThen
from app.past.moments import parse_moment
from app.settings import Settings
from app.simulation.changes import changes
from app.simulation.changes_text import write_changes
from app.simulation.run import progress


class UnknownMomentError(MirrorwiseError):
    """A text is neither a moment nor the name of a generation that is kept."""


def run_changes(settings: Settings, between: tuple[str, str] | None, since_s: float, as_json: bool) -> None:
    """Compares two generations (names, or moments at which they were published), or what was published at
    `since_s` (in epoch seconds) with what is published last, and prints the result. Raises
    MirrorwiseError."""
    archive = Archive.of(settings.var_dir)
    if between is not None:
        before, after = (_found(archive, text) for text in between)
    else:
        before, after = archive.at(since_s), archive.at(time.time())
    with progress() as steps:
        result = changes(settings, before, after, steps)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)))
    else:
        write_changes(result)


def _found(archive: Archive, text: str) -> PublishedThen:
    found = archive.named(text)
    if found is not None:
        return found
    try:
        return archive.at(parse_moment(text, time.time()))
    except ValueError as error:
        problem = f"{text!r} is no generation that is kept, and no moment: {error}"
        raise UnknownMomentError(problem) from None
