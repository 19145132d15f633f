"""What happened to a mirror in the last 90 days, as its page and its feed show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

import msgspec

from app.model import MirrorDay, Record, RecordedEvent, about

SECONDS_OF_DAY = 24 * 3600
BADGE_DAYS = 30
"""The days that the availability on a badge is of, today included."""

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]


class MirrorHistory(Record, frozen=True, kw_only=True):
    """How long a mirror was up, stale or out, and what changed about it."""

    mirror: str
    availability: Annotated[
        Part | None,
        about("Of the time that is known, the share in which it answered; null if nothing is known."),
    ]
    freshness: Annotated[
        Part | None,
        about("Of the time in which it answered, the share in which it was not stale; null likewise."),
    ]
    availability_30_days: Annotated[Part | None, about("The same of the last 30 days.")]
    first_day: date
    days: Annotated[
        tuple[MirrorDay, ...],
        about(
            "Each day from `first_day` to today, in UTC: the seconds in which it was up, stale, and out (no "
            "answer, or of no use). What is missing of a day is not known."
        ),
    ]
    events: Annotated[tuple[RecordedEvent, ...], about("The last ones, the newest first.")]

    @property
    def last_day(self) -> date:
        """The last one of `days`."""
        return self.first_day + timedelta(days=max(0, len(self.days) - 1))

    @property
    def is_possible(self) -> bool:
        """Whether the values can be true."""
        return self.first_day.toordinal() + len(self.days) <= date.max.toordinal() and all(
            day.up_s + day.stale_s + day.out_s <= SECONDS_OF_DAY for day in self.days
        )


def history_of(
    mirror: str, first_day: date, days: Sequence[MirrorDay], events: Sequence[RecordedEvent]
) -> MirrorHistory:
    """Returns the history of a mirror, with the shares that follow from its days."""
    return MirrorHistory(
        mirror=mirror,
        availability=availability_in(days),
        freshness=freshness_in(days),
        availability_30_days=availability_in(days[-BADGE_DAYS:]),
        first_day=first_day,
        days=tuple(days),
        events=tuple(events),
    )


def availability_in(days: Sequence[MirrorDay]) -> float | None:
    """Returns the share of the known time in which a mirror answered; None if nothing is known."""
    answered_s = sum(day.up_s + day.stale_s for day in days)
    return _part(answered_s, answered_s + sum(day.out_s for day in days))


def freshness_in(days: Sequence[MirrorDay]) -> float | None:
    """Returns the share of the time in which a mirror answered and was not stale; None if it never
    answered."""
    up_s = sum(day.up_s for day in days)
    return _part(up_s, up_s + sum(day.stale_s for day in days))


def _part(of_s: int, all_s: int) -> float | None:
    return of_s / all_s if all_s else None
