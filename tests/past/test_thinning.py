"""Which generations are kept for how long."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from app.past.thinning import DAY_S, HOUR_S, Footprint, surplus

MINUTE_S = 60
BEGIN_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
NOW_S = BEGIN_S + 400 * DAY_S + 12 * HOUR_S
PLENTY = 10**12


def each(every_s: int, days: float, size_bytes: int = 1, databases: Sequence[str] = ()) -> list[Footprint]:
    """Generations that were published at this interval in the last days."""
    count = int(days * DAY_S / every_s)
    times = [NOW_S - number * every_s for number in reversed(range(count))]
    return [Footprint(f"{at_s:.0f}", at_s, size_bytes, tuple(databases)) for at_s in times]


def kept(
    stored: list[Footprint], limit: int = PLENTY, databases: dict[str, int] | None = None
) -> list[Footprint]:
    removed = surplus(stored, databases or {}, NOW_S, limit)
    gone = set(removed)
    assert len(gone) == len(removed)
    return [one for one in stored if one not in gone]


def ages_s(stored: Sequence[Footprint]) -> list[float]:
    return [NOW_S - one.since_s for one in stored]


def test_with_room_for_all() -> None:
    """All of 14 days, then one a day up to a year: the first of each day."""
    left = kept(each(15 * MINUTE_S, 400))
    recent = [age for age in ages_s(left) if age <= 14 * DAY_S]
    assert len(recent) == 14 * 96 + 1
    old = [one.since_s for one in left if NOW_S - one.since_s > 14 * DAY_S + HOUR_S]
    assert all(at_s % DAY_S == 0 for at_s in old)
    assert all(later - before == DAY_S for before, later in pairwise(old))
    assert 364 * DAY_S < max(ages_s(left)) <= 366 * DAY_S


@pytest.mark.parametrize(
    ("limit", "younger_than_s", "apart_s"),
    [
        pytest.param(1_000, 48 * HOUR_S, 15 * MINUTE_S, id="all of 48 hours"),
        pytest.param(1_000, 14 * DAY_S, HOUR_S, id="and one an hour of 14 days"),
        pytest.param(1_000, 365 * DAY_S, DAY_S, id="and one a day of a year"),
    ],
)
def test_what_the_promise_needs_stays_longest(limit: int, younger_than_s: int, apart_s: int) -> None:
    """192 of 48 hours, 288 of 12 more days and 351 of the rest of the year are less than 1,000: all of them
    stay, and what else is younger than 14 days makes room, the oldest first."""
    left = kept(each(15 * MINUTE_S, 400), limit)
    assert len(left) == limit
    times = {one.since_s for one in left}
    first = (NOW_S - younger_than_s) // apart_s * apart_s + apart_s
    wanted = {first + number * apart_s for number in range(int(younger_than_s / apart_s) - 1)}
    assert wanted <= times


def test_a_small_limit() -> None:
    """The oldest go first. What others are packed against goes after them: the first of a day last of its
    day, the first of an hour after all others of its hour."""
    stored = each(15 * MINUTE_S, 3)
    gone = surplus(stored, {}, NOW_S, limit_bytes=100)
    assert len(stored) - len(gone) == 100
    left = {one.since_s for one in kept(stored, 100)}
    assert max(left) == NOW_S
    for at_s in left:
        hour, day = at_s // HOUR_S * HOUR_S, at_s // DAY_S * DAY_S
        assert {hour, day} - {stored[0].since_s // DAY_S * DAY_S} <= left | {at_s}
    assert kept(stored, 0) == []


def test_databases_count_until_the_last_of_theirs_is_gone() -> None:
    """A database takes room as long as a generation needs it."""
    old, new = each(HOUR_S, 3, databases=["a"]), each(HOUR_S, 13 / 24, databases=["b"])
    stored = [one for one in old if one.since_s < new[0].since_s] + new
    left = kept(stored, 1_000 + len(new), {"a": 1_000, "b": 1_000})
    assert left == new


def test_hours_without_a_publication() -> None:
    """What was published before them is still the first of its own hour and day."""
    stored = each(5 * DAY_S, 300)
    assert kept(stored) == stored
