"""What of the sums in the history's database is shown, and how it is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.history.totals import DAYS, MIRROR_DAYS, HistoryTotals
from app.snapshot.statistics import OTHER, MirrorRequests, Statistics
from app.worker.statistics import MOST_NAMES, Shown, in_order, statistics_of
from tests.served import TODAY, day

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NONE = HistoryTotals(
    until=TODAY,
    days={},
    systems={},
    places={},
    countries={},
    releases={},
    repos={},
    arches={},
    software={},
    mirror_days={},
    mirror_countries={},
)
PUBLIC = ("a.example.org", "b.example.org", "cloud.example.org")
SHOWN = Shown(least=10, mirrors=PUBLIC, planned={"a.example.org": 0.75, "b.example.org": 0.25})


def of(shown: Shown = SHOWN, **sums: Any) -> tuple[Statistics, dict[str, MirrorRequests]]:
    service, mirrors = statistics_of(replace(NONE, **sums), shown, NOW)
    return service, dict(mirrors)


@pytest.mark.parametrize(
    ("numbers", "most", "expected"),
    [
        pytest.param({}, None, [], id="nothing"),
        pytest.param({"DE": 10, "FR": 11}, None, [("FR", 11), ("DE", 10)], id="the largest first"),
        pytest.param({"B": 10, "A": 10}, None, [("A", 10), ("B", 10)], id="alike: by name"),
        pytest.param({"DE": 10, "FR": 9, "LU": 3}, None, [("DE", 10), (OTHER, 12)], id="too few are other"),
        pytest.param({"FR": 9}, None, [(OTHER, 9)], id="all are other"),
        pytest.param({"": 20}, None, [("unknown", 20)], id="what is not known"),
        pytest.param({"A": 12, OTHER: 40, "B": 3}, None, [("A", 12), (OTHER, 43)], id="other stays other"),
        pytest.param({"A": 30, "B": 20, "C": 10}, 1, [("A", 30), (OTHER, 30)], id="too many are other"),
    ],
)
def test_in_order(numbers: dict[str, int], most: int | None, expected: list[tuple[str, int]]) -> None:
    """Nothing with less than the least number has a name, and nothing gets lost."""
    found = [(one.name, one.requests) for one in in_order(numbers, 10, most)]
    assert found == expected
    assert sum(number for _, number in found) == sum(numbers.values())


@pytest.mark.parametrize("part", ["places", "countries", "releases", "repos", "arches", "software"])
def test_all_parts_are_bounded_below(part: str) -> None:
    """Of no part is anything shown that has too few requests: clients write the names of some of them."""
    totals: dict[str, Any] = {part: {"many": 10, "few": 9}}
    service, _ = of(**totals)
    assert [one.name for one in getattr(service, part)] == ["many", OTHER]


def test_what_was_not_named() -> None:
    """A request may name no arch, and one for ISOs names no repo; a country may not be known."""
    service, _ = of(arches={"": 20}, repos={"": 30}, countries={"": 40}, places={"": 50})
    parts = (service.arches, service.repos, service.countries, service.places)
    assert [part[0].name for part in parts] == ["none named", "ISOs", "unknown", "unknown"]


def test_clients_cannot_make_a_page_long() -> None:
    """Of software and systems, whose names clients choose, only the first hundred are shown."""
    many = {f"name {number}": 10 + number for number in range(1000)}
    service, _ = of(software=many, systems={day(0): {name: {"r": 10} for name in many}})
    assert len(service.software) == len(service.weeks[0].systems) == MOST_NAMES + 1
    assert service.software[-1].name == OTHER


def test_days_without_requests_are_days() -> None:
    """From the first day on, each day has its number, also 0; today is the last one."""
    service, _ = of(days={day(3): (5, 1), day(1): (7, 0)})
    assert [(str(one.day), one.requests, one.failed) for one in service.days] == [
        (day(3), 5, 1),
        (day(2), 0, 0),
        (day(1), 7, 0),
        (day(0), 0, 0),
    ]
    assert len(of(days={day(DAYS - 1): (1, 0)})[0].days) == DAYS


def test_systems_are_not_counted_once_for_each_repo() -> None:
    """A system says of each repo with countme that it exists, so the repo most told of counts."""
    service, _ = of(systems={"2026-11-23": {"Example Linux 9.8": {"baseos-9": 50, "appstream-9": 40}}})
    assert [one.requests for one in service.weeks[0].systems] == [50]
    assert service.weeks[0].number == 50


MIRRORS = {
    "a.example.org": {"DE": 60, "FR": 9},
    "b.example.org": {"DE": 31},
    "cloud.example.org": {"US": 1000},
    "private.example.org": {"DE": 5000},
    "": {"DE": 7000},
}


def test_private_mirrors_are_neither_named_nor_counted() -> None:
    """Only the mirrors that are for all are there, and shares are of what the ranked ones were sent."""
    service, mirrors = of(mirror_countries=MIRRORS)
    assert [(one.mirror, one.requests, one.sent, one.planned) for one in service.mirrors] == [
        ("cloud.example.org", 1000, None, None),
        ("a.example.org", 69, 0.69, 0.75),
        ("b.example.org", 31, 0.31, 0.25),
    ]
    assert set(mirrors) == set(PUBLIC)


def test_one_mirror() -> None:
    """It has its days up to today, also those without requests, and the countries with enough of them."""
    _, mirrors = of(mirror_countries=MIRRORS, mirror_days={"a.example.org": {day(0): 9, day(2): 60}})
    one = mirrors["a.example.org"]
    assert (len(one.days), one.days[-3:], sum(one.days)) == (MIRROR_DAYS, (60, 0, 9), 69)
    assert one.first_day == TODAY - timedelta(days=MIRROR_DAYS - 1)
    assert one.last_day == TODAY
    assert [(country.name, country.requests) for country in one.countries] == [("DE", 60), (OTHER, 9)]


def test_without_a_plan() -> None:
    """Where no shares are planned, as without a city database, there are numbers of requests all the same."""
    service, _ = of(Shown(10, PUBLIC, {}), mirror_countries=MIRRORS)
    assert [(one.requests, one.planned) for one in service.mirrors] == [(1000, None), (69, None), (31, None)]
