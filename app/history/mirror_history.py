"""Reads from the history's database what happened to mirrors: how long each was in which condition, day by
day, and the last events.

A mirror's status is the one that its last event says: a change of status, or that the service began to know
the mirror. It holds until the next such event, or until the mirror is removed. Before the first such event,
after its removal, and while the prober has no verdict, nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from app.history.events import STANDINGS, event_of
from app.history.tables import events
from app.model import Condition, EventKind, MirrorDay, RecordedEvent, condition_of

DAYS = 90
"""How many days are read, today included."""
EVENTS_OF_MIRROR = 50
"""How many events of each mirror are read, the last ones of these days."""
EVENTS_OF_ALL = 500
"""How many of all events of mirrors are read likewise."""
SECONDS_OF_DAY = 24 * 3600


class Onset(NamedTuple):
    """A moment, in epoch seconds, from which on a mirror is in a condition; None if nothing is known."""

    at_s: int
    condition: Condition | None


@dataclass(frozen=True)
class MirrorHistories:
    """What happened to some mirrors lately."""

    #: The beginning of the first day.
    since: datetime
    #: The days of each mirror of which anything is known, by its name; the last one is today.
    days: Mapping[str, tuple[MirrorDay, ...]]
    #: The last events of each mirror that has any, by its name, the newest first.
    events: Mapping[str, tuple[RecordedEvent, ...]]
    #: The last events of all these mirrors, the newest first.
    last: tuple[RecordedEvent, ...]


def read_histories(connection: Connection, mirrors: Collection[str], now: datetime) -> MirrorHistories:
    """Reads what happened to these mirrors up to a moment, in a transaction."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since, now_s = today - timedelta(days=DAYS - 1), int(now.timestamp())
    onsets: defaultdict[str, list[Onset]] = defaultdict(list)
    by_mirror: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
    last: list[RecordedEvent] = []
    for row in _newest_first(connection, mirrors, since):
        if row.kind in STANDINGS:
            onsets[row.mirror].append(_onset(row))
        for found, most in ((last, EVENTS_OF_ALL), (by_mirror[row.mirror], EVENTS_OF_MIRROR)):
            if len(found) < most:
                found.append(event_of(row))
    for name in mirrors:
        onsets[name] += _held(connection, name, since)
    return MirrorHistories(
        since=since,
        days={n: days_of(of[::-1], int(since.timestamp()), now_s) for n, of in onsets.items() if of},
        events={name: tuple(found) for name, found in by_mirror.items()},
        last=tuple(last),
    )


def days_of(onsets: Sequence[Onset], since_s: int, now_s: int) -> tuple[MirrorDay, ...]:
    """Returns how long a mirror was in each condition on each day. `onsets` are in the order of time, and
    `since_s` is the beginning of the first day."""
    seconds = [dict.fromkeys(Condition, 0) for _ in range((now_s - since_s) // SECONDS_OF_DAY + 1)]
    for onset, next_ in pairwise((*onsets, Onset(now_s, None))):
        begin, end = max(onset.at_s, since_s), min(next_.at_s, now_s)
        while onset.condition is not None and begin < end:
            day = (begin - since_s) // SECONDS_OF_DAY
            till = min(end, since_s + (day + 1) * SECONDS_OF_DAY)
            seconds[day][onset.condition] += till - begin
            begin = till
    return tuple(
        MirrorDay(up_s=day[Condition.UP], stale_s=day[Condition.STALE], out_s=day[Condition.OUT])
        for day in seconds
    )


def _newest_first(connection: Connection, mirrors: Collection[str], since: datetime) -> Iterable[Row[Any]]:
    """Returns all events of these mirrors since a moment."""
    is_wanted = events.c.mirror.in_(mirrors) & (events.c.at_s >= since.timestamp())
    order = (events.c.at_s.desc(), events.c.kind.desc(), events.c.id)
    return connection.execute(select(events).where(is_wanted).order_by(*order))


def _held(connection: Connection, mirror: str, at: datetime) -> Iterable[Onset]:
    """Returns the onset of the condition that a mirror was in just before a moment, if it is known."""
    is_before = (events.c.mirror == mirror) & (events.c.at_s < at.timestamp()) & events.c.kind.in_(STANDINGS)
    newest = select(events).where(is_before).order_by(events.c.at_s.desc(), events.c.kind.desc()).limit(1)
    return map(_onset, connection.execute(newest))


def _onset(row: Row[Any]) -> Onset:
    is_there = row.kind != EventKind.REMOVED
    return Onset(int(row.at_s), condition_of(row.after) if is_there else None)
