"""The sums that statistics are made from, as the history's database has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table
from sqlalchemy.engine import URL

from app.history import tables
from app.history.database import HistoryDatabase
from app.history.totals import DAYS, MIRROR_DAYS, RECENT_DAYS, WEEKS, HistoryTotals, read_totals
from tests.served import TODAY, day

MONDAY = TODAY - timedelta(days=TODAY.weekday())


@pytest.fixture
def database(tmp_path: Path) -> Iterator[HistoryDatabase]:
    database = HistoryDatabase(URL.create("sqlite", database=str(tmp_path / "history.sqlite")))
    yield database
    database.close()


def counted(database: HistoryDatabase, table: Table, sums: dict[tuple[Any, ...], int]) -> None:
    with database.writing() as connection:
        database.add(connection, table, sums)


def read(database: HistoryDatabase, until: date = TODAY) -> HistoryTotals:
    with database.reading() as connection:
        return read_totals(connection, until)


def test_days(database: HistoryDatabase) -> None:
    """A day has all requests of its hours, whatever they were for, and how many of them failed."""
    counted(
        database,
        tables.hours,
        {
            (f"{day(0)}T00", "almalinux", 200, "HIT", 4, "geography"): 5,
            (f"{day(0)}T23", "", 404, "", 6, ""): 3,
            (f"{day(0)}T23", "", 503, "", 6, ""): 2,
            (f"{day(DAYS - 1)}T00", "metalink", 200, "", 4, ""): 7,
            (f"{day(DAYS)}T23", "metalink", 200, "", 4, ""): 11,
            (f"{day(-1)}T00", "metalink", 200, "", 4, ""): 13,
        },
    )
    assert read(database).days == {day(0): (10, 2), day(DAYS - 1): (7, 0)}


@pytest.mark.parametrize(
    ("table", "key", "name"),
    [
        (tables.place_days, ("DE/50/8", "geography"), "places"),
        (tables.country_days, ("DE",), "countries"),
        (tables.repo_days, ("9.8", "baseos", "x86_64"), "releases"),
        (tables.repo_days, ("9.8", "baseos", "x86_64"), "repos"),
        (tables.repo_days, ("9.8", "baseos", "x86_64"), "arches"),
        (tables.software_days, ("dnf", "Example Linux", "9.8", "server", "x86_64"), "software"),
    ],
)
def test_last_days(database: HistoryDatabase, table: Table, key: tuple[str, ...], name: str) -> None:
    """What is of the last days is of exactly these, summed up by one name."""
    counted(
        database,
        table,
        {
            (day(0), *key): 2,
            (day(RECENT_DAYS - 1), *key): 3,
            (day(RECENT_DAYS), *key): 100,
            (day(-1), *key): 100,
        },
    )
    assert list(getattr(read(database), name).values()) == [5]


def test_names_of_software(database: HistoryDatabase) -> None:
    """Variants and arches of one version of an operating system are one, and a family alone is another."""
    counted(
        database,
        tables.software_days,
        {
            (day(0), "dnf", "Example Linux", "9.8", "server", "x86_64"): 1,
            (day(0), "dnf", "Example Linux", "9.8", "desktop", "aarch64"): 2,
            (day(0), "dnf", "", "", "", ""): 4,
        },
    )
    assert read(database).software == {"dnf on Example Linux 9.8": 3, "dnf": 4}


def test_mirrors(database: HistoryDatabase) -> None:
    """Of a mirror there are the days of a quarter, and the countries of the last days."""
    counted(
        database,
        tables.mirror_days,
        {
            (day(0), "a.example.org", "DE"): 1,
            (day(0), "a.example.org", "FR"): 2,
            (day(RECENT_DAYS), "a.example.org", "FR"): 4,
            (day(MIRROR_DAYS - 1), "b.example.org", "FR"): 8,
            (day(MIRROR_DAYS), "b.example.org", "FR"): 16,
        },
    )
    found = read(database)
    assert found.mirror_days == {
        "a.example.org": {day(0): 3, day(RECENT_DAYS): 4},
        "b.example.org": {day(MIRROR_DAYS - 1): 8},
    }
    assert found.mirror_countries == {"a.example.org": {"DE": 1, "FR": 2}}


def test_systems(database: HistoryDatabase) -> None:
    """Systems are of the weeks of a year, by operating system and repo, whatever their ages and arches."""
    oldest, too_old = MONDAY - timedelta(weeks=WEEKS - 1), MONDAY - timedelta(weeks=WEEKS)
    of = ("Example Linux", "9.8", "server", "x86_64")
    counted(
        database,
        tables.system_weeks,
        {
            (str(MONDAY), *of, 1, "baseos-9", "x86_64"): 1,
            (str(MONDAY), *of, 4, "baseos-9", "x86_64"): 2,
            (str(MONDAY), *of, 4, "appstream-9", "x86_64"): 4,
            (str(oldest), *of, 4, "baseos-9", "x86_64"): 8,
            (str(too_old), *of, 4, "baseos-9", "x86_64"): 16,
        },
    )
    assert read(database).systems == {
        str(MONDAY): {"Example Linux 9.8": {"baseos-9": 3, "appstream-9": 4}},
        str(oldest): {"Example Linux 9.8": {"baseos-9": 8}},
    }


def test_nothing_counted(database: HistoryDatabase) -> None:
    """An empty database has empty sums."""
    counted(database, tables.place_days, {(day(1000), "DE", "geography"): 1})
    found = read(database)
    assert (found.days, found.systems, found.places, found.mirror_days) == ({}, {}, {}, {})
