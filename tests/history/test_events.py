"""Events in the history's database: each once, whatever is added how often, and kept as long as they say
something."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from app.history.database import HistoryDatabase
from app.history.events import add_events, read_events
from app.history.retention import Retention, forget
from app.model import Event, EventKind

BEGIN = datetime(2026, 11, 1, 12, tzinfo=UTC)
NAME = "m.example.org"
ADDED, REMOVED, STATUS = EventKind.ADDED, EventKind.REMOVED, EventKind.STATUS


def an_event(
    kind: EventKind, hours: float, before: str | None = None, after: str | None = None, mirror: str = NAME
) -> Event:
    at = BEGIN + timedelta(hours=hours)
    return Event(at=at, kind=kind, mirror=mirror, before=before, after=after, evidence="seen", lists=-2)


def kept(database: HistoryDatabase, mirror: str = NAME) -> list[tuple[float, str, str | None, str | None]]:
    """As hour, kind, before and after."""
    with database.reading() as connection:
        found = read_events(connection, mirror=mirror)
    return [((e.at - BEGIN).total_seconds() / 3600, e.kind.value, e.before, e.after) for e in found]


def test_as_it_was(database: HistoryDatabase) -> None:
    """An event comes back as it was added, under a name that another one does not have."""
    event = Event(
        at=BEGIN + timedelta(microseconds=7),
        kind=EventKind.PUBLISHED,
        before="a" * 16,
        after="b" * 16,
        evidence="1 list changed, because of mirrors.d/m\\xe9xico.yml — ä",
        lists=1,
        changes_lists=True,
        generation="b" * 16,
    )
    add_events(database, [event, an_event(STATUS, 1, "ok", "stale")])
    with database.reading() as connection:
        first, second = read_events(connection)
        assert read_events(connection, since_s=(BEGIN + timedelta(minutes=1)).timestamp()) == [second]
    assert {field: getattr(first, field) for field in Event.__struct_fields__} == {
        field: getattr(event, field) for field in Event.__struct_fields__
    }
    assert first.id != second.id


def test_added_again(database: HistoryDatabase) -> None:
    """What two workers add, or one that does not know whether it did, is there once, whatever came since."""
    events = [an_event(ADDED, 0, after="ok"), an_event(STATUS, 1, "ok", "stale")]
    later = an_event(STATUS, 2, "stale", "ok")
    for batch in (events, events, [*events, later], [*events, later]):
        add_events(database, batch)
    assert kept(database) == [
        (0, "added", None, "ok"),
        (1, "status", "ok", "stale"),
        (2, "status", "stale", "ok"),
    ]


def test_a_worker_without_memory(database: HistoryDatabase) -> None:
    """It takes all mirrors for new: one that is there already is not added a second time, and what its status
    has become meanwhile is known."""
    add_events(
        database, [an_event(ADDED, 0, after="ok"), an_event(ADDED, 0, after="ok", mirror="n.example.org")]
    )
    anew = [an_event(ADDED, 5, after="ok"), an_event(ADDED, 5, after="unreachable", mirror="n.example.org")]
    add_events(database, anew)
    add_events(database, anew)
    assert kept(database) == [(0, "added", None, "ok")]
    assert kept(database, "n.example.org") == [(0, "added", None, "ok"), (5, "status", "ok", "unreachable")]


def test_one_that_comes_back(database: HistoryDatabase) -> None:
    """A mirror that was removed is added again."""
    there = [an_event(ADDED, 0, after="ok"), an_event(REMOVED, 1, "ok"), an_event(ADDED, 2, after="ok")]
    add_events(database, there)
    assert [kind for _, kind, _, _ in kept(database)] == ["added", "removed", "added"]


def test_forgotten_when_old(database: HistoryDatabase) -> None:
    """Events go when they are older than sums may be, but for what says in which status a mirror is since
    then."""
    days = 24.0
    add_events(
        database,
        [
            an_event(ADDED, 0, after="ok"),
            an_event(STATUS, 1, "ok", "stale"),
            an_event(STATUS, 2, "stale", "ok"),
            an_event(EventKind.DECLARED, 3, "weight 1", "weight 2"),
            an_event(EventKind.DECLARED, 20 * days, "weight 2", "weight 1"),
        ],
    )
    forget(database, Retention(days=10), date(2026, 11, 25))
    assert kept(database) == [(2, "status", "stale", "ok"), (480, "declared", "weight 2", "weight 1")]
