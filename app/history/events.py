"""Keeps events in the history's database: each one once, however often it is added.

The hash of what an event says is its name. So a worker adds again whatever it is not sure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from app.history.database import HistoryDatabase
from app.history.tables import events
from app.model import Event, EventKind, RecordedEvent, digest_of

STANDINGS = (EventKind.ADDED, EventKind.REMOVED, EventKind.STATUS)
"""The events that say what is the matter with a mirror until the next of them: whether it is there, and in
which status."""


def event_id(event: Event) -> str:
    """Returns the name of an event: the hash of when it happened to what, of what it was, and of the
    evidence."""
    said = (event.at.isoformat(), event.kind, event.mirror, event.before, event.after, event.evidence)
    return digest_of(repr(tuple(str(part) for part in said)).encode())


def add_events(database: HistoryDatabase, new: Sequence[Event]) -> None:
    """Adds events in their order, in one transaction. Raises HistoryError.

    A worker that has lost its memory takes all mirrors for new. So the event that a mirror was added becomes
    one of its status if the mirror is there already and its status is another, and is left out if not.
    """
    with database.writing() as connection:
        insert = (postgresql if database.is_postgresql else sqlite).insert(events)
        for event in new:
            known = _known(connection, event)
            if known is not None:
                connection.execute(insert.values(_row(known)).on_conflict_do_nothing())


def read_events(
    connection: Connection, since_s: float = 0.0, mirror: str | None = None
) -> list[RecordedEvent]:
    """Reads the events since a time in epoch seconds, the oldest first: all of them, or those of a mirror."""
    which = events.c.at_s >= since_s
    if mirror is not None:
        which &= events.c.mirror == mirror
    found = connection.execute(select(events).where(which).order_by(events.c.at_s, events.c.id))
    return [event_of(row) for row in found]


def event_of(row: Row[Any]) -> RecordedEvent:
    """Returns the event in a row of the table."""
    return RecordedEvent(
        id=row.id,
        at=datetime.fromtimestamp(row.at_s, UTC),
        kind=EventKind(row.kind),
        mirror=row.mirror or None,
        before=row.before,
        after=row.after,
        evidence=row.evidence,
        lists=row.lists,
        changes_lists=row.changes_lists,
        generation=row.generation,
    )


def _row(event: Event) -> dict[str, object]:
    return {
        "id": event_id(event),
        "at_s": event.at.timestamp(),
        "mirror": event.mirror or "",
        "kind": event.kind.value,
        "before": event.before,
        "after": event.after,
        "evidence": event.evidence,
        "lists": event.lists,
        "changes_lists": event.changes_lists,
        "generation": event.generation,
    }


def _known(connection: Connection, event: Event) -> Event | None:
    """Returns an event as it is to be kept: with what the database knows, where a mirror was added; None if
    it is no news."""
    if event.kind is not EventKind.ADDED:
        return event
    of_mirror = (events.c.mirror == event.mirror) & events.c.kind.in_([kind.value for kind in STANDINGS])
    until = events.c.at_s <= event.at.timestamp()
    newest = select(events).where(of_mirror & until).order_by(events.c.at_s.desc()).limit(1)
    last = connection.execute(newest).one_or_none()
    if connection.execute(select(events.c.id).where(events.c.id == event_id(event))).one_or_none():
        return None
    if last is None or last.kind == EventKind.REMOVED.value:
        return event
    if last.after == event.after:
        return None
    changed = {"kind": EventKind.STATUS, "before": last.after}
    return Event(**{**{name: getattr(event, name) for name in event.__struct_fields__}, **changed})
