"""Which mirror may be served for which question, decided once a refresh.

For every release, repo and arch, every mirror has a `Fate`. Fates that depend on the request or on
the client (protocol, family, country, region, rank) are not decided here.

That holds for repos in releases where they are not expected, too. The prober does not look there, so
mirrors are served as unknown, but for one whose state says that it does not have the repo.

What a mirror is declared to carry comes first (the last resort relies on that), then its own state
(disabled, not probed, unreachable, broken, stale), then what the prober found of that very repo.
Partial mirrors are judged by what they carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from app.catalogue.catalogue import arches_meant, carries, directories, has_arch, question_key
from app.model import (
    Content,
    Fate,
    Mirror,
    MirrorState,
    ProbeRound,
    Record,
    ServiceConfig,
    Status,
)


class Questions:
    """Everything that mirrors can be asked for, numbered; what the vault alone has is not among it.

    `keys` and their `number`; `by_content` maps a content key to the numbers it decides;
    `without_arch` maps the number of a question without arch, where the arch matters, to those of its
    arches. `expected`: the keys of what the config says mirrors have, those without arch left out.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.number: dict[str, int] = {}
        self.by_content: dict[str, list[int]] = {}
        self.without_arch: dict[int, list[int]] = {}
        self.directories = directories(config)
        for number, directory in enumerate(self.directories):
            self.number[question_key(directory.release, directory.repo, directory.arch)] = number
            if directory.repo:
                self.by_content.setdefault(directory.key, []).append(number)
        self.expected = tuple(
            key for key, directory in zip(self.number, self.directories, strict=True) if directory.expected
        )
        for release in config.releases:
            for repo in config.repos:
                if not repo.vault and has_arch(repo):
                    meant = arches_meant(config, repo, release)
                    numbers = [self.number[question_key(release, repo.name, arch)] for arch in meant]
                    number = self.number[question_key(release, repo.name, "")] = len(self.number)
                    self.without_arch[number] = numbers

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.number)

    def declared_by(self, mirror: Mirror) -> npt.NDArray[np.bool_]:
        """Whether a mirror is declared to carry what each question is about (questions without arch
        are left to their arches)."""
        carried = np.ones(len(self.number), np.bool_)
        carried[: len(self.directories)] = [carries(mirror, directory) for directory in self.directories]
        return carried


Fates = npt.NDArray[np.uint8]


def fates(
    questions: Questions, mirrors: Sequence[Mirror], whole: Sequence[Fate], states: Mapping[str, MirrorState]
) -> Fates:
    """The fate of every mirror for every question, shape (questions, mirrors). `whole`: the fate of each
    mirror as a whole (`fate_of_whole`)."""
    table = np.empty((len(mirrors), len(questions.number)), np.uint8)
    declared: dict[object, npt.NDArray[np.bool_]] = {}
    for row, mirror, fate in zip(table, mirrors, whole, strict=True):
        carried_like = (
            bool(mirror.addresses),
            frozenset(mirror.module_addresses),
            mirror.versions,
            mirror.repos,
            mirror.arches,
        )
        if carried_like not in declared:
            declared[carried_like] = questions.declared_by(mirror)
        row[:] = np.where(declared[carried_like], fate, Fate.UNDECLARED)
        state = states.get(mirror.name)
        if fate is Fate.UNKNOWN and state is not None:
            row[:] = np.frombuffer(_with_probe(bytearray(row), state, questions), np.uint8)
    for without, with_arch in questions.without_arch.items():
        table[:, without] = _over_arches(table[:, with_arch])
    return np.ascontiguousarray(table.T)


_OF_CONTENT = {
    Content.CURRENT: Fate.GOOD,
    Content.PREVIOUS: Fate.GOOD,
    Content.STALE: Fate.STALE_REPO,
    Content.MISSING: Fate.MISSING_REPO,
    Content.CORRUPT: Fate.CORRUPT_REPO,
}


def _with_probe(row: bytearray, state: MirrorState, questions: Questions) -> bytearray:
    """Puts what the prober found where the mirror is declared to carry something. (One by one, bytes
    are several times faster than numpy's numbers.)"""
    for key, content in state.content.items():
        for number in questions.by_content.get(key, ()):
            if row[number] == Fate.UNKNOWN:
                row[number] = _OF_CONTENT[content]
    for key, has in state.isos.items():
        release, _, arch = key.partition("/")
        iso_number = questions.number.get(question_key(release, "", arch))
        if iso_number is not None and row[iso_number] == Fate.UNKNOWN:
            row[iso_number] = Fate.GOOD if has else Fate.MISSING_REPO
    return row


def _over_arches(by_arch: Fates) -> Fates:
    """The fates for a question without arch, out of those for its arches, shape (mirrors, arches)."""
    eligible = by_arch <= Fate.PARTIAL
    worst = np.where(eligible, by_arch, 0).max(axis=1)
    some = np.where(eligible.all(axis=1), worst, Fate.PARTIAL)
    return np.where(eligible.any(axis=1), some, by_arch.min(axis=1)).astype(np.uint8)


def fate_of_whole(
    config: ServiceConfig, mirror: Mirror, state: MirrorState | None, last_round: ProbeRound | None
) -> Fate:
    """What holds for everything that a mirror is declared to carry, before its repos are looked at."""
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


def needs_probe(mirror: Mirror) -> bool:
    """Private mirrors cannot be probed from outside, and `probe: false` ones are always good."""
    return mirror.probe and not mirror.private


def content_age_s(state: MirrorState) -> float | None:
    """How far behind the origin a mirror was when it was probed; never negative. A prober that
    stops does not age the network."""
    if state.timestamp is None:
        return None
    against = state.origin_timestamp or state.probed_at
    return max(0.0, (against - state.timestamp).total_seconds())


# --- how many there are ----------------------------------------------------------------------------


class Counts(Record, frozen=True, kw_only=True, array_like=True):
    """How many public mirrors a question has. `declared`: might be served if nothing had been probed;
    `well`: of these, those that are well as a whole, whatever was found of this very repo; `eligible`:
    may be served; `known`: of these, known (or trusted) to have it."""

    declared: int
    well: int
    eligible: int
    known: int


Marked = npt.NDArray[np.bool_]


def counts(
    questions: Questions, probed: Fates, unprobed: Fates, public: Marked, well: Marked
) -> dict[str, Counts]:
    """By question, of all that is expected, by arch; questions without one follow from these. `unprobed`:
    the fates that there would be without the prober; `public`, `well`: which mirrors are so, (mirrors,)."""
    declared = unprobed <= Fate.PARTIAL
    tables = {
        "declared": declared,
        "well": declared & well,
        "eligible": probed <= Fate.PARTIAL,
        "known": probed == Fate.GOOD,
    }
    found = {name: (table & public).sum(axis=1).tolist() for name, table in tables.items()}
    return {
        key: Counts(**{name: numbers[questions.number[key]] for name, numbers in found.items()})
        for key in questions.expected
    }
