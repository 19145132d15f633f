"""Puts statistics into tables, for pages, CSV files and terminals."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from app.model.countries import countries, english_name
from app.model.place import continent_in, country_of
from app.render.facts import CONTINENTS
from app.render.pictures import Cell
from app.snapshot.statistics import DayOfRequests, MirrorShare, Requests, Statistics

CONTENT_TYPE = "text/csv; charset=utf-8"
SHOWN_DAYS = 28
SHOWN_PLACES = 30
SHOWN_COUNTRIES = 12
SHOWN_SYSTEMS = 30
SHOWN_MIRRORS = 40
LARGEST_DIFFERENCES = 10

Value = str | int | float | date | None
Table = Callable[[Statistics], Iterator[tuple[Value, ...]]]


# --- words -----------------------------------------------------------------------------------------


def country_name(code: str) -> str:
    """Returns the English name of a country, and its code."""
    return f"{english_name(code)} ({code})" if code in countries() else code


def place_name(place: str) -> str:
    """Returns a place in words: which cell of which country, or which country or continent as a whole."""
    cell, country, continent = cell_of(place), country_of(place), continent_in(place)
    if continent is not None:
        return f"{CONTINENTS.get(continent, continent)}, country unknown"
    if cell is None or country is None:
        return "unknown" if not place else country_name(place) if country else place
    north, east = cell
    return f"{country_name(country)}, {_degrees(north, 'N', 'S')}, {_degrees(east, 'E', 'W')}"


def _degrees(corner: int, positive: str, negative: str) -> str:
    near, far = (corner, corner + 1) if corner >= 0 else (-corner - 1, -corner)
    return f"{near}-{far}° {positive if corner >= 0 else negative}"


# --- figures ---------------------------------------------------------------------------------------


def cell_of(place: str) -> Cell | None:
    """Returns the cell of one degree that a place is; None if it is another kind of place."""
    parts = place.split("/")
    try:
        return (int(parts[1]), int(parts[2])) if len(parts) == 3 else None
    except ValueError:
        return None


def by_cell(places: Iterable[Requests]) -> Mapping[Cell, int]:
    """Returns the requests by cell, whatever the countries that share it."""
    numbers: defaultdict[Cell, int] = defaultdict(int)
    for one in places:
        cell = cell_of(one.name)
        if cell is not None:
            numbers[cell] += one.requests
    return numbers


@dataclass(frozen=True)
class Largest:
    """The first rows of a table whose rows are sorted, and what the others have in sum."""

    rows: Sequence[Requests]
    #: How many rows are not shown, and how many requests they have.
    more: int
    more_requests: int
    #: The requests of the whole table, and of the largest row.
    total: int
    top: int


def largest(requests: Sequence[Requests], most: int) -> Largest:
    """Returns the `most` largest rows."""
    rest = requests[most:]
    return Largest(
        rows=requests[:most],
        more=len(rest),
        more_requests=sum(one.requests for one in rest),
        total=max(1, sum(one.requests for one in requests)),
        top=max((one.requests for one in requests), default=1) or 1,
    )


def months(days: Iterable[DayOfRequests]) -> Mapping[str, int]:
    """Returns the requests by month, such as "2026-11", the oldest first."""
    numbers: Counter[str] = Counter()
    for one in days:
        numbers[f"{one.day:%Y-%m}"] += one.requests
    return numbers


def differences(mirrors: Iterable[MirrorShare]) -> list[MirrorShare]:
    """Returns the mirrors that are sent something else than was planned, the largest differences first."""
    known = [one for one in mirrors if one.planned != one.sent]
    return sorted(known, key=lambda one: (-abs((one.sent or 0.0) - (one.planned or 0.0)), one.mirror))


def top_share(mirrors: Iterable[MirrorShare]) -> float:
    """Returns the largest of all shares, sent or planned."""
    return max((max(one.sent or 0.0, one.planned or 0.0) for one in mirrors), default=0.0)


# --- CSV -------------------------------------------------------------------------------------------


def _requests(name: str) -> Table:
    def rows(statistics: Statistics) -> Iterator[tuple[Value, ...]]:
        part: tuple[Requests, ...] = getattr(statistics, name)
        yield from ((one.name, one.requests) for one in part)

    return rows


def _days(statistics: Statistics) -> Iterator[tuple[Value, ...]]:
    yield from ((one.day, one.requests, one.failed) for one in statistics.days)


def _mirrors(statistics: Statistics) -> Iterator[tuple[Value, ...]]:
    yield from ((one.mirror, one.requests, one.sent, one.planned) for one in statistics.mirrors)


def _systems(statistics: Statistics) -> Iterator[tuple[Value, ...]]:
    for week in statistics.weeks:
        yield from ((week.begins, one.name, one.requests) for one in week.systems)


TABLES: Mapping[str, tuple[tuple[str, ...], Table]] = {
    "days": (("day", "requests", "failed"), _days),
    **{
        plural: ((singular, "requests"), _requests(plural))
        for plural, singular in (
            ("places", "place"),
            ("countries", "country"),
            ("releases", "release"),
            ("repos", "repo"),
            ("arches", "arch"),
            ("software", "software"),
        )
    },
    "systems": (("week", "system", "systems"), _systems),
    "mirrors": (("mirror", "requests", "sent", "planned"), _mirrors),
}
"""The tables of the statistics, by name: their columns, and what makes their rows."""


class _Lines(list[str]):
    """What `csv` writes into."""

    def write(self, line: str) -> None:
        self.append(line)


def table(statistics: Statistics, name: str) -> bytes:
    """Returns one of `TABLES` as CSV."""
    columns, rows = TABLES[name]
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows(statistics))
    return "".join(lines).encode()
