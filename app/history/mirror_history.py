"""Reads from the history's database what happened to mirrors: how long each was in which condition, day by
day, and the last events.

A mirror's status is the one that its last event says: a change of status, or that the service began to know
the mirror. It holds until the next such event, or until the mirror is removed. Before the first such event,
after its removal, and while the prober has no verdict, nothing is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import Connection, func, select

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
    onsets = _read_onsets(connection, mirrors, since)
    last, by_mirror = _read_events(connection, mirrors, since)
    days = {name: days_of(onsets[name], int(since.timestamp()), now_s) for name in onsets}
    return MirrorHistories(since, days, by_mirror, last)


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


def _read_onsets(
    connection: Connection, mirrors: Collection[str], since: datetime
) -> Mapping[str, list[Onset]]:
    """Returns the onsets of each mirror: the one that held when the first day began, and all later ones."""
    is_standing = events.c.kind.in_(STANDINGS)
    is_wanted = events.c.mirror.in_(mirrors)
    known = select(events.c.mirror).distinct().where(is_wanted).subquery()
    of_it = events.alias("of_it")
    held = (
        select(of_it.c.id)
        .where(of_it.c.mirror == known.c.mirror, of_it.c.kind.in_(STANDINGS))
        .where(of_it.c.at_s < since.timestamp())
        .order_by(of_it.c.at_s.desc(), of_it.c.kind.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (events.c.mirror, events.c.at_s, events.c.kind, events.c.after)
    former = select(*columns).where(events.c.id.in_(select(held).select_from(known)))
    later = select(*columns).where(is_standing, is_wanted, events.c.at_s >= since.timestamp())
    rows = [*connection.execute(former), *connection.execute(later)]
    onsets: defaultdict[str, list[Onset]] = defaultdict(list)
    for mirror, at_s, kind, after in sorted(rows, key=lambda row: (row.at_s, row.kind)):
        onsets[mirror].append(Onset(int(at_s), None if kind == EventKind.REMOVED else condition_of(after)))
    return onsets


def _read_events(
    connection: Connection, mirrors: Collection[str], since: datetime
) -> tuple[tuple[RecordedEvent, ...], Mapping[str, tuple[RecordedEvent, ...]]]:
    """Returns the last events of all these mirrors, and those of each."""
    newest_first = (events.c.at_s.desc(), events.c.id)
    number = func.row_number().over(partition_by=events.c.mirror, order_by=newest_first).label("number")
    overall = func.row_number().over(order_by=newest_first).label("overall")
    numbered = (
        select(events, number, overall)
        .where(events.c.mirror.in_(mirrors), events.c.at_s >= since.timestamp())
        .subquery()
    )
    is_last = (numbered.c.number <= EVENTS_OF_MIRROR) | (numbered.c.overall <= EVENTS_OF_ALL)
    rows = connection.execute(select(numbered).where(is_last).order_by(numbered.c.overall))
    found = [(row.number, event_of(row)) for row in rows]
    by_mirror: defaultdict[str, list[RecordedEvent]] = defaultdict(list)
    for place, event in found:
        if place <= EVENTS_OF_MIRROR:
            by_mirror[event.mirror or ""].append(event)
    last = tuple(event for _, event in found[:EVENTS_OF_ALL])
    return last, {name: tuple(events_of_it) for name, events_of_it in by_mirror.items()}
