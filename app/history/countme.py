"""Writes the systems of each week as Fedora's tool mirrors-countme does, with the same columns.

What counts is a `GET` or `HEAD` for a list or metalink that was answered with 200 or 302 and has `countme=` 1
to 4; the system is empty where the client does not name it as libdnf does. Weeks begin on Monday, 00:00 UTC.
A week that is not over is left out. The tool knows only MirrorManager's URL form; a request in another form
counts as if it had been written so.
"""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from typing import IO, Any

from sqlalchemy import func, select

from app.history.database import HistoryDatabase
from app.history.tables import hours, system_weeks

COLUMNS = (
    *("week_start", "week_end", "hits", "os_name", "os_version", "os_variant", "os_arch"),
    *("sys_age", "repo_tag", "repo_arch"),
)
LATE = timedelta(hours=1)
"""How late a request may be logged. A week is over when what is newer than that has been counted."""


def complete_weeks(database: HistoryDatabase) -> list[tuple[Any, ...]]:
    """Returns a row of `COLUMNS` for each kind of system in each complete week. Raises HistoryError."""
    with database.reading() as connection:
        newest: str | None = connection.execute(select(func.max(hours.c.hour))).scalar_one()
        if newest is None:
            return []
        today = (datetime.fromisoformat(f"{newest}:00") - LATE).date()
        this_week = (today - timedelta(days=today.weekday())).isoformat()
        rows = connection.execute(
            select(system_weeks).where(system_weeks.c.week < this_week).order_by(*system_weeks.primary_key)
        ).all()
    return [(week, _end_of(week), hits, *system) for week, *system, hits in rows]


def write_csv(database: HistoryDatabase, file: IO[str]) -> None:
    """Writes all complete weeks. Raises HistoryError."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(complete_weeks(database))


def _end_of(week: str) -> str:
    """Returns the Sunday of a week."""
    return (date.fromisoformat(week) + timedelta(days=6)).isoformat()
