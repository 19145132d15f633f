"""Makes events of what changes from one publication to the next, and sees to it that each is kept once.

What is known of the mirrors, and the events that are not in the history's database yet, are a part of the
worker's memory. The store takes both in one step, together with the publication. So whichever worker leads,
and whenever one dies, a change is noticed once: before that step, the next worker notices it again; after it,
the next worker finds the event among those to be written. What is written twice is there once (`history`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import msgspec

from app.history.database import HistoryDatabase
from app.history.events import add_events, event_id
from app.history.retention import SECONDS_OF_DAY, forget_events
from app.logs import Faults
from app.model import Event, EventKind, Mirror, MirrorState
from app.worker.compiling import Ready
from app.worker.history_writer import HistoryWriter
from app.worker.journal import Journal
from app.worker.list_changes import ListChanges
from app.worker.mirror_facts import (
    ChronicleMemory,
    Described,
    MirrorFacts,
    Occasion,
    events_of,
    facts_of,
    price_after,
)

SUBJECT, LOST, BUG = "history/events", "history/lost events", "worker/changes"
MOST_UNWRITTEN = 10_000
"""So many events wait for the database at most, as the whole worker's memory is stored at each reading."""


Files = Mapping[str, tuple[str, Mirror]]
"""Mirrors by their names, each with the file that declares it."""


@dataclass(frozen=True)
class Entry:
    """What follows from one comparison: the memory to store, and what the publication changes, in words."""

    memory: ChronicleMemory
    line: str
    files: Files


class Chronicle:
    """The part of a worker that makes and keeps events. `days` says for how many days they are kept."""

    def __init__(
        self, open_: Callable[[], HistoryDatabase], journal: Journal, faults: Faults, days: int
    ) -> None:
        #: How many times events have been written. The number only grows.
        self.written = 0
        self._writer = HistoryWriter(SUBJECT, open_, faults)
        self._journal, self._faults, self._days = journal, faults, days
        self._memory = ChronicleMemory()
        self._files: Files = {}
        self._batch: frozenset[str] = frozenset()
        self._forgot_at = float("-inf")

    def begin(self, memory: ChronicleMemory, definitions: Mapping[str, Mirror]) -> None:
        """Goes on from what another worker remembered. `definitions` are the mirrors that it published, by
        file."""
        self._memory, self._files = memory, _by_name(definitions)

    @property
    def memory(self) -> ChronicleMemory:
        """What the store has, without the events that have been written since."""
        return self._memory

    def entry(
        self, ready: Ready, states: Mapping[str, MirrorState], changes: ListChanges | None, now: float
    ) -> Entry:
        """Compares what is about to be published with what was known before. `changes` compares the lists;
        None if the generation is published already. Nothing changes here until `stored`. A bug in this is
        noted as a fault, and keeps nothing from being published."""
        try:
            entry = self._compared(ready, states, changes, now)
        except Exception as error:
            self._faults.set(BUG, f"a bug: {error!r}; what has changed is no event", trace=True)
            return Entry(self._memory, self._journal.line(changes) if changes else "", self._files)
        self._faults.clear(BUG)
        return entry

    def _compared(
        self, ready: Ready, states: Mapping[str, MirrorState], changes: ListChanges | None, now: float
    ) -> Entry:
        before = self._memory
        files = _by_name(ready.written.definitions)
        after = self._facts(ready, states, files)
        occasion = Occasion(now, before.at_s, ready.generation, changes)
        events = []
        for name in sorted(before.mirrors.keys() | after.keys()):
            was = _described(name, self._files, before.mirrors)
            events += events_of(name, was, _described(name, files, after), states.get(name), occasion)
        line = self._journal.line(changes, events) if changes else ""
        if changes and ready.generation != before.generation:
            events.append(_publication(line, before.generation, ready.generation, changes, now))
        unwritten = (*before.unwritten, *events)[-MOST_UNWRITTEN:]
        if len(before.unwritten) + len(events) > len(unwritten):
            self._faults.set(LOST, f"more than {MOST_UNWRITTEN:,} events wait; the oldest are lost")
        memory = ChronicleMemory(mirrors=after, at_s=now, generation=ready.generation, unwritten=unwritten)
        return Entry(memory, line, files)

    def stored(self, entry: Entry) -> None:
        """Notes that the store has taken the memory of an entry, so that its events may be written."""
        self._memory, self._files = entry.memory, entry.files

    def step(self, now: float) -> None:
        """Begins to write the events that wait, and forgets those that are written."""
        if self._writer.collect():
            self.written += 1
            self._faults.clear(LOST)
            left = tuple(one for one in self._memory.unwritten if event_id(one) not in self._batch)
            self._memory = msgspec.structs.replace(self._memory, unwritten=left)
        events = self._memory.unwritten
        if events and self._writer.begin(partial(self._write, events, now), now):
            self._batch = frozenset(map(event_id, events))

    def wait(self) -> bool:
        """Waits for events that are being written, for a limited time. Returns whether there were any."""
        return self._writer.wait()

    def _write(self, events: tuple[Event, ...], now: float, database: HistoryDatabase) -> None:
        add_events(database, events)
        if not 0 <= now - self._forgot_at < SECONDS_OF_DAY:
            forget_events(database, now - self._days * SECONDS_OF_DAY)
            self._forgot_at = now

    def _facts(self, ready: Ready, states: Mapping[str, MirrorState], files: Files) -> dict[str, MirrorFacts]:
        served = {mirror.name: mirror for mirror in ready.snapshot.mirrors}
        facts = {}
        for name, (_, mirror) in files.items():
            published = served.get(name)
            price_km = published.load_km if published else 0.0
            facts[name] = facts_of(
                mirror,
                published,
                states.get(name),
                name in ready.guard.held,
                price_after(self._memory.mirrors.get(name), price_km),
            )
        return facts


def _by_name(definitions: Mapping[str, Mirror]) -> dict[str, tuple[str, Mirror]]:
    """Returns each mirror with its file, by name."""
    return {mirror.name: (file, mirror) for file, mirror in definitions.items()}


def _described(name: str, files: Files, facts: Mapping[str, MirrorFacts]) -> Described | None:
    """Returns a mirror as it is known; None if it is not, or if one half of what was known is lost."""
    if name not in files or name not in facts:
        return None
    return Described(*files[name], facts[name])


def _publication(line: str, before: str | None, after: str, changes: ListChanges, now: float) -> Event:
    return Event(
        at=datetime.fromtimestamp(now, UTC),
        kind=EventKind.PUBLISHED,
        before=before,
        after=after,
        evidence=line,
        lists=changes.changed,
        changes_lists=changes.may_differ,
        generation=after,
    )
