"""Compares what is published with what any part of people's edits would make of it.

An edit counts by what it alone changes: the fates before and after it are compared with the same states of
mirrors, and on top of what is published. What the prober would take by itself is not the edit's doing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.model import Fate, Mirror, MirrorState, ProbeRound
from app.snapshot.eligibility import Fates, Marked, Questions, fates, is_allowed, is_served, is_well
from app.sources.people_files import Written
from app.worker.accepted import NO_FATE, Baseline, keys_with_arch
from app.worker.losses import Force, Ints, Loss, is_grave, sums
from app.worker.numbers import Counts

CONFIG = ""
"""Stands for config.yml among the names of mirrors."""


@dataclass(frozen=True)
class Measured:
    """What the prober has measured, as far as it decides fates."""

    states: Mapping[str, MirrorState]
    last_round: ProbeRound | None


@dataclass(frozen=True)
class TakenAway:
    """The mirrors that edits take from lists."""

    names: tuple[str, ...]
    #: Of shape (questions with an arch, names).
    table: Marked
    #: How many public mirrors each list loses by this.
    counts: Mapping[str, Counts]

    def among(self, names: Sequence[str]) -> Marked:
        """Returns the table for other names, in their order."""
        columns = {name: column for column, name in enumerate(self.names)}
        padded = np.hstack([self.table, np.zeros((len(self.table), 1), np.bool_)])
        return padded[:, [columns.get(name, -1) for name in names]]


def by_name(written: Written) -> dict[str, Mirror]:
    """Returns the mirrors that people have written, by name."""
    return {mirror.name: mirror for mirror in written.definitions.values()}


class Comparison:
    """Compares the files `was`, which are published, with `now`. `edits` are the names of the mirrors that
    differ, and CONFIG if the config does. It looks at these mirrors only, which is quick."""

    def __init__(
        self, baseline: Baseline, was: Written, now: Written, measured: Measured, edits: Collection[str]
    ) -> None:
        self._baseline, self._was, self._now = baseline, was, now
        self._before, self._after = by_name(was), by_name(now)
        self._measured, self._edits = measured, frozenset(edits)
        self.names = tuple(sorted(self._edits))
        if CONFIG in edits:  # it may change the fate of any mirror
            self.names = self._everybody
        self._tables: dict[tuple[bool, bool], tuple[Fates, Marked]] = {}
        self._questions: dict[bool, Questions] = {}

    def with_all_mirrors(self) -> Comparison:
        """Returns the same comparison, in which mirrors that are well again make up for those lost."""
        wider = Comparison(self._baseline, self._was, self._now, self._measured, self._edits)
        wider.names = self._everybody
        return wider

    @property
    def _everybody(self) -> tuple[str, ...]:
        return tuple(sorted(self._before.keys() | self._after.keys()))

    def mixed(self, admitted: Collection[str]) -> Written:
        """Returns the files with the admitted edits, and without the others."""
        held = self._edits.difference(admitted)
        definitions = {file: m for file, m in self._now.definitions.items() if m.name not in held}
        for file, mirror in self._was.definitions.items():
            if mirror.name in held:  # another mirror may be in its file now
                definitions[file if file not in definitions else f"{file} ({mirror.name})"] = mirror
        return Written(self._was.config if CONFIG in held else self._now.config, definitions)

    def effect(self, admitted: Collection[str]) -> Effect:
        """Returns what these edits would do."""
        anew, accepted = CONFIG in admitted or CONFIG not in self._edits, self._baseline.accepted
        keys = keys_with_arch(self._questions_of(anew))
        edited = np.array([name in admitted or name not in self._edits for name in self.names], np.bool_)
        old, old_public = self._table(anew, edited=False)
        new, new_public = self._table(anew, edited=True)
        return Effect(
            keys=keys,
            names=self.names,
            edited=frozenset(admitted),
            everywhere=accepted.fates(keys, accepted.mirrors),
            everywhere_public=accepted.public(tuple(accepted.mirrors)),
            was=accepted.fates(keys, self.names),
            was_public=accepted.public(self.names),
            without=self._without(keys),
            then=np.where(edited, new, old),
            then_public=np.where(edited, new_public, old_public),
            declared_at_most=self._baseline.at_most(keys, "declared"),
        )

    def _without(self, keys: tuple[str, ...]) -> Fates:
        """Returns the fates for these questions without any edit, by what is measured now."""
        anew = CONFIG not in self._edits
        table, _ = self._table(anew, edited=False)
        rows = {key: row for row, key in enumerate(keys_with_arch(self._questions_of(anew)))}
        padded = np.vstack([table, np.full((1, table.shape[1]), NO_FATE, np.uint8)])
        found: Fates = padded[[rows.get(key, -1) for key in keys]]
        return found

    def _questions_of(self, anew: bool) -> Questions:
        if anew not in self._questions:
            self._questions[anew] = Questions(self._now.config if anew else self._was.config)
        return self._questions[anew]

    def _table(self, anew: bool, edited: bool) -> tuple[Fates, Marked]:
        """Returns the fates of the mirrors, and which of them are public, by the new config or the former
        one, and by the edited files or the former ones."""
        if (anew, edited) not in self._tables:
            questions, files = self._questions_of(anew), self._after if edited else self._before
            columns = [column for column, name in enumerate(self.names) if name in files]
            mirrors = [files[self.names[column]] for column in columns]
            table = np.full((len(questions.directories), len(self.names)), NO_FATE, np.uint8)
            public = np.zeros(len(self.names), np.bool_)
            if mirrors:
                found = fates(questions, mirrors, self._measured.states, self._measured.last_round)
                table[:, columns] = found[: len(table)]
                public[columns] = [not mirror.private and mirror.cloud is None for mirror in mirrors]
            self._tables[anew, edited] = table, public
        return self._tables[anew, edited]


@dataclass(frozen=True)
class Effect:
    """What some edits would do to the lists of `keys`. Tables are of shape (keys, names)."""

    keys: tuple[str, ...]
    #: The mirrors that may be concerned, and those whose own file is edited.
    names: tuple[str, ...]
    edited: frozenset[str]
    #: The published fates of all mirrors that are published, and which of these are public.
    everywhere: Fates
    everywhere_public: Marked
    #: Of `names`: the published fates, those by what is measured now without the edits, and those with.
    was: Fates
    was_public: Marked
    without: Fates
    then: Fates
    then_public: Marked
    #: How many public mirrors each list had by declaration, at most in the last 24 hours.
    declared_at_most: Ints

    def losers(self, fewer: Effect, force: Force) -> set[str]:
        """Returns which edits that `fewer` does not have take mirrors from lists that lose too many. A list
        blames those that take what clients get now, or if there are none, those that take what makes up for
        it. CONFIG stands for the mirrors whose own file is not among these edits."""
        added, grave = self.edited - fewer.edited, self._is_grave(force)
        taken = (fewer.kept(self.keys) & ~self._kept)[grave]
        open_now = taken & self._was_open[grave]
        taken = np.where(open_now.any(axis=1, keepdims=True), open_now, taken)
        names = (self.names[column] for column in np.flatnonzero(taken.any(axis=0)))
        return {name if name in added else CONFIG for name in names} & added

    def kept(self, keys: tuple[str, ...]) -> Marked:
        """Returns which mirrors would be served to the public for these questions."""
        rows = {key: row for row, key in enumerate(self.keys)}
        padded = np.vstack([self._kept, np.zeros((1, len(self.names)), np.bool_)])
        found: Marked = padded[[rows.get(key, -1) for key in keys]]
        return found

    def losses(self, force: Force) -> tuple[Loss, ...]:
        """Returns the lists that would lose too many."""
        had, keeps = self._had.tolist(), self._keeps.tolist()
        return tuple(
            Loss(self.keys[row], had[row], keeps[row]) for row in np.flatnonzero(self._is_grave(force))
        )

    @property
    def taken(self) -> TakenAway:
        """What the edits take, which is no verdict's doing."""
        gone = is_well(self.was) & self.was_public & (self._gone | ~self.then_public)
        columns = sums(gone).tolist(), sums(gone & (self.was == Fate.GOOD)).tolist()
        counts = {
            key: Counts(declared=0, well=well, known=known)
            for key, well, known in zip(self.keys, *columns, strict=True)
            if well
        }
        return TakenAway(self.names, self._gone, counts)

    @cached_property
    def _gone(self) -> Marked:
        """Where the edits take a mirror that is well, or served."""
        theirs = ~is_allowed(self.then) | is_well(self.without)
        well: Marked = is_well(self.was) & ~is_well(self.then) & theirs
        # Such as a mirror without the repo that was taken as good without being probed.
        served: Marked = is_served(self.was) & ~is_served(self.then) & is_served(self.without)
        return well | served

    @cached_property
    def _was_open(self) -> Marked:
        """Where a mirror is served to the public."""
        served: Marked = is_served(self.was) & self.was_public
        return served

    @cached_property
    def _kept(self) -> Marked:
        """Where the edits leave it so, or make it so."""
        kept: Marked = (self._was_open | is_served(self.then)) & ~self._gone & self.then_public
        return kept

    @cached_property
    def _had(self) -> Ints:
        return sums(is_served(self.everywhere) & self.everywhere_public)

    @cached_property
    def _keeps(self) -> Ints:
        return self._had - sums(self._was_open) + sums(self._kept)

    def _is_grave(self, force: Force) -> Marked:
        """Returns which lists lose too many by these edits, or lose some of too many in the last 24 hours."""
        grave = is_grave(self._had, self._keeps, force)
        if force is Force.NO:
            had = sums(is_allowed(self.everywhere) & self.everywhere_public)
            keeps = had - sums(is_allowed(self.was) & self.was_public)
            keeps += sums(is_allowed(self.then) & self.then_public)
            grave |= is_grave(np.maximum(had, self.declared_at_most), keeps)
        found: Marked = grave & (self._was_open & ~self._kept).any(axis=1)
        return found
