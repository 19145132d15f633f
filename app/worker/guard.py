"""The guard: a snapshot that would lose half of the network is not published just like that.

For every question it remembers the largest counts of the last 24 hours. What was published last
counts however old it is, for it is what clients get. Where less than half is left of those that were
known to have what is asked for, the cause decides. Losses that people's files explain are published
after 30 minutes, which is time to take a mistake back, and are the new measure then. Losses that come
from the probe's state wait until it recovers, or for `worker --force`: a broken prober must not empty
the network.

Mirrors that nobody has looked at yet are served, too. That one of them is well, but turns out not to have
what it was served for, is no loss: in the first round, and on release day, many do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from app.snapshot.eligibility import Counts
from app.worker.memory import HourCounts

WINDOW_HOURS = 24
SMALL_LOSS = 2  # mirrors; so much of a rare arch may go, if not all of it, without holding up the rest
PATIENCE_S = 30 * 60


class Loss(NamedTuple):
    """A question that would keep less than half of its mirrors. `declared`: people's files say so."""

    question: str
    had: int
    keeps: int
    declared: bool

    def __str__(self) -> str:
        cause = "files of people" if self.declared else "the probe's state"
        return f"{self.question} would keep {self.keeps} of {self.had} mirrors (because of {cause})"


class Guard:
    """`hours` as remembered, oldest first."""

    def __init__(self, hours: Iterable[HourCounts] = ()) -> None:
        self._hours = {counts.hour: counts for counts in hours}
        self._waiting_since: float | None = None

    def losses(self, counts: Mapping[str, Counts], now: float) -> list[Loss]:
        """What would be lost against the last 24 hours. A question that is not asked any more (its
        release went to the vault) is no loss: people took it out of the config."""
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
        """Whether these losses are reason not to publish now."""
        if not losses:
            self._waiting_since = None
            return False
        if self._waiting_since is None or now < self._waiting_since:  # a clock set back
            self._waiting_since = now
        waited_s = now - self._waiting_since
        return not all(loss.declared for loss in losses) or waited_s < PATIENCE_S

    def after(self, counts: Mapping[str, Counts], accepted: Iterable[Loss], now: float) -> Guard:
        """The guard that there is once this has been published. `accepted` losses are not held
        against what comes next."""
        lost = {loss.question for loss in accepted}
        guard = Guard(_without(hour, lost) for hour in self._recent(now))
        hour = int(now // 3600)
        known = guard._hours[hour].largest if hour in guard._hours else {}
        guard._hours[hour] = HourCounts(hour=hour, largest=_largest([known, counts]))
        return guard

    def remembered(self, now: float) -> tuple[HourCounts, ...]:
        return tuple(self._recent(now))

    def _recent(self, now: float) -> list[HourCounts]:
        """The hours in the window, and the last one in any case; those in the future (a clock set
        back) count."""
        oldest = min(int(now // 3600) - WINDOW_HOURS, max(self._hours, default=0))
        return [counts for hour, counts in sorted(self._hours.items()) if hour >= oldest]


def _is_grave(had: int, keeps: int) -> bool:
    lost = had - keeps
    return 2 * keeps < had and (lost > SMALL_LOSS or (keeps == 0 and lost == SMALL_LOSS))


def _without(counts: HourCounts, questions: Collection[str]) -> HourCounts:
    rest = {question: most for question, most in counts.largest.items() if question not in questions}
    return HourCounts(hour=counts.hour, largest=rest)


def _largest(several: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    """The largest of each number by itself."""
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
