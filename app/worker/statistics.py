"""Compiles statistics from what is in the history's database.

What is too small is summed up under another name here, and private mirrors are left out here, so that
nothing of either is ever published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.answer.privacy import names_for_all
from app.history.mirror_history import MirrorHistories
from app.history.totals import DAYS, MIRROR_DAYS, HistoryTotals
from app.snapshot.demand import Market, compared
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.mirror_history import MirrorHistory, history_of
from app.snapshot.statistics import (
    OTHER,
    DayOfRequests,
    MirrorRequests,
    MirrorShare,
    Requests,
    Statistics,
    WeekOfSystems,
)
from app.sources.surveys.known import Known
from app.store import Publication

UNKNOWN = "unknown"
"""The name of what is not known, such as a client's country."""
MOST_NAMES = 100
"""How many names of software and operating systems are shown at most: clients choose these names."""


@dataclass(frozen=True)
class Shown:
    """What of the sums is shown: nothing that has fewer requests than `least`, and of mirrors these alone.
    `planned` has the shares of clients that they are meant to get, as far as they are known."""

    least: int
    mirrors: Sequence[str]
    planned: Mapping[str, float]


@dataclass(frozen=True)
class PublishedPlan:
    """What a worker has published, with the load prices by mirror and the clients by place that it is made
    for, and what the prober knows."""

    published: Publication
    load_km: Mapping[str, float]
    clients: Mapping[str, float]
    probe: Known

    def shown(self, least: int) -> Shown:
        """Returns that public mirrors are shown, with the shares of clients that they are meant to get."""
        snapshot = LoadedSnapshot(self.published.generation, self.published.snapshot)
        mirrors = names_for_all(snapshot)
        if not snapshot.rankable or not self.clients:
            return Shown(least, mirrors, {})
        market = Market(snapshot, self.clients)
        return Shown(least, mirrors, market.planned(market.load_of(self.load_km)))


def statistics_of(
    totals: HistoryTotals, shown: Shown, now: datetime
) -> tuple[Statistics, Mapping[str, MirrorRequests]]:
    """Compiles the statistics of the service, and of each mirror that is shown, by its name."""
    shares = _shares(totals, shown)

    def named(numbers: Mapping[str, int], empty: str = UNKNOWN) -> tuple[Requests, ...]:
        return in_order({name or empty: number for name, number in numbers.items()}, shown.least)

    def chosen(numbers: Mapping[str, int]) -> tuple[Requests, ...]:
        return in_order(numbers, shown.least, MOST_NAMES)

    service = Statistics(
        compiled_at=now,
        least=shown.least,
        days=tuple(_days(totals)),
        since=totals.since,
        places=named(totals.places),
        countries=named(totals.countries),
        releases=named(totals.releases),
        repos=named(totals.repos, "ISOs"),
        arches=named(totals.arches, "none named"),
        software=chosen(totals.software),
        mirrors=tuple(shares.values()),
        weeks=tuple(
            WeekOfSystems(
                begins=date.fromisoformat(week),
                systems=chosen({name: max(repos.values()) for name, repos in systems.items()}),
            )
            for week, systems in sorted(totals.systems.items())
        ),
    )
    return service, {name: _of_mirror(totals, share, shown.least) for name, share in shares.items()}


def in_order(numbers: Mapping[str, int], least: int, most: int | None = None) -> tuple[Requests, ...]:
    """Returns the numbers of requests by name, the largest first. Those below `least`, and all behind the
    first `most`, are summed up at the end, under the name `OTHER`."""
    order = sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
    alone = [(name, number) for name, number in order if number >= least and name != OTHER][:most]
    rest = sum(numbers.values()) - sum(number for _, number in alone)
    named = [Requests(name=name or UNKNOWN, requests=number) for name, number in alone]
    return (*named, Requests(name=OTHER, requests=rest)) if rest else tuple(named)


def _days(totals: HistoryTotals) -> Sequence[DayOfRequests]:
    """Returns all days from the first one with requests on, also those without."""
    if not totals.days:
        return ()
    first = max(date.fromisoformat(min(totals.days)), totals.until - timedelta(days=DAYS - 1))
    days = [first + timedelta(days=number) for number in range((totals.until - first).days + 1)]
    counted = [totals.days.get(str(day), (0, 0)) for day in days]
    return [
        DayOfRequests(day=day, requests=requests, failed=failed)
        for day, (requests, failed) in zip(days, counted, strict=True)
    ]


def _shares(totals: HistoryTotals, shown: Shown) -> dict[str, MirrorShare]:
    """Returns the shares of the mirrors that are shown, by name, the largest first."""
    numbers = {name: sum(totals.mirror_countries.get(name, {}).values()) for name in shown.mirrors}
    shares = {one.mirror: one for one in compared(shown.planned, numbers)}
    order = sorted(numbers, key=lambda name: (-numbers[name], name))
    return {
        name: MirrorShare(
            mirror=name,
            requests=numbers[name],
            sent=shares[name].sent if name in shares else None,
            planned=shares[name].planned if name in shares else None,
        )
        for name in order
    }


def _of_mirror(totals: HistoryTotals, share: MirrorShare, least: int) -> MirrorRequests:
    by_day = totals.mirror_days.get(share.mirror, {})
    days = [totals.mirrors_since + timedelta(days=number) for number in range(MIRROR_DAYS)]
    return MirrorRequests(
        mirror=share.mirror,
        requests=share.requests,
        sent=share.sent,
        planned=share.planned,
        since=totals.since,
        first_day=totals.mirrors_since,
        days=tuple(by_day.get(str(day), 0) for day in days),
        countries=in_order(totals.mirror_countries.get(share.mirror, {}), least),
    )


def histories_of(found: MirrorHistories) -> Mapping[str, MirrorHistory]:
    """Compiles the history of each mirror of which anything is known, by its name."""
    first_day = found.since.date()
    return {
        name: history_of(name, first_day, found.days.get(name, ()), found.events.get(name, ()))
        for name in sorted(found.days.keys() | found.events.keys())
    }
