"""Selects the mirrors of a list from one snapshot, and remembers what was selected."""

from __future__ import annotations

import struct
from functools import cache
from itertools import count

import msgspec

from app.answer.memo import Memo
from app.answer.plan import Bases, Plan, bases_of, make_plan
from app.answer.walk import Walk, row_of
from app.model import ClientClass, Pass, Protocol
from app.request.parameters import Filters
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot

MAX_PLANS = 1000
MAX_SELECTIONS = 2**17
"""A process remembers at most this many selections, of some 400 bytes each."""


class Selection(msgspec.Struct, frozen=True, gc=False):
    """The mirrors selected for a class of clients and a question. Tens of thousands are remembered, so it is
    a small object, and the garbage collector does not track it."""

    #: The pass of the first mirror, or why there is no mirror in the list (`VAULT`, `ORIGIN`).
    reason: Pass
    #: The indexes of the mirrors served, two bytes each, in order.
    packed: bytes
    #: The passes that took these mirrors, in the same order.
    passes: tuple[Pass, ...]
    #: The base URLs of all mirrors, by index. Without mirrors, the URL of the vault or the origin alone.
    bases: tuple[str | None, ...]
    #: The path of the question, below a base URL.
    below: str

    @property
    def first(self) -> int | None:
        """The index of the first mirror. None where the origin or the vault answers."""
        return memoryview(self.packed).cast("H")[0] if self.packed else None

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a mirror nor an origin nor a vault to answer with."""
        return not self.packed and not self.bases

    @property
    def mirrors(self) -> list[int]:
        """The indexes of the mirrors served, in order."""
        return memoryview(self.packed).cast("H").tolist()

    @property
    def urls(self) -> list[str]:
        """The URLs to list, in order: base URL and the question's path."""
        bases, below = self.bases, self.below
        if not self.packed:
            return [f"{base}{below}" for base in bases]
        return [f"{bases[index]}{below}" for index in memoryview(self.packed).cast("H")]


class MirrorLists:
    """Selects mirrors for classes of clients, and remembers what it selected."""

    def __init__(self, snapshot: LoadedSnapshot) -> None:
        self.snapshot = snapshot
        self.selections: Memo[tuple[ClientClass, int], Selection] = Memo(MAX_SELECTIONS)
        self._plans: Memo[tuple[str, Filters, bytes], Plan] = Memo(MAX_PLANS)
        self._bases: Memo[tuple[str, tuple[Protocol, ...]], Bases] = Memo(MAX_PLANS)
        self._numbers: Memo[Question, int] = Memo(MAX_PLANS)
        self._next_number = count(1)

    def select(self, client: ClientClass, question: Question) -> Selection:
        """The mirrors that a class of clients gets for a question."""
        # A number is cheaper in a key than the question. A question that was forgotten gets a new number,
        # never the number of another question.
        number = self._numbers.get(question)
        if number is None:
            number = next(self._next_number)
            self._numbers.put(question, number)
        selection = self.selections.get((client, number))
        if selection is None:
            walk = self.walk(client, question)
            walk.run()
            selection = _selection(walk, question)
            self.selections.put((client, number), selection)
        return selection

    def walk(self, client: ClientClass, question: Question) -> Walk:
        """A new walk through the passes for these clients and this question. The caller has it run."""
        row = row_of(self.snapshot, client, question)
        return Walk(self.snapshot, client, question, self._plan(question, row), row)

    def _plan(self, question: Question, row: int) -> Plan:
        snapshot, filters = self.snapshot, question.filters
        barred = snapshot.barred(snapshot.letters(row)[0])
        plan = self._plans.get((question.key, filters, barred))
        if plan is None:
            plan = make_plan(snapshot, question.key, filters, self._bases_of(question), barred)
            self._plans.put((question.key, filters, barred), plan)
        return plan

    def _bases_of(self, question: Question) -> Bases:
        release, protocols = question.release, question.filters.protocols
        bases = self._bases.get((release, protocols))
        if bases is None:
            bases = bases_of(self.snapshot, release, protocols)
            self._bases.put((release, protocols), bases)
        return bases


def _selection(walk: Walk, question: Question) -> Selection:
    bases = walk.plan.bases.urls if walk.served else () if walk.alone is None else (walk.alone,)
    packed = struct.pack(f"{len(walk.served)}H", *walk.served)
    below = f"{question.release}/{question.path}"
    return Selection(walk.reason, packed, _shared(tuple(walk.passes)), bases, below)


@cache
def _shared(passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
    """The same sequence, as the one object that all selections with it share: few sequences occur."""
    return passes
