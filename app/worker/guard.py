"""The guard: a snapshot that would lose half of the network is not published just like that.

For every question it remembers the largest numbers of the last 24 hours: of mirrors that could be
served (`eligible`), and of those that would be if nothing had been probed (`declared`). What was
published last counts however old it is, for it is what clients get. Where less than half of the
eligible ones is left, the cause decides. Losses that people's files explain are published after 30
minutes, which is time to take a mistake back, and are the new measure then. Losses that come from
the probe's state wait until it recovers, or for `worker --force`: a broken prober must not empty
the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

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

    def losses(self, eligible: Mapping[str, int], declared: Mapping[str, int], now: float) -> list[Loss]:
        """What would be lost against the last 24 hours. A question that is not asked any more (its
        release went to the vault) is no loss: people took it out of the config."""
        recent = self._recent(now)
        had_eligible = _largest(counts.eligible for counts in recent)
        had_declared = _largest(counts.declared for counts in recent)
        return [
            Loss(question, had, eligible[question], 2 * declared[question] < had_declared[question])
            for question, had in had_eligible.items()
            if question in eligible and _is_grave(had, eligible[question])
        ]

    def holds_back(self, losses: list[Loss], now: float) -> bool:
        """Whether these losses are reason not to publish now."""
        if not losses:
            self._waiting_since = None
            return False
        if self._waiting_since is None or now < self._waiting_since:  # a clock set back
            self._waiting_since = now
        waited_s = now - self._waiting_since
        return not all(loss.declared for loss in losses) or waited_s < PATIENCE_S

    def after(
        self, eligible: Mapping[str, int], declared: Mapping[str, int], accepted: Iterable[Loss], now: float
    ) -> Guard:
        """The guard that there is once this has been published. `accepted` losses are not held
        against what comes next."""
        lost = {loss.question for loss in accepted}
        guard = Guard(_without(counts, lost) for counts in self._recent(now))
        hour = int(now // 3600)
        known = guard._hours.get(hour, HourCounts(hour=hour, eligible={}, declared={}))
        guard._hours[hour] = HourCounts(
            hour=hour,
            eligible=_largest([known.eligible, eligible]),
            declared=_largest([known.declared, declared]),
        )
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
    return HourCounts(
        hour=counts.hour,
        eligible={q: count for q, count in counts.eligible.items() if q not in questions},
        declared={q: count for q, count in counts.declared.items() if q not in questions},
    )


def _largest(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for counts in several:
        for question, count in counts.items():
            largest[question] = max(count, largest.get(question, 0))
    return largest
