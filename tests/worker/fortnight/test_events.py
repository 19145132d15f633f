"""What the history knows of the fortnight, against its script."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import pytest

from app.history.events import read_events
from app.model import EventKind, RecordedEvent
from tests.worker.fortnight.script import m
from tests.worker.fortnight.world import Expected, World
from tests.worker.network import NOON

pytestmark = pytest.mark.slow

HOUR = 3600.0


@pytest.fixture(scope="module")
def events(fortnight: World) -> Sequence[RecordedEvent]:
    with fortnight.database.reading() as connection:
        return read_events(connection)


def of_mirrors(events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
    return [event for event in events if event.kind is not EventKind.PUBLISHED]


def test_exactly_as_scripted(fortnight: World, events: Sequence[RecordedEvent]) -> None:
    """Each event of the script is there once, with its time, from, to, and whether a list changed; and no
    other is."""
    found = Counter(
        Expected(e.at.timestamp(), e.kind, e.mirror, e.before, e.after, e.changes_lists)
        for e in of_mirrors(events)
    )
    scripted = Counter(fortnight.expected)
    missing, surplus = scripted - found, found - scripted
    hours = [
        (sign, (e.at_s - NOON) / HOUR, *e[1:]) for sign, es in (("-", missing), ("+", surplus)) for e in es
    ]
    assert sorted(hours, key=lambda one: one[1]) == []
    assert len(fortnight.expected) > 200


def test_each_publication_and_its_cause(fortnight: World, events: Sequence[RecordedEvent]) -> None:
    """Every generation that became current is there, in order, with what it was published because of."""
    published = [event for event in events if event.kind is EventKind.PUBLISHED]
    found = {(e.at.timestamp(), e.before, e.after) for e in published}
    generations = [(NOON, None), *((at_s, generation) for at_s, generation in fortnight.published)]
    current = {(at_s, before, after) for (_, before), (at_s, after) in pairwise(generations)}
    without_memory = {(at_s, None, after) for at_s, before, after in current - found}
    assert found == current - (current - found) | without_memory
    assert {(at_s - NOON) / HOUR for at_s, _, _ in without_memory} == {121}, "the store had lost the memory"
    assert len(published) == len(fortnight.published) > 80
    assert [e for e in published if "because of" not in (e.evidence or "")] == []


CAUSES = {
    2: f"-1 mirror ({m(1)}), 8 lists changed, because of what the prober found of {m(1)} (unreachable)",
    31: f"no list has other mirrors than before, because of mirrors.d/{m(8)}.yml",
    45: f"because of the start of this worker, what the prober found of {m(16)} (unreachable)",
    58: f"the start of this worker, edits of {m(21)}, what the prober found of {m(20)} (unreachable)",
    60: "because of what the prober found at the origin",
    143: "no list has other mirrors than before, because of load prices",
    160: "3 lists changed, because of config.yml",
    180: f"because of mirrors.d/{m(33)}.yml, what the prober found of {m(33)} (unreachable)",
}


@pytest.mark.parametrize("hour", CAUSES)
def test_causes(events: Sequence[RecordedEvent], hour: int) -> None:
    """Which file, which result of the prober, or prices."""
    at_s = NOON + hour * HOUR
    published = [e for e in events if e.kind is EventKind.PUBLISHED and e.at.timestamp() == at_s]
    assert [e for e in published if (e.evidence or "").endswith(CAUSES[hour])] != [], published


def test_joined_by_the_generation(fortnight: World, events: Sequence[RecordedEvent]) -> None:
    """An event names the generation with which it was published; if it changed a list, that is one that
    became current then."""
    current = defaultdict(set)
    for at_s, generation in fortnight.published:
        current[at_s].add(generation)
    joined = [
        event for event in of_mirrors(events) if event.changes_lists and event.at.timestamp() in current
    ]
    assert [event for event in joined if event.generation not in current[event.at.timestamp()]] == []
    assert len(joined) > len(events) / 3


def test_how_many_lists(events: Sequence[RecordedEvent]) -> None:
    """A mirror that is down leaves all its lists, and one that lacks a repo some of them."""
    moved = {(e.mirror, round((e.at.timestamp() - NOON) / HOUR), e.kind): e.lists for e in events if e.lists}
    assert moved[m(1), 2, EventKind.STATUS] == -8
    assert moved[m(1), 20, EventKind.STATUS] == 8
    assert moved[m(5), 7, EventKind.CONTENT] == -1
    assert moved[m(60), 41, EventKind.STATUS] == 8
    assert moved[m(13), 38, EventKind.REMOVED] == -8


def test_nothing_waits_in_the_end(fortnight: World) -> None:
    """All is written, and no part of the worker is at fault."""
    (worker,) = fortnight.workers
    assert worker.faults.current == {}
    assert worker._chronicle.memory.unwritten == ()
