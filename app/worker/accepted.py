"""What was accepted: the files and the verdicts that the published snapshot was compiled from.

Verdicts need no storage of their own, because the fates in the snapshot are what became of them. So a worker
that starts, or takes over, goes on from what clients get.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.snapshot.eligibility import Fates, Marked, Questions
from app.snapshot.schema import Snapshot
from app.sources.people_files import Written
from app.worker.losses import Ints
from app.worker.numbers import Counts

NO_FATE = 255
"""Stands where a mirror or a question was not there."""


class Accepted:
    """The published snapshot as the guard looks at it. `written` are the files that it was compiled from;
    None if that is not known any more. `mirrors` are by name."""

    def __init__(self, snapshot: Snapshot, written: Written | None) -> None:
        self.snapshot, self.written = snapshot, written
        self.mirrors = {mirror.name: mirror for mirror in snapshot.mirrors}
        self._columns = {name: column for column, name in enumerate(self.mirrors)}
        self._rows = dict(zip(snapshot.questions, snapshot.rows, strict=True))
        width = len(snapshot.mirrors)
        distinct = max(snapshot.rows, default=-1) + 1
        self._table = np.full((distinct + 1, width + 1), NO_FATE, np.uint8)
        self._table[:-1, :-1] = np.frombuffer(snapshot.fates, np.uint8).reshape(distinct, width)

    @property
    def questions(self) -> Iterable[str]:
        """The keys of all questions."""
        return self._rows.keys()

    def fates(self, keys: Iterable[str], names: Iterable[str]) -> Fates:
        """Returns the fates of these mirrors for these questions, shape (keys, names)."""
        rows = np.array([self._rows.get(key, -1) for key in keys], np.intp)
        columns = np.array([self._columns.get(name, -1) for name in names], np.intp)
        return self._table[np.ix_(rows, columns)]

    def public(self, names: Sequence[str]) -> Marked:
        """Returns which of these mirrors were open to clients of all networks."""
        found = (self.mirrors.get(name) for name in names)
        return np.array([mirror is not None and mirror.public for mirror in found], np.bool_)


@dataclass(frozen=True)
class Baseline:
    """What new lists are compared with: what is published, and the largest numbers of the last 24 hours."""

    accepted: Accepted
    largest: Mapping[str, Counts]

    def at_most(self, keys: Iterable[str], number: str) -> Ints:
        """Returns the largest of these numbers (a field of Counts) for each of these lists."""
        found = (self.largest.get(key) for key in keys)
        return np.array([getattr(counts, number) if counts else 0 for counts in found], np.int64)


def keys_with_arch(questions: Questions) -> tuple[str, ...]:
    """Returns the questions that mirrors decide. Those that leave the arch open follow from them."""
    return questions.keys[: len(questions.directories)]
