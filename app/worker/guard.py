"""The guard holds back a snapshot in which a list would lose more than half of its mirrors.

For every question the guard remembers the largest numbers of mirrors in the last 24 hours. The numbers of the
last publication count however old they are, because they are what clients get. If a snapshot has less than
half of the mirrors that were known to have what a question asks for, the cause decides. If people's files
explain the loss, the snapshot is published after 30 minutes, in which a mistake can be taken back; the new
numbers count from then on. If the prober's state causes the loss, the snapshot waits until the prober
recovers, or for `worker --force`: a broken prober must not empty the lists.

Mirrors that have not been probed yet are served too. If such a mirror turns out to be well, but not to have
what it was served for, that is no loss: this happens to many mirrors in the first round, and on the day of a
release.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from app.snapshot.eligibility import Counts
from app.worker.memory import HourCounts

WINDOW_HOURS = 24
SMALL_LOSS = 2  # mirrors: so many of a rare arch may be lost, if any is left, without holding back the rest
PATIENCE_S = 30 * 60


class Loss(NamedTuple):
    """A question that would keep less than half of its mirrors. `declared` says whether people's files cause
    this, and not the prober's state."""

    question: str
    had: int
    keeps: int
    declared: bool

    def __str__(self) -> str:
        cause = "files of people" if self.declared else "the probe's state"
        return f"{self.question} would keep {self.keeps} of {self.had} mirrors (because of {cause})"


class Guard:
    """Compares the numbers of mirrors in a new snapshot with those of the last 24 hours (`hours`)."""

    def __init__(self, hours: Iterable[HourCounts] = ()) -> None:
        self._hours = {counts.hour: counts for counts in hours}
        self._waiting_since: float | None = None

    def losses(self, counts: Mapping[str, Counts], now: float) -> list[Loss]:
        """Returns the questions that would lose more than half of the mirrors that they had in the last 24
        hours. A question that was taken out of the config is no loss. `now` is in epoch seconds."""
        losses = []
        for question, most in _largest(hour.largest for hour in self._recent(now)).items():
            there = counts.get(question)
            if there is None:
                continue
            declared = 2 * there.declared < most.declared
            if _is_grave(most.known, there.eligible):
                losses.append(Loss(question, most.known, there.eligible, declared))
            elif _is_grave(most.well, there.well):
                losses.append(Loss(question, most.well, there.eligible, declared))
        return losses

    def holds_back(self, losses: list[Loss], now: float) -> bool:
        """Returns whether a snapshot with these losses must not be published now."""
        if not losses:
            self._waiting_since = None
            return False
        if self._waiting_since is None or now < self._waiting_since:  # a clock set back
            self._waiting_since = now
        waited_s = now - self._waiting_since
        return not all(loss.declared for loss in losses) or waited_s < PATIENCE_S

    def after(self, counts: Mapping[str, Counts], accepted: Iterable[Loss], now: float) -> Guard:
        """Returns the guard to use after a publication with these numbers. For questions in `accepted` it
        forgets the former numbers, so that these losses do not count again."""
        lost = {loss.question for loss in accepted}
        guard = Guard(_without(hour, lost) for hour in self._recent(now))
        hour = int(now // 3600)
        known = guard._hours[hour].largest if hour in guard._hours else {}
        guard._hours[hour] = HourCounts(hour=hour, largest=_largest([known, counts]))
        return guard

    def remembered(self, now: float) -> tuple[HourCounts, ...]:
        """Returns the hours to keep across a restart, oldest first."""
        return tuple(self._recent(now))

    def _recent(self, now: float) -> list[HourCounts]:
        """Returns the counts of the last 24 hours, and in any case those of the last hour that has any. Hours
        in the future count too, because the clock was set back."""
        oldest = min(int(now // 3600) - WINDOW_HOURS, max(self._hours, default=0))
        return [counts for hour, counts in sorted(self._hours.items()) if hour >= oldest]


def _is_grave(had: int, keeps: int) -> bool:
    lost = had - keeps
    return 2 * keeps < had and (lost > SMALL_LOSS or (keeps == 0 and lost == SMALL_LOSS))


def _without(counts: HourCounts, questions: Collection[str]) -> HourCounts:
    rest = {question: most for question, most in counts.largest.items() if question not in questions}
    return HourCounts(hour=counts.hour, largest=rest)


def _largest(several: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """Returns the largest numbers of each question. Each of the numbers is taken by itself, so they may come
    from different hours."""
    largest: dict[str, Counts] = {}
    for counts in several:
        for question, found in counts.items():
            largest[question] = _larger(found, largest.get(question, found))
    return largest


def _larger(one: Counts, other: Counts) -> Counts:
    return Counts(
        declared=max(one.declared, other.declared),
        well=max(one.well, other.well),
        eligible=max(one.eligible, other.eligible),
        known=max(one.known, other.known),
    )
