"""What happened to mirrors, invented, and how the history's database has it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from app.history import tables
from app.history.mirror_history import DAYS, EVENTS_OF_ALL, EVENTS_OF_MIRROR, MirrorHistories, Onset, days_of
from app.model import EventKind, RecordedEvent, condition_of, digest_of

LACKS = "it lacks 13 of 69 directories: 9.8/baseos/aarch64 and 12 more"


def event(at: datetime, mirror: str, kind: EventKind = EventKind.STATUS, **more: Any) -> RecordedEvent:
    """An event, named as the database names it: by a hash."""
    name = digest_of(repr((at, mirror, kind, sorted(more.items()))).encode())
    return RecordedEvent(id=name, at=at, kind=kind, mirror=mirror, **more)


def record(connection: Connection, events: Iterable[RecordedEvent]) -> None:
    """Writes events into the table, as it has them."""
    for one in events:
        row = msgspec.structs.asdict(one)
        row |= {"at_s": row.pop("at").timestamp(), "kind": one.kind.value, "mirror": one.mirror or ""}
        connection.execute(tables.events.insert().values(row))


def ninety_days(mirrors: Sequence[str], now: datetime) -> MirrorHistories:
    """What happened to each of these mirrors: it is out for hours, stale for days, lacks something, has other
    prices, and is as ever for weeks. The first one has been known for 30 days, the second one for 60."""
    chance = random.Random(1)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    events = {
        name: _events(chance, name, now - timedelta(days=(30, 60, 120)[min(number, 2)]), now)
        for number, name in enumerate(mirrors)
    }
    days = {
        name: days_of(_onsets(found), int(since.timestamp()), int(now.timestamp()))
        for name, found in events.items()
    }
    newest = {
        name: tuple(one for one in reversed(found) if one.at >= since)[:EVENTS_OF_MIRROR]
        for name, found in events.items()
    }
    of_all = sorted((one for found in newest.values() for one in found), key=lambda one: one.at, reverse=True)
    return MirrorHistories(since, days, newest, tuple(of_all[:EVENTS_OF_ALL]))


def _onsets(events: Iterable[RecordedEvent]) -> list[Onset]:
    return [
        Onset(int(one.at.timestamp()), condition_of(one.after))
        for one in events
        if one.kind in (EventKind.ADDED, EventKind.STATUS)
    ]


def _events(chance: random.Random, name: str, since: datetime, now: datetime) -> list[RecordedEvent]:
    """The events of a mirror, the oldest first."""
    found, at = [event(since, name, EventKind.ADDED, after="ok", changes_lists=True, lists=69)], since
    while (at := at + timedelta(hours=chance.expovariate(1 / 150))) < now - timedelta(days=1):
        trouble, hours = chance.choice((("unreachable", 3), ("stale", 30), ("degraded", 20), ("", 0)))
        if not trouble:
            km = chance.randrange(60, 300)
            found.append(
                event(at, name, EventKind.PRICE, before=f"{km} km", after=f"{km + 55} km", changes_lists=True)
            )
            continue
        lost = -13 if trouble == "degraded" else -69
        evidence = {"unreachable": "no answer within 10 s", "stale": "31.2 h behind the origin"}
        found.append(
            event(at, name, before="ok", after=trouble, evidence=evidence.get(trouble, LACKS), lists=lost)
        )
        at = min(at + timedelta(hours=chance.expovariate(1 / hours)), now)
        found.append(event(at, name, before=trouble, after="ok", lists=-lost, generation="0123456789abcdef"))
    return found


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
