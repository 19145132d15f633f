"""What a worker knows of the mirrors and the origin: by the state files of its machine, and by the surveys
that other machines have shared."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from app.files import Marks
from app.logs import Faults
from app.model import Finding, ImageDirectory, Mirror, MirrorState, ProbeRound, RepomdVersion
from app.model.errors import fault
from app.sources.folder import DataFolder
from app.sources.surveys import merging
from app.sources.surveys.own import SHARED, OwnSurvey
from app.sources.surveys.survey import Survey, SurveyError, decode, encode
from app.store import Store

log = logging.getLogger("mirrorwise.worker")


class Known:
    """All that is known. What was fetched once stays known when the store loses it."""

    def __init__(self, folder: DataFolder, faults: Faults, machine: str) -> None:
        """Prepares to read a data folder. `machine` is the name of this machine."""
        self.own = OwnSurvey(folder, machine)
        self._faults = faults
        self._remarks = Faults(log)
        self._fetched: dict[str, Survey] = {}  # by machine
        self._tags: dict[str, str] = {}  # of what was fetched, whether it could be used or not
        self._merged = Survey()

    @property
    def states(self) -> Mapping[str, MirrorState]:
        return self._merged.states

    @property
    def last_round(self) -> ProbeRound | None:
        return self._merged.last_round

    @property
    def interval_s(self) -> float | None:
        """How often mirrors are asked; None if that is not known."""
        return self.last_round.interval_s if self.last_round else None

    @property
    def repomd(self) -> Mapping[str, tuple[RepomdVersion, ...]]:
        return self._merged.repomd

    @property
    def images(self) -> Mapping[str, ImageDirectory]:
        return self._merged.images

    @property
    def findings(self) -> list[Finding]:
        """The findings of the last reading of this machine's files. That there are none is one, if there were
        some before a restart."""
        before = self._fetched.get(self.own.machine, Survey())
        if self.own.has_files or before.is_empty:
            return self.own.files.findings
        return [fault("state", "there are no files, so what this machine shared before stays as it was")]

    def marks(self) -> Marks:
        """Returns the marks of this machine's state files."""
        return self.own.files.marks()

    def read(self, mirrors: Iterable[Mirror]) -> None:
        """Reads this machine's files, and puts everything together. `mirrors` are for mirmon's file."""
        self.own.read(mirrors, self._fetched.get(self.own.machine))
        surveys = self._surveys()
        self._merged = merging.merge(surveys)
        old = (name for name, survey in surveys.items() if merging.is_superseded(survey, surveys))
        said = "its prober has stopped: what it found does not count while another machine's is newer"
        self._remarks.replace("surveys/", {f"surveys/{machine}": said for machine in old})

    def newest_round(self) -> ProbeRound | None:
        """Returns the last complete round of any machine; this machine's file may be newer than what was read
        of it."""
        rounds = [done for done in (self.last_round, self.own.files.newest_round()) if done]
        return max(rounds, key=lambda done: done.completed_at, default=None)

    def fetch(self, store: Store, tags: Mapping[str, str]) -> bool:
        """Fetches the surveys that have changed in the store. Returns whether there were any. `tags` are
        those of all that is shared. Of its own machine, it needs none while there are files."""
        found = False
        for name, tag in tags.items():
            machine = name.removeprefix(SHARED)
            is_ours = machine == self.own.machine and self.own.has_files
            if machine == name or is_ours or self._tags.get(machine) == tag:
                continue
            data = store.read_shared(name)
            if data is not None:
                self._tags[machine] = tag
                found |= self._take(machine, data)
        return found

    def _take(self, machine: str, data: bytes) -> bool:
        try:
            survey, problems = decode(data)
        except SurveyError as error:
            self._faults.set(f"surveys/{machine}", f"the last good one stays in use: {error}")
            return False
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        self._faults.report(f"surveys/{machine}", f"{problems[0]}{more}" if problems else None)
        self._fetched[machine] = survey
        return True

    def share(self, store: Store, tags: Mapping[str, str]) -> None:
        """Shares the survey of this machine. Gives back to the store what it has lost, and removes surveys
        that have not counted for long."""
        self.own.share(store, tags)
        surveys = self._surveys()
        for machine in merging.forgotten(surveys):
            if machine in self._fetched and surveys[machine] is self._fetched[machine]:
                store.unshare(SHARED + machine)
                del self._fetched[machine], self._tags[machine]
                log.info("the survey of %s is forgotten: it has not counted for a day", machine)
        for machine, survey in self._fetched.items():
            if SHARED + machine not in tags and not (machine == self.own.machine and self.own.has_files):
                store.share(SHARED + machine, encode(survey))

    def _surveys(self) -> dict[str, Survey]:
        own = {self.own.machine: self.own.survey} if self.own.has_files else {}
        return {**self._fetched, **own}
