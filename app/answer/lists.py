"""Selects the mirrors of a client's list from one snapshot, and remembers selections for the next request."""

from __future__ import annotations

import struct
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import msgspec

from app.answer.memo import Memo
from app.answer.plan import Bases, Plan, bases_of, make_plan
from app.answer.walk import Walk, row_of
from app.model import ClientClass, Pass, Protocol
from app.request.parameters import Filters
from app.request.question import Question
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import ServedMirror

SELECTIONS_BYTES = 13 << 19
PLANS_BYTES = 2 << 20
QUESTIONS_BYTES = 1 << 20
"""These three constants limit how many bytes of selections, plans and questions a process remembers. There
has to be a limit, because any client can ask what no client asked before."""
MAX_SEQUENCES = 1000


class Selection(msgspec.Struct, frozen=True, gc=False):
    """The mirrors selected for a class of clients and a question. Tens of thousands of selections are
    remembered, so each is a small object, which the garbage collector does not track."""

    #: The pass of the first mirror, or what decided the list as a whole: `EXCLUSIVE_UNAVAILABLE`, `VAULT`
    #: or `ORIGIN`. An empty list has `LAST_RESORT`.
    reason: Pass
    #: The indexes of the mirrors served, in the order of the list, as native 16-bit numbers.
    packed: bytes
    #: The pass that took each of these mirrors, in the same order.
    passes: tuple[Pass, ...]
    #: The base URLs of all mirrors of the snapshot, by index; None where a mirror offers no fitting one. If
    #: no mirror is served, the URL of the vault or the origin alone; empty without these.
    bases: tuple[str | None, ...]
    #: The path of the question, below a base URL.
    below: str
    #: The base URL of the origin, if it is listed behind the mirrors.
    last: str | None = None

    @property
    def first(self) -> int | None:
        """The index of the first mirror; None if no mirror is served."""
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
        """The URLs to list, in order: each is a base URL with the question's path."""
        return self.urls_of("")

    def urls_of(self, rest: str) -> list[str]:
        """Returns the URLs of what has the path `rest` below the question's, in the order of the list."""
        bases, below = self.bases, self.below + rest
        if not self.packed:
            return [f"{base}{below}" for base in bases]
        urls = [f"{bases[index]}{below}" for index in memoryview(self.packed).cast("H")]
        if self.last is not None:
            urls.append(f"{self.last}{below}")
        return urls

    def mirrors_of(self, snapshot: LoadedSnapshot) -> list[ServedMirror | None]:
        """Returns the mirror of each of the URLs, in the order of the list; None for the origin and the
        vault. `snapshot` is the one that the selection was made from."""
        mirrors = snapshot.mirrors
        found: list[ServedMirror | None] = [mirrors[index] for index in self.mirrors]
        others = int(self.last is not None) if self.packed else len(self.bases)
        return found + [None] * others

    def countries_of(self, snapshot: LoadedSnapshot) -> list[str | None]:
        """Returns the country of each of the URLs, as `mirrors_of` returns its mirror."""
        return [mirror.country if mirror else None for mirror in self.mirrors_of(snapshot)]


class _Known(NamedTuple):
    """The facts about a question that are remembered, so that a request need not compute them again."""

    #: A number that stands for the question in the keys of selections, because a number is quicker to look
    #: up. A question that was forgotten gets a new number, never the number of another question.
    number: int
    #: The path of the question below a base URL.
    below: str


def size_of(question: Question) -> int:
    """Returns about how many bytes a question takes in memory."""
    filters = question.filters
    codes = len(filters.countries) + len(filters.exclude_countries)
    return 900 + 8 * codes + len(question.ignored) + _size_of_names(filters)


def _size_of_names(filters: Filters) -> int:
    """Returns about how many bytes the names of mirrors take that a request wants to be left out."""
    return sum(60 + len(name) for name in filters.avoid)


class MirrorLists:
    """Selects mirrors of one snapshot for classes of clients, and remembers what it selected."""

    def __init__(self, snapshot: LoadedSnapshot) -> None:
        self.snapshot = snapshot
        self.selections: Memo[tuple[ClientClass, int], Selection] = Memo(
            SELECTIONS_BYTES, lambda _, selection: 420 + len(selection.packed)
        )
        self._plans: Memo[tuple[str, Filters, bytes], Plan] = Memo(
            PLANS_BYTES, lambda key, plan: 900 + len(plan.fates) + _size_of_names(key[1])
        )
        self._known: Memo[Question, _Known] = Memo(QUESTIONS_BYTES, lambda question, _: size_of(question))
        self._bases: dict[tuple[str | None, bool, tuple[Protocol, ...]], Bases] = {}
        self._next_number = count(1)

    @property
    def counted_bytes(self) -> int:
        """An upper estimate of the bytes that all remembered values take together."""
        return self.selections.counted_bytes + self._plans.counted_bytes + self._known.counted_bytes

    def select(self, client: ClientClass, question: Question) -> Selection:
        """Returns the mirrors that a class of clients gets for a question."""
        known = self._known.get(question)
        if known is None:
            known = _Known(next(self._next_number), question.path)
            self._known.put(question, known)
        key = (client, known.number)
        selection = self.selections.get(key)
        if selection is None:
            walk = self.walk(client, question)
            walk.run()
            selection = _selection(walk, known.below)
            self.selections.put(key, selection)
        return selection

    def walk(self, client: ClientClass, question: Question) -> Walk:
        """Returns a new walk through the passes for a class of clients and a question. The caller has to
        start the walk."""
        row = row_of(self.snapshot, client, question)
        return Walk(self.snapshot, client, question, self._plan(question, row), row)

    def _plan(self, question: Question, row: int) -> Plan:
        snapshot, filters = self.snapshot, question.filters
        barred = snapshot.barred(snapshot.letters(row)[0])
        key = (question.key, filters, barred)
        plan = self._plans.get(key)
        if plan is None:
            plan = make_plan(snapshot, question.key, filters, self._bases_of(question), barred)
            self._plans.put(key, plan)
        return plan

    def _bases_of(self, question: Question) -> Bases:
        """Returns the base URLs for a question. All ordinary releases share one `Bases` object, and so do all
        releases of a module and of the vault, so that few of them are kept."""
        release, vault, protocols = question.release, question.vault, question.filters.protocols
        key = (self.snapshot.config.modules.get(release), vault, protocols)
        bases = self._bases.get(key)
        if bases is None:
            bases = self._bases[key] = bases_of(self.snapshot, release, vault, protocols)
        return bases


def _selection(walk: Walk, below: str) -> Selection:
    bases = walk.plan.bases.urls if walk.served else () if walk.alone is None else (walk.alone,)
    packed = struct.pack(f"{len(walk.served)}H", *walk.served)
    return Selection(walk.reason, packed, _shared(tuple(walk.passes)), bases, below, walk.last)


@lru_cache(MAX_SEQUENCES)
def _shared(passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
    """Returns an equal sequence of passes that is shared by all selections that have it. This saves memory,
    because few different sequences occur."""
    return passes
