"""The guard: a snapshot that would lose half of the network is not published just like that.

For every question it remembers the largest numbers of the last 24 hours: of mirrors that could be
served (`eligible`), and of those that would be if nothing had been probed (`declared`). Where less
than half of the eligible ones is left, the cause decides. Losses that people's files explain are
published after 30 minutes, which is time to take a mistake back. Losses that come from the probe's
state wait until it recovers, or for `worker --force`: a broken prober must not empty the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        if self._waiting_since is None:
            self._waiting_since = now
        waited_s = now - self._waiting_since
        return not all(loss.declared for loss in losses) or waited_s < PATIENCE_S

    def published(self, eligible: Mapping[str, int], declared: Mapping[str, int], now: float) -> None:
        """Remember what was published."""
        hour = int(now // 3600)
        known = self._hours.get(hour)
        self._hours[hour] = HourCounts(
            hour=hour,
            eligible=_largest([known.eligible, eligible] if known else [eligible]),
            declared=_largest([known.declared, declared] if known else [declared]),
        )
        self._waiting_since = None

    def start_anew(self) -> None:
        """Forget what there was: what is published by force is the new measure."""
        self._hours.clear()

    def remembered(self, now: float) -> tuple[HourCounts, ...]:
        return tuple(self._recent(now))

    def _recent(self, now: float) -> list[HourCounts]:
        """Hours that are not older than the window; those in the future (a clock set back) count."""
        oldest = int(now // 3600) - WINDOW_HOURS
        self._hours = {hour: counts for hour, counts in self._hours.items() if hour >= oldest}
        return [self._hours[hour] for hour in sorted(self._hours)]


def _is_grave(had: int, keeps: int) -> bool:
    lost = had - keeps
    return 2 * keeps < had and (lost > SMALL_LOSS or (keeps == 0 and lost == SMALL_LOSS))


def _largest(several: Iterable[Mapping[str, int]]) -> dict[str, int]:
    largest: dict[str, int] = {}
    for counts in several:
        for question, count in counts.items():
            largest[question] = max(count, largest.get(question, 0))
    return largest
