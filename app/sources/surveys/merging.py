"""Makes one survey of those of several machines. Pure: it knows no clock, so nothing changes by time passing.

A survey counts unless another machine has completed a round long after anything new came from this one, that
is more than three of this one's intervals. Of the verdicts on a mirror, those count that are not older than
the newest by more than three intervals either. The mirror has the best of these: it is up if any prober finds
it up. Of equal ones, that of the machine whose name comes first counts, as a whole: where probers see
different addresses or contents of a mirror, taking the newest would change lists with every round.

A prober that does not say how often it runs counts as hourly. A machine on which no round was ever completed
(the first one is under way, mirrors were probed by hand, mirmon runs there) only fills in for mirrors of
which the others have no verdict, and as long as none of them has completed a round since."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from app.model import ImageDirectory, MirrorState, RepomdVersion, Status
from app.sources.surveys.survey import Survey

ROUNDS = 3
UNKNOWN_INTERVAL_S = 3600.0
FORGOTTEN_AFTER = timedelta(days=1)

_EPOCH = datetime.fromtimestamp(0, UTC)


def merge(surveys: Mapping[str, Survey]) -> Survey:
    """Returns what the machines know together. `surveys` are by the names of machines."""
    counting = [survey for _, survey in sorted(surveys.items()) if not is_superseded(survey, surveys)]
    rounds = [survey.last_round for survey in counting if survey.last_round]
    return Survey(
        states={name: _state(name, counting) for name in sorted({n for s in counting for n in s.states})},
        last_round=max(rounds, key=lambda done: done.completed_at, default=None),
        repomd={key: _versions(key, counting) for key in sorted({k for s in counting for k in s.repomd})},
        images={key: _images(key, counting) for key in sorted({k for s in counting for k in s.images})},
    )


def is_superseded(survey: Survey, surveys: Mapping[str, Survey]) -> bool:
    """Returns whether a survey does not count any more, because another machine has gone on without it."""
    return _behind(survey, surveys) > _patience(survey)


def forgotten(surveys: Mapping[str, Survey]) -> list[str]:
    """Returns the machines whose surveys have not counted for a day."""
    return [
        name
        for name, survey in surveys.items()
        if _behind(survey, surveys) > _patience(survey) + FORGOTTEN_AFTER
    ]


def _behind(survey: Survey, surveys: Mapping[str, Survey]) -> timedelta:
    """Returns by how much a survey is older than the last round of any machine."""
    ends = [other.last_round.completed_at for other in surveys.values() if other.last_round]
    return max(ends, default=_EPOCH) - (survey.newest or _EPOCH)


def _patience(survey: Survey) -> timedelta:
    if survey.last_round is None:
        return timedelta(0)
    return timedelta(seconds=ROUNDS * (survey.last_round.interval_s or UNKNOWN_INTERVAL_S))


def _state(name: str, counting: Sequence[Survey]) -> MirrorState:
    found = [(survey, survey.states[name]) for survey in counting if name in survey.states]
    found = [(survey, state) for survey, state in found if survey.last_round] or found
    newest = max(state.probed_at for _, state in found)
    fresh = [state for survey, state in found if newest - state.probed_at <= _patience(survey)]
    return min(fresh, key=lambda state: _RANK[state.status])


_RANK = {status: rank for rank, status in enumerate(sorted(Status, key=lambda s: s is Status.UNREACHABLE))}
"""The statuses, best first, as the model has them; but an answer of no use is better than none."""


def _versions(key: str, counting: Sequence[Survey]) -> tuple[RepomdVersion, ...]:
    """Returns the history of a repo at the origin from the machine that saw its present version. If machines
    differ, the version that came last is the present one. Of several histories that end in it, the longest
    counts."""
    histories = [survey.repomd[key] for survey in counting if survey.repomd.get(key)]
    first_seen: dict[RepomdVersion, datetime] = {}
    for history in histories:
        version = _unseen(history[0])
        first_seen[version] = min(history[0].seen_at, first_seen.get(version, history[0].seen_at))
    return max(histories, key=lambda history: (first_seen[_unseen(history[0])], len(history)), default=())


def _images(key: str, counting: Sequence[Survey]) -> ImageDirectory:
    """Returns an ISO directory of the origin. If machines differ, the content that came last is the present
    one."""
    found = [survey.images[key] for survey in counting if key in survey.images]

    def first_seen(directory: ImageDirectory) -> datetime:
        return min(other.seen_at for other in found if _unseen(other) == _unseen(directory))

    return max(found, key=first_seen)


_Seen = TypeVar("_Seen", RepomdVersion, ImageDirectory)


def _unseen(found: _Seen) -> _Seen:
    """Returns what a machine found at the origin without the moment at which it saw that, so that what two
    machines found can be equal."""
    return msgspec.structs.replace(found, seen_at=_EPOCH)
