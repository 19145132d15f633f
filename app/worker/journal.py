"""Says in the worker's log what a publication has changed, and because of what.

The log is for the operator alone, so private mirrors have their names here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from app.files import Marks
from app.model import Fate
from app.model.words import escaped
from app.snapshot.schema import Snapshot

NAMED = 3
"""So many files and mirrors are named, and the others counted."""
_PROBER = "what the prober found"

Lists = dict[str, frozenset[str]]
"""The names of the mirrors that may be listed, by question. Equal lists are one object."""


class Journal:
    """What has changed since the last publication. `root` is the data folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._published: Lists | None = None
        self._causes: dict[str, None] = {}

    def begin(self, published: Snapshot | None) -> None:
        """Begins with a snapshot that is published already, if there is one that can be read."""
        self._published = _lists(published) if published else None
        self._causes = {"the start of this worker": None}

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

    def forget(self) -> None:
        """Notes that what has changed so far changes nothing that is published."""
        self._causes = {}

    def line(self, snapshot: Snapshot) -> str:
        """Returns a line that says what the publication of this snapshot changes, and begins anew."""
        before, after = self._published, _lists(snapshot)
        causes, self._published, self._causes = list(self._causes), after, {}
        because = f", because of {_listing(causes)}" if causes else ""
        return (_of_all(after) if before is None else _difference(before, after)) + because

    def _name(self, path: str) -> str:
        try:
            name = Path(path).relative_to(self._root)
        except ValueError:
            return escaped(path)
        return _PROBER if name.parts[:1] == ("state",) else escaped(str(name))


def _lists(snapshot: Snapshot) -> Lists:
    names = [mirror.name for mirror in snapshot.mirrors]
    width = len(names)
    rows = [
        frozenset(
            name
            for name, fate in zip(names, snapshot.fates[row * width : (row + 1) * width], strict=True)
            if fate <= Fate.PARTIAL
        )
        for row in range(max(snapshot.rows, default=-1) + 1)
    ]
    return {key: rows[row] for key, row in zip(snapshot.questions, snapshot.rows, strict=True)}


def _of_all(lists: Lists) -> str:
    filled = [key for key, names in lists.items() if names]
    return f"{_count(_mirrors(lists), 'mirror')} in {_count(filled, 'list')}"


def _difference(before: Lists, after: Lists) -> str:
    there, here = _mirrors(before), _mirrors(after)
    parts = [
        f"{sign}{_count(names, 'mirror')} ({_listing(sorted(names))})"
        for sign, names in (("+", here - there), ("-", there - here))
        if names
    ]
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    if changed:
        return ", ".join([*parts, f"{_count(changed, 'list')} changed"])
    return "no list has other mirrors than before"


def _mirrors(lists: Lists) -> frozenset[str]:
    return frozenset().union(*set(lists.values()))


def _count(things: Collection[str], what: str) -> str:
    return f"{len(things):,} {what}{'' if len(things) == 1 else 's'}"


def _listing(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
