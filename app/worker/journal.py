"""Says in the worker's log what a publication has changed, and because of what.

The log is for the operator alone, and so are the events of publications, so private mirrors have their names
here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from app.files import Marks
from app.model import Event, EventKind
from app.model.words import escaped
from app.worker.list_changes import ListChanges, listing

NAMED = 3
"""So many files and mirrors are named, and the others counted."""
_START = "the start of this worker"
PROBER = "what the prober found"
SCANNED = "the places of a city database"
PRICED = "load prices"
RELEASED = "what the guard held back before"
FORCED = "`mirrorwise worker --force`"
_ORIGIN = "what the prober found at the origin"
_FOUND = (EventKind.STATUS, EventKind.CONTENT, EventKind.ADDRESSES)
_WRITTEN = (EventKind.ADDED, EventKind.REMOVED, EventKind.DECLARED)


class Journal:
    """What has changed since the last publication. `root` is the data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._causes: dict[str, None] = {}

    def begin(self) -> None:
        """Begins anew."""
        self._causes = {_START: None}

    def changed(self, before: Marks | None, after: Marks) -> None:
        """Notes which input files have changed; `before` is None if all are read anew."""
        if before is None:
            return
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                self.note(self._name(path))

    def note(self, cause: str) -> None:
        """Notes another cause of what will be published."""
        self._causes[cause] = None

    def note_all(self, causes: Mapping[str, bool]) -> None:
        """Notes those causes that are ones."""
        for cause, is_one in causes.items():
            if is_one:
                self.note(cause)

    def forget(self) -> None:
        """Notes that what has changed so far is published, or changes nothing that is."""
        self._causes = {}

    def line(self, changes: ListChanges, events: Sequence[Event] = ()) -> str:
        """Returns a line that says what a publication changes, and because of what. `events` are those about
        mirrors since the last one."""
        causes = [cause for cause in self._causes if cause is not PROBER]
        if _START in self._causes and not changes.is_first:
            causes += _files(events)
        if PROBER in self._causes or _START in self._causes:
            causes += _found(events)
        causes = causes or list(self._causes)
        because = f", because of {listing(causes, NAMED)}" if causes else ""
        return (_of_all(changes) if changes.is_first else _difference(changes)) + because

    def _name(self, path: str) -> str:
        try:
            name = Path(path).relative_to(self._root)
        except ValueError:
            return escaped(path)
        if name.parts[:1] != ("state",):
            return escaped(str(name))
        return _ORIGIN if name.name in ("repos.json", "isos.json") else PROBER


def _of_all(changes: ListChanges) -> str:
    return f"{_count(changes.came, 'mirror')} in {_several(changes.filled, 'list')}"


def _difference(changes: ListChanges) -> str:
    parts = [
        f"{sign}{_count(names, 'mirror')} ({listing(names, NAMED)})"
        for sign, names in (("+", changes.came), ("-", changes.went))
        if names
    ]
    if changes.changed:
        return ", ".join([*parts, f"{_several(changes.changed, 'list')} changed"])
    return "no list has other mirrors than before"


def _found(events: Sequence[Event]) -> list[str]:
    """Says of which mirrors the prober found something else, and which status; nothing if of none."""
    found = {
        str(event.mirror): event.after if event.kind is EventKind.STATUS else None
        for event in reversed(events)
        if event.kind in _FOUND
    }
    names = [f"{name} ({status})" if status else name for name, status in sorted(found.items())]
    return [f"{PROBER} of {listing(names, NAMED)}"] if names else []


def _files(events: Sequence[Event]) -> list[str]:
    """Says the files of which mirrors are others; nothing if of none."""
    names = sorted({str(event.mirror) for event in events if event.kind in _WRITTEN})
    return [f"edits of {listing(names, NAMED)}"] if names else []


def _count(things: Collection[str], what: str) -> str:
    return _several(len(things), what)


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
