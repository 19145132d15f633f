"""Knows how many requests came from each place, as a number of its clients."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta

from sqlalchemy import func, select

from app.history.database import HistoryDatabase
from app.history.tables import place_days
from app.model import HistoryError, Pass
from app.model.place import parse_place


def requests_by_place(database: HistoryDatabase, first: date, last: date) -> dict[str, int]:
    """Returns the number of requests from each place in the days from `first` to `last`, of those whose first
    mirror the place decided. Raises HistoryError."""
    in_time = place_days.c.day.between(first.isoformat(), last.isoformat())
    by_place = place_days.c.reason == Pass.GEOGRAPHY.value
    found = (
        select(place_days.c.place, func.sum(place_days.c.requests))
        .where(in_time, by_place)
        .group_by(place_days.c.place)
    )
    with database.reading() as connection:
        return {place: int(requests) for place, requests in connection.execute(found)}


def places_csv(database: HistoryDatabase, today: date, days: int) -> str:
    """Returns the content of a `places.csv`: the requests of the last days by place. Raises HistoryError, and
    also if there were none, because a file without any client would count."""
    known = _known(requests_by_place(database, today - timedelta(days=days - 1), today))
    if not known:
        raise HistoryError(f"{database}: nothing has been counted yet, or not in the last {days} days")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("place", "clients"))
    writer.writerows(sorted(known.items()))
    return file.getvalue()


def _known(requests: Mapping[str, int]) -> dict[str, int]:
    """Returns the requests from places that exist: whoever reads the file refuses all others."""
    known = {}
    for place, number in requests.items():
        with suppress(ValueError):
            known[parse_place(place)] = number
    return known
