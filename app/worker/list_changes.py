"""Says which lists have other mirrors after a publication, and which mirrors came into them and left them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec
import numpy as np

from app.snapshot.eligibility import Marked, is_served
from app.worker.accepted import Accepted


class ListChanges:
    """The lists of two publications, compared; None stands for nothing published. A list is here what mirrors
    may be served for a question, whatever their order and their clients."""

    def __init__(self, before: Accepted | None, after: Accepted | None) -> None:
        self.is_first = before is None
        self._both = [one for one in (before, after) if one is not None]
        self._keys = sorted({key for one in self._both for key in one.questions})
        self._names = sorted({name for one in self._both for name in one.mirrors})
        self._columns = {name: column for column, name in enumerate(self._names)}
        self._before, self._after = self._table(before), self._table(after)

    @cached_property
    def came(self) -> list[str]:
        """The mirrors that were in no list, and are in one now."""
        return self._named(self._before, self._after)

    @cached_property
    def went(self) -> list[str]:
        """The mirrors that were in a list, and are in none now."""
        return self._named(self._after, self._before)

    @cached_property
    def changed(self) -> int:
        """How many lists have other mirrors than before."""
        return int((self._before != self._after).any(axis=1).sum())

    @cached_property
    def filled(self) -> int:
        """How many lists have mirrors now."""
        return int(self._after.any(axis=1).sum())

    @cached_property
    def may_differ(self) -> bool:
        """Whether any client's list may be another one. What metalinks and pages of images say is in no
        list."""
        decided = [msgspec.structs.replace(one.snapshot, repomd={}, images={}) for one in self._both]
        return self.is_first or decided[0] != decided[-1]

    def entered(self, name: str) -> int:
        """Returns how many lists a mirror has entered."""
        before, after = self._of(name)
        return int((after & ~before).sum())

    def left(self, name: str) -> int:
        """Returns how many lists a mirror has left."""
        before, after = self._of(name)
        return int((before & ~after).sum())

    def is_listed(self, name: str) -> bool:
        """Returns whether a mirror was or is in any list."""
        before, after = self._of(name)
        return bool((before | after).any())

    def _table(self, accepted: Accepted | None) -> Marked:
        if accepted is None:
            return np.zeros((len(self._keys), len(self._names)), np.bool_)
        return is_served(accepted.fates(self._keys, self._names))

    def _named(self, without: Marked, with_: Marked) -> list[str]:
        """Returns the mirrors that are in no list of one table, and in a list of another."""
        alone = np.flatnonzero(with_.any(axis=0) & ~np.any(without, axis=0))
        return [self._names[column] for column in alone]

    def _of(self, name: str) -> tuple[Marked, Marked]:
        """Returns which lists a mirror was in, and which it is in."""
        column = self._columns.get(name)
        if column is None:
            return self._before[:0, 0], self._after[:0, 0]
        return self._before[:, column], self._after[:, column]


def listing(words: Sequence[str], most: int) -> str:
    """Returns the first few of some words, and how many there are besides."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more
