"""The requests of the last days, by which the worker knows how many clients each place really has.

Only whole days count: part of a day has more requests from where it is daytime. The last day counts in full,
and each day before it a seventh less than the day after it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from sqlalchemy import Column, ColumnElement, Connection, case, func, select

from app.history.database import open_history
from app.history.tables import mirror_days, place_days
from app.model import Count, Pass, Record
from app.model.place import Place
from app.settings import Settings

DAYS = 7

Weighted = Annotated[float, msgspec.Meta(ge=0, le=2**53)]
"""A number of requests, in which those of older days count less."""


class RecentRequests(Record, frozen=True, kw_only=True):
    """The requests of the last seven whole days (UTC)."""

    #: How many had a first mirror that the client's place decided, each counted in full.
    requests: Count = 0
    #: These by place.
    places: dict[Place, Weighted] = {}
    #: All requests by the name of the first mirror.
    mirrors: dict[str, Weighted] = {}


def read_recent(settings: Settings, now: float) -> RecentRequests | None:
    """Reads recent requests from the database that the settings name, at a time in epoch seconds. Returns
    None if there is no database. Raises HistoryError."""
    database = open_history(settings)
    today = datetime.fromtimestamp(now, UTC).date()
    sevenths = {str(today - timedelta(days=ago)): DAYS + 1 - ago for ago in range(1, DAYS + 1)}
    by_place = place_days.c.reason == Pass.GEOGRAPHY.value
    try:
        if not database.is_there:
            return None
        with database.reading() as connection:
            in_time = place_days.c.day.in_(sevenths)
            counted = select(func.sum(place_days.c.requests)).where(in_time, by_place)
            return RecentRequests(
                requests=int(connection.execute(counted).scalar_one() or 0),
                places=_weighted(connection, place_days.c.place, sevenths, by_place),
                mirrors=_weighted(connection, mirror_days.c.mirror, sevenths, mirror_days.c.mirror != ""),
            )
    finally:
        database.close()


def _weighted(
    connection: Connection, column: Column[str], sevenths: dict[str, int], which: ColumnElement[bool]
) -> dict[str, float]:
    """Returns the sums of requests by the values of a column, each day's weighted by its sevenths."""
    table = column.table
    weight = case(sevenths, value=table.c.day, else_=0)
    sums = select(column, func.sum(table.c.requests * weight)).where(table.c.day.in_(sevenths), which)
    return {name: int(number) / DAYS for name, number in connection.execute(sums.group_by(column))}


def encode(recent: RecentRequests) -> bytes:
    return msgspec.msgpack.encode(recent)


def decode(data: bytes) -> RecentRequests | None:
    """Decodes recent requests. Returns None for bytes that do not decode, as those of another version."""
    try:
        return msgspec.msgpack.decode(data, type=RecentRequests)
    except (ValueError, RecursionError):  # msgspec's errors, and texts that are not UTF-8
        return None
