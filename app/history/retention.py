"""Forgets old sums and events: those of days after years, those of places after weeks. Places then have
months."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection, delete, exists

from app.history.database import HistoryDatabase
from app.history.events import STANDINGS
from app.history.tables import DAY_SUMS, events, place_days, place_months, positions

SECONDS_OF_DAY = 24 * 3600


@dataclass(frozen=True)
class Retention:
    """For how many days sums and events are kept. Sums of weeks and months are kept for good."""

    days: int = 730
    #: For how many days it is kept how many clients each place had on each day.
    place_days: int = 60


def forget(database: HistoryDatabase, retention: Retention, today: date) -> int:
    """Deletes what is older than it may be, and returns the number of rows. Raises HistoryError."""
    before = (today - timedelta(days=retention.days)).isoformat()
    places_before = (today - timedelta(days=retention.place_days)).isoformat()
    with database.writing() as connection:
        months: defaultdict[tuple[str, str], int] = defaultdict(int)
        old = delete(place_days).where(place_days.c.day < places_before).returning(*place_days.c)
        deleted = 0
        for day, place, _, requests in connection.execute(old):
            months[day[:7], place] += requests
            deleted += 1
        database.add(connection, place_months, months)
        for table in DAY_SUMS:
            time = next(iter(table.c))
            deleted += connection.execute(delete(table).where(time < before)).rowcount
        oldest_s = (date.fromisoformat(before) - date(1970, 1, 1)).days * SECONDS_OF_DAY
        old_positions = positions.c.is_done & (positions.c.seen_at_s < oldest_s)
        connection.execute(delete(positions).where(old_positions))
        deleted += _forget_events(connection, oldest_s)
    return deleted


def forget_events(database: HistoryDatabase, before_s: float) -> None:
    """Deletes the events before a time in epoch seconds. Raises HistoryError."""
    with database.writing() as connection:
        _forget_events(connection, before_s)


def _forget_events(connection: Connection, before_s: float) -> int:
    """Deletes old events, but for those that say what is the matter with a mirror until today."""
    later = events.alias("later")
    standings = [kind.value for kind in STANDINGS]
    is_settled = exists().where(
        later.c.mirror == events.c.mirror, later.c.kind.in_(standings), later.c.at_s > events.c.at_s
    )
    is_past = events.c.kind.not_in(standings) | is_settled
    return connection.execute(delete(events).where(events.c.at_s < before_s, is_past)).rowcount
