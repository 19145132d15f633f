"""The survey of this machine: what its state files say, and how the other machines get to know it.

It is shared under the name of the machine, so that a prober and a worker on one machine share the same. A
machine without state files shares nothing. So it takes nothing away that it shared before its disk was
replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.model import Mirror, MirrorState
from app.sources.folder import DataFolder
from app.sources.state_files import StateFiles
from app.sources.surveys.survey import Survey, SurveyError, decode, encode
from app.store import NotOursError, Store

SHARED = "survey/"  # + the name of a machine


class OwnSurvey:
    """The survey that the state files of a data folder make."""

    def __init__(self, folder: DataFolder, machine: str) -> None:
        """Prepares to read a data folder. `machine` is the name of this machine."""
        self.machine = machine
        self.files = StateFiles(folder)
        #: What was read last.
        self.survey = Survey()
        #: Whether there have been state files while this process ran.
        self.has_files = False
        self._older: dict[str, tuple[MirrorState, MirrorState]] = {}
        self._shared: bytes | None = None

    def read(self, mirrors: Iterable[Mirror], last: Survey | None) -> None:
        """Reads the state files that have changed. `mirrors` are for mirmon's file, and `last` is what this
        machine shared before a restart. It counts for files that are at fault from the beginning, and for
        those that are older, because they came from a backup, until they change."""
        files = self.files
        if not self.has_files and files.are_there():
            self.has_files = True
            self._begin(mirrors, last or Survey())
        files.read(mirrors)
        states = dict(files.states)
        for name, (state, shared) in self._older.items():
            if states.get(name) is state:
                states[name] = shared
        self.survey = Survey(
            states=states, last_round=files.last_round, repomd=files.repomd, images=files.images
        )

    def _begin(self, mirrors: Iterable[Mirror], last: Survey) -> None:
        files = self.files
        files.states, files.last_round = dict(last.states), last.last_round
        files.repomd, files.images = last.repomd, last.images
        files.read(mirrors)
        for name, state in files.states.items():
            shared = last.states.get(name)
            if shared is not None and shared.probed_at > state.probed_at:
                self._older[name] = state, shared

    def share(self, store: Store, tags: Mapping[str, str]) -> None:
        """Shares the survey if it has changed since it was shared last, or the store has lost it. `tags` are
        those of all that the store has."""
        if not self.has_files:
            return
        name, data = SHARED + self.machine, encode(self.survey)
        if data != self._shared or name not in tags:
            store.share(name, data)
            self._shared = data


def shared_tags(store: Store) -> dict[str, str]:
    """Returns the tags of all that is shared; none if that is damaged, so that sharing it again repairs
    it."""
    try:
        return store.shared()
    except NotOursError:
        return {}


def last_shared(store: Store, machine: str) -> Survey | None:
    """Returns the survey that a machine shared last; None if there is none that can be used."""
    data = store.read_shared(SHARED + machine)
    try:
        return None if data is None else decode(data)[0]
    except SurveyError:
        return None
