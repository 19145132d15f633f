"""Decides which generations of the past are kept no longer.

The first generation of each day is kept for a year, the first of each hour for 14 days. All others are kept
for 14 days as well if there is room for them, and for 48 hours in any case that the limit allows. Days and
hours are those of UTC, and an hour's generations grow old together. Where there is no room, the oldest go
first. The first of a day goes after all others of its day, and the first of an hour after all others of its
hour, because these are packed against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

HOUR_S, DAY_S = 3600, 86400
ALL_S, HOURLY_S, DAILY_S = 48 * HOUR_S, 14 * DAY_S, 365 * DAY_S


class Footprint(NamedTuple):
    """What thinning has to know of a generation that is kept."""

    name: str
    since_s: float
    size_bytes: int
    #: The digests of the databases that it needs.
    databases: tuple[str, ...] = ()


def surplus(
    stored: Sequence[Footprint], databases: Mapping[str, int], now_s: float, limit_bytes: int
) -> list[Footprint]:
    """Returns what to remove, in this order. `stored` is what is kept, the oldest first, and `databases` are
    the sizes of all databases, by digest."""
    rank = {one.name: _rank(one, before) for one, before in zip(stored, (None, *stored), strict=False)}
    aged = [one for one in reversed(stored) if _is_aged(one, rank[one.name], now_s)]
    gone = {one.name for one in aged}
    left = [one for one in stored if one.name not in gone]
    over = _size(left, databases) - limit_bytes
    needed = Counter(chain.from_iterable(one.databases for one in left))
    removed = []
    for one in sorted(left, key=lambda one: _order(one, rank[one.name], now_s)):
        if over <= 0:
            break
        removed.append(one)
        over -= one.size_bytes
        needed.subtract(one.databases)
        over -= sum(databases.get(digest, 0) for digest in set(one.databases) if not needed[digest])
    return [*aged, *removed]


def _rank(one: Footprint, before: Footprint | None) -> int:
    """Returns 0 for the first of a day, 1 for the first of an hour, and 2 for any other."""
    if before is None or before.since_s // DAY_S != one.since_s // DAY_S:
        return 0
    return 1 if before.since_s // HOUR_S != one.since_s // HOUR_S else 2


def _is_aged(one: Footprint, rank: int, now_s: float) -> bool:
    if rank == 0:
        return _age_s(one, DAY_S, now_s) > DAILY_S
    return _age_s(one, HOUR_S, now_s) > HOURLY_S


def _age_s(one: Footprint, unit_s: int, now_s: float) -> float:
    """Returns how long ago the hour or day ended in which a generation was published."""
    return now_s - (one.since_s // unit_s + 1) * unit_s


def _order(one: Footprint, rank: int, now_s: float) -> tuple[bool, float, int, float]:
    """Returns the key of the order in which generations make room."""
    is_extra = rank == 2 and _age_s(one, HOUR_S, now_s) > ALL_S
    return not is_extra, one.since_s // DAY_S, -rank, one.since_s


def _size(stored: Iterable[Footprint], databases: Mapping[str, int]) -> int:
    """Returns how many bytes generations take, and all databases, also those that none of them needs."""
    return sum(one.size_bytes for one in stored) + sum(databases.values())
