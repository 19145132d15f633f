"""Decides which mirror may be served for which question, each time a snapshot is compiled.

A question here is a release, a repo and an arch. For each, every mirror has a `Fate`. Fates that depend
on the request or on the client (protocol, family, country, region, rank) are not decided here.

A repo may also be asked for in a release where mirrors are not expected to have it. The prober does not
look there, so mirrors have the fate `UNKNOWN`, unless their state says that they lack the repo.

What a mirror is declared to carry counts first (the last resort relies on that), then its own state
(disabled, not probed, unreachable, broken, stale), then what the prober found in that repo. A mirror
that carries only some repos is judged by these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.catalogue.catalogue import (
    arches_meant,
    carries,
    directories,
    has_arch,
    needs_probe,
    question_key,
    repos_of,
)
from app.model import (
    Content,
    Fate,
    Mirror,
    MirrorState,
    MirrorVerdict,
    ProbeRound,
    ServiceConfig,
    Status,
)


class Questions:
    """All questions that mirrors can be asked, each with a number. Questions about releases and repos that
    only the vault has are left out."""

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        #: The number of each question, by its key.
        self.number: dict[str, int] = {}
        #: The numbers of the questions about a repo, by the key that the repo has in mirror states.
        self.by_content: dict[str, list[int]] = {}
        #: For the number of a question that leaves the arch open, the numbers of the questions for each arch.
        self.without_arch: dict[int, list[int]] = {}
        self.directories = directories(config)
        for number, directory in enumerate(self.directories):
            self.number[question_key(directory.release, directory.repo, directory.arch)] = number
            if directory.repo:
                self.by_content.setdefault(directory.key, []).append(number)
        for release in config.releases:
            for repo in repos_of(config, release):
                if not repo.vault and has_arch(repo):
                    meant = arches_meant(config, repo, release)
                    numbers = [self.number[question_key(release, repo.name, arch)] for arch in meant]
                    number = self.number[question_key(release, repo.name, "")] = len(self.number)
                    self.without_arch[number] = numbers

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.number)

    def declared_by(self, mirror: Mirror) -> npt.NDArray[np.bool_]:
        """Returns for each question whether the mirror is declared to carry what is asked for. Questions that
        leave the arch open are True here, because they are decided by the questions for each arch."""
        carried = np.ones(len(self.number), np.bool_)
        carried[: len(self.directories)] = [carries(mirror, directory) for directory in self.directories]
        return carried


Fates = npt.NDArray[np.uint8]


def fates(
    questions: Questions,
    mirrors: Sequence[Mirror],
    states: Mapping[str, MirrorState],
    last_round: ProbeRound | None,
) -> Fates:
    """Returns the fate of every mirror for every question, shape (questions, mirrors). `states` are by mirror
    name."""
    table = np.empty((len(mirrors), len(questions.number)), np.uint8)
    declared: dict[object, npt.NDArray[np.bool_]] = {}
    for row, mirror in zip(table, mirrors, strict=True):
        carried_like = (
            bool(mirror.addresses),
            frozenset(mirror.module_addresses),
            mirror.versions,
            mirror.repos,
            mirror.arches,
        )
        if carried_like not in declared:
            declared[carried_like] = questions.declared_by(mirror)
        state = states.get(mirror.name)
        fate = fate_of_whole(questions.config, mirror, state, last_round)
        row[:] = np.where(declared[carried_like], fate, Fate.UNDECLARED)
        if fate is Fate.UNKNOWN and state is not None:
            row[:] = np.frombuffer(_with_probe(bytearray(row), state, questions), np.uint8)
    by_question = np.ascontiguousarray(table.T)
    leave_arches_open(questions, by_question)
    return by_question


def leave_arches_open(questions: Questions, table: Fates) -> None:
    """Decides the questions that leave the arch open, in a table of fates, from those about their arches."""
    for without, with_arch in questions.without_arch.items():
        table[without] = _over_arches(table[with_arch].T)


_OF_CONTENT = {
    Content.CURRENT: Fate.GOOD,
    Content.PREVIOUS: Fate.GOOD,
    Content.STALE: Fate.STALE_REPO,
    Content.MISSING: Fate.MISSING_REPO,
    Content.CORRUPT: Fate.CORRUPT_REPO,
}


def _with_probe(row: bytearray, state: MirrorState, questions: Questions) -> bytearray:
    """Puts what the prober found into a mirror's row of fates, where the row says `UNKNOWN`, and returns the
    row. The row is a bytearray, because writing single bytes is several times faster than writing numpy's
    numbers."""
    for key, content in state.content.items():
        for number in questions.by_content.get(key, ()):
            if row[number] == Fate.UNKNOWN:
                row[number] = _OF_CONTENT[content]
    for key, has in state.isos.items():
        release, _, arch = key.partition("/")
        iso_number = questions.number.get(question_key(release, None, arch))
        if iso_number is not None and row[iso_number] == Fate.UNKNOWN:
            row[iso_number] = Fate.GOOD if has else Fate.MISSING_REPO
    return row


def _over_arches(by_arch: Fates) -> Fates:
    """Returns the fates of mirrors for a question that leaves the arch open. `by_arch` are their fates for
    each arch, shape (mirrors, arches). A mirror that may be served for only some arches is `PARTIAL`."""
    eligible = by_arch <= Fate.PARTIAL
    worst = np.where(eligible, by_arch, 0).max(axis=1)
    some = np.where(eligible.all(axis=1), worst, Fate.PARTIAL)
    return np.where(eligible.any(axis=1), some, by_arch.min(axis=1)).astype(np.uint8)


def fate_of_whole(
    config: ServiceConfig, mirror: Mirror, state: MirrorState | None, last_round: ProbeRound | None
) -> Fate:
    """Returns the fate of a mirror for everything that it is declared to carry, before its repos are looked
    at. `UNKNOWN` means that its repos decide."""
    if mirror.disabled:
        return Fate.DISABLED
    if not needs_probe(mirror):
        return Fate.GOOD
    if state is None:
        return Fate.NOT_PROBED if last_round else Fate.UNKNOWN
    if state.status is Status.UNREACHABLE:
        return Fate.UNREACHABLE
    if state.status is Status.BROKEN:
        return Fate.BROKEN
    age_s = content_age_s(state)
    if state.status is Status.STALE or (age_s is not None and age_s > config.allowed_outdate_s):
        return Fate.STALE
    return Fate.UNKNOWN


def content_age_s(state: MirrorVerdict) -> float | None:
    """Returns how many seconds a mirror's content was behind the origin when the mirror was probed; never
    negative. So the age does not grow while the prober stands still. Returns None if the mirror's timestamp
    is not known. If the origin's is not known, the time of probing takes its place."""
    if state.timestamp is None:
        return None
    against = state.origin_timestamp or state.probed_at
    return max(0.0, (against - state.timestamp).total_seconds())


# --- what a fate says of a mirror --------------------------------------------------------------------

Marked = npt.NDArray[np.bool_]

_WELL = np.zeros(256, np.bool_)
_WELL[[Fate.GOOD, Fate.UNKNOWN, Fate.PARTIAL, *set(_OF_CONTENT.values())]] = True


def is_served(table: Fates) -> Marked:
    """Returns where a mirror may be served."""
    served: Marked = table <= Fate.PARTIAL
    return served


def is_well(table: Fates) -> Marked:
    """Returns where a mirror that is declared to carry what is asked for is well as a whole, whatever was
    found of this repo."""
    well: Marked = _WELL[table]
    return well


def is_allowed(table: Fates) -> Marked:
    """Returns where a mirror might be served if nothing had been probed, because its file allows it."""
    allowed: Marked = (table < Fate.UNDECLARED) & (table != Fate.DISABLED)
    return allowed
