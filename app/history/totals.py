"""Reads from the history's database the sums from which statistics are made.

What is summed up further is summed up by the database. So what is read has a size that the number of places,
mirrors and days bounds, not the number of requests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Column, Connection, Table, case, func, select

from app.history import tables

DAYS = 366
"""How many days, the last one included, there is a number of requests for."""
WEEKS = 53
RECENT_DAYS = 28
"""The days that all else is of: as many of each day of the week."""
MIRROR_DAYS = 91

Numbers = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class HistoryTotals:
    """Sums of requests up to `until`, by what their names say. All but the first two and `mirror_days` are of
    the last `RECENT_DAYS` days."""

    until: date
    #: By day, such as "2026-11-27": the requests, and those of them that failed.
    days: Mapping[str, tuple[int, int]]
    #: Systems by week, operating system and repo.
    systems: Mapping[str, Mapping[str, Numbers]]
    places: Numbers
    countries: Numbers
    releases: Numbers
    repos: Numbers
    arches: Numbers
    #: The client's software, as people write it.
    software: Numbers
    #: By mirror and day; of the last `MIRROR_DAYS` days.
    mirror_days: Mapping[str, Numbers]
    #: By mirror and country.
    mirror_countries: Mapping[str, Numbers]

    @property
    def since(self) -> date:
        """The first of the last days."""
        return self.until - timedelta(days=RECENT_DAYS - 1)

    @property
    def mirrors_since(self) -> date:
        """The first day of `mirror_days`."""
        return self.until - timedelta(days=MIRROR_DAYS - 1)


def read_totals(connection: Connection, until: date) -> HistoryTotals:
    """Reads the sums up to a day, in a transaction."""
    first = until - timedelta(days=RECENT_DAYS - 1)
    repos, mirrors = tables.repo_days, tables.mirror_days

    def recent(column: Column[str]) -> Numbers:
        return _numbers(connection, column, first, until)

    return HistoryTotals(
        until=until,
        days=_days(connection, until),
        systems=_systems(connection, until),
        places=recent(tables.place_days.c.place),
        countries=recent(tables.country_days.c.country),
        releases=recent(repos.c.release),
        repos=recent(repos.c.repo),
        arches=recent(repos.c.arch),
        software=_software(connection, first, until),
        mirror_days=_by_two(
            connection, (mirrors.c.mirror, mirrors.c.day), until - timedelta(days=MIRROR_DAYS - 1), until
        ),
        mirror_countries=_by_two(connection, (mirrors.c.mirror, mirrors.c.country), first, until),
    )


def _numbers(connection: Connection, column: Column[str], first: date, until: date) -> Numbers:
    table: Table = column.table
    found = connection.execute(
        select(column, func.sum(table.c.requests))
        .where(table.c.day.between(str(first), str(until)))
        .group_by(column)
    )
    return {name: int(number) for name, number in found}


def _by_two(
    connection: Connection, columns: tuple[Column[str], Column[str]], first: date, until: date
) -> Mapping[str, Numbers]:
    table: Table = columns[0].table
    found = connection.execute(
        select(*columns, func.sum(table.c.requests))
        .where(table.c.day.between(str(first), str(until)))
        .group_by(*columns)
    )
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    for one, other, number in found:
        numbers[one][other] = int(number)
    return numbers


def _days(connection: Connection, until: date) -> Mapping[str, tuple[int, int]]:
    hours = tables.hours
    day = func.substr(hours.c.hour, 1, len("2026-11-27"))
    first, end = str(until - timedelta(days=DAYS - 1)), str(until + timedelta(days=1))
    failed = case((hours.c.status >= 500, hours.c.requests), else_=0)
    found = connection.execute(
        select(day, func.sum(hours.c.requests), func.sum(failed))
        .where(hours.c.hour >= first, hours.c.hour < end)
        .group_by(day)
    )
    return {name: (int(requests), int(errors)) for name, requests, errors in found}


def _software(connection: Connection, first: date, until: date) -> Numbers:
    table = tables.software_days
    of = (table.c.family, table.c.os_name, table.c.os_version)
    found = connection.execute(
        select(*of, func.sum(table.c.requests))
        .where(table.c.day.between(str(first), str(until)))
        .group_by(*of)
    )
    return {_software_name(family, name, version): int(number) for family, name, version, number in found}


def _software_name(family: str, os_name: str, os_version: str) -> str:
    system = " ".join(filter(None, (os_name, os_version)))
    return f"{family} on {system}" if system else family


def _systems(connection: Connection, until: date) -> Mapping[str, Mapping[str, Numbers]]:
    """Returns systems by week, operating system and repo."""
    table = tables.system_weeks
    monday = until - timedelta(days=until.weekday())
    of = (table.c.week, table.c.os_name, table.c.os_version, table.c.repo_tag)
    found = connection.execute(
        select(*of, func.sum(table.c.requests))
        .where(table.c.week.between(str(monday - timedelta(weeks=WEEKS - 1)), str(monday)))
        .group_by(*of)
    )
    weeks: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for week, name, version, repo, number in found:
        weeks[week][" ".join(filter(None, (name, version))) or "unknown"][repo] = int(number)
    return weeks
