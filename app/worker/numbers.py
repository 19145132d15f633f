"""The largest numbers of mirrors that each list had in the last 24 hours, which the guard compares with.

The numbers of the last publication count however old they are, because they are what clients get.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from app.model import Count, Record

WINDOW_HOURS = 24


class Counts(Record, frozen=True, kw_only=True, array_like=True):
    """The numbers of public mirrors of a list."""

    #: Mirrors whose files allow that they are served.
    declared: int
    #: Of these, the mirrors that are well as a whole, whatever was found of this repo.
    well: int
    #: Of these, the mirrors that are known to have the repo, or trusted to.
    known: int


class HourCounts(Record, frozen=True, kw_only=True):
    """The largest numbers of each list in one hour. `hour` counts hours from the epoch. What a later hour has
    as large is left out."""

    hour: Count
    largest: dict[str, Counts]


class LargestNumbers:
    """The largest numbers of each list, hour by hour. It never changes."""

    def __init__(self, hours: Iterable[HourCounts] = ()) -> None:
        self._hours = {counts.hour: counts.largest for counts in hours}

    def of_day(self, now: float) -> dict[str, Counts]:
        """Returns the largest numbers of the last 24 hours before `now` (in epoch seconds)."""
        return _largest(self._recent(now).values())

    def less(self, taken: Mapping[str, Counts]) -> LargestNumbers:
        """Returns these numbers as if the mirrors counted in `taken` had never been there."""
        if not taken:
            return self
        return LargestNumbers(
            HourCounts(hour=hour, largest={q: _less(most, taken.get(q)) for q, most in largest.items()})
            for hour, largest in self._hours.items()
        )

    def without(self, questions: Collection[str]) -> LargestNumbers:
        """Returns these numbers without those of some lists, whose losses were accepted."""
        if not questions:
            return self
        return LargestNumbers(
            HourCounts(hour=hour, largest={q: most for q, most in largest.items() if q not in questions})
            for hour, largest in self._hours.items()
        )

    def after(self, counts: Mapping[str, Counts], now: float) -> LargestNumbers:
        """Returns the numbers after a publication with these."""
        hour, hours = int(now // 3600), self._recent(now)
        hours[hour] = _largest([hours.get(hour, {}), counts])
        kept, later = [], dict[str, Counts]()
        for before in sorted(hours, reverse=True):
            larger = {q: most for q, most in hours[before].items() if _exceeds(most, later.get(q))}
            later = _largest([later, larger])
            if larger or before == hour:
                kept.append(HourCounts(hour=before, largest=larger))
        return LargestNumbers(kept)

    def remembered(self, now: float) -> tuple[HourCounts, ...]:
        """Returns the hours to keep across a restart, oldest first."""
        return tuple(HourCounts(hour=hour, largest=largest) for hour, largest in self._recent(now).items())

    def _recent(self, now: float) -> dict[int, dict[str, Counts]]:
        """Returns the last 24 hours, and the last hour with numbers in any case. Hours in the future count
        too: the clock was set back."""
        oldest = min(int(now // 3600) - WINDOW_HOURS, max(self._hours, default=0))
        return {hour: largest for hour, largest in sorted(self._hours.items()) if hour >= oldest}


def _largest(several: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Returns the largest numbers of each list, each number by itself."""
    largest: dict[str, Counts] = {}
    for counts in several:
        for question, found in counts.items():
            known = largest.get(question)
            largest[question] = found if known is None else _larger(found, known)
    return largest


def _larger(one: Counts, other: Counts) -> Counts:
    if one == other:
        return one
    return Counts(
        declared=max(one.declared, other.declared),
        well=max(one.well, other.well),
        known=max(one.known, other.known),
    )


def _less(most: Counts, taken: Counts | None) -> Counts:
    if taken is None:
        return most
    return Counts(
        declared=max(0, most.declared - taken.declared),
        well=max(0, most.well - taken.well),
        known=max(0, most.known - taken.known),
    )


def _exceeds(one: Counts, other: Counts | None) -> bool:
    return other is None or one.declared > other.declared or one.well > other.well or one.known > other.known
