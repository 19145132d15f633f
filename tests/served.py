"""What was served in a year, and how versions came to mirrors in a month, as the history's database would
have it: invented, always the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import numpy as np

from app.history.totals import DAYS, MIRROR_DAYS, WEEKS, HistoryTotals
from app.history.versions import KnownVersion
from app.model.countries import countries
from app.snapshot.propagation import PropagationDocument, document
from app.worker.propagation import DAYS as PROPAGATION_DAYS
from app.worker.propagation import Meant, propagation_of

TODAY = date(2026, 11, 27)


def day(ago: int) -> str:
    """A day so many days ago, as the tables write it."""
    return str(TODAY - timedelta(days=ago))


def a_year(mirrors: Sequence[str], places: int = 10_000) -> HistoryTotals:
    """A busy year: every country, as many places as a city database has, all releases, and much software."""
    chance = random.Random(1)
    codes = list(countries())
    monday = TODAY - timedelta(days=TODAY.weekday())
    weeks = [str(monday - timedelta(weeks=ago)) for ago in range(WEEKS)]
    return HistoryTotals(
        until=TODAY,
        days={day(ago): (chance.randrange(40_000_000, 60_000_000), ago) for ago in range(DAYS)},
        systems={
            week: {f"Example Linux 9.{minor}": {"baseos-9": 1_000_000 // (minor + 1)} for minor in range(12)}
            for week in weeks
        },
        places={place: int(chance.paretovariate(0.6) * 5) for place in _places(chance, codes, places)},
        countries={code: 10_000_000 // (number + 1) for number, code in enumerate(codes)},
        releases={f"9.{minor}": 1_000_000 * (minor + 1) for minor in range(9)},
        repos={f"repo-{number}": 1_000_000 // (number + 1) for number in range(40)},
        arches=dict.fromkeys(("x86_64", "aarch64", "ppc64le", "s390x", ""), 1_000_000),
        software={f"dnf on Example Linux 9.{minor}": 1000 * (minor + 1) for minor in range(40)},
        mirror_days={
            name: {day(ago): 10_000 // (number + 1) for ago in range(MIRROR_DAYS)}
            for number, name in enumerate(mirrors)
        },
        mirror_countries={
            name: {code: 100_000 // (number + rank + 1) for rank, code in enumerate(codes[:40])}
            for number, name in enumerate(mirrors)
        },
    )


def _places(chance: random.Random, codes: Sequence[str], number: int) -> list[str]:
    """Cells that lie beside one another, as those do where people live."""
    cells: dict[tuple[int, int], None] = {}
    while len(cells) < number:
        north, east = chance.randint(-45, 70), chance.randint(-180, 179)
        for _ in range(60):
            north = max(-55, min(75, north + chance.randint(-1, 1)))
            east = max(-180, min(179, east + chance.randint(-1, 1)))
            cells[north, east] = None
    return [f"{chance.choice(codes)}/{north}/{east}" for north, east in list(cells)[:number]]


def a_month(mirrors: Sequence[str], repos: Sequence[str], now: datetime) -> PropagationDocument:
    """New versions of these repos every few days, which come to the mirrors within hours or days; a few
    mirrors get nothing."""
    chance = np.random.default_rng(1)
    numbers = {name: number for number, name in enumerate(mirrors, 1)}
    known = Meant(mirrors, dict.fromkeys(repos, range(len(mirrors))), {}, 900.0)
    usual_s = chance.exponential(6 * 3600, len(mirrors))
    versions = []
    for place, repo in enumerate(sorted(repos)):
        for number in range(8, -1, -1):
            origin_s = now.timestamp() - 3600 * (3 + place % 40 + 80 * number)
            at_s = origin_s + usual_s * chance.uniform(0.5, 2.0, len(mirrors))
            has = (at_s < now.timestamp()) & (np.arange(len(mirrors)) % 50 != 7)
            at = at_s[has].astype(np.uint32)
            version = f"{place:08x}{number:08x}"
            which = np.flatnonzero(has).astype(np.uint32) + 1
            versions.append(KnownVersion(repo, version, origin_s, which, at, np.ones(len(at), np.bool_)))
    since = now - timedelta(days=PROPAGATION_DAYS)
    return document(*propagation_of(versions, numbers, known, since, now))
