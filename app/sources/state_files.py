"""Reads `state/`, which has what the prober or mirmon measured. A file at fault counts as it last was."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from app.files import FileCache, Marks, folder_mark, is_gone, listing_error, mark, marks, paths
from app.model import Finding, Mirror, MirrorState, ProbeRound, RepomdVersion, SourceError
from app.model.errors import fault
from app.sources.folder import STATE_ENDINGS, DataFolder
from app.sources.mirmon import read_mirmon
from app.sources.probe_state import read_mirror_state, read_repo_versions, read_round
from app.sources.report import located

T = TypeVar("T")


class StateFiles:
    """The state files of one data folder, as they were last good."""

    def __init__(self, folder: DataFolder) -> None:
        #: The states of mirrors, by name.
        self.states: dict[str, MirrorState] = {}
        self.last_round: ProbeRound | None = None
        #: The origin's versions of each repo, newest first.
        self.repomd: dict[str, tuple[RepomdVersion, ...]] = {}
        #: The findings of the last reading, with the files' paths in the data folder.
        self.findings: list[Finding] = []
        self._folder = folder
        self._states = FileCache(read_mirror_state)
        self._round = FileCache(read_round)
        self._repos = FileCache(read_repo_versions)

    def marks(self) -> Marks:
        """The marks of all files, which change when one of the files does."""
        folder = self._folder
        singles = {str(path): mark(path) for path in (folder.round, folder.repos, folder.mirmon)}
        states = folder.mirror_states
        return {**singles, **folder_mark(states), **marks(states, *STATE_ENDINGS)}

    def read(self, mirrors: Iterable[Mirror]) -> None:
        """Brings everything up to date. If both the prober and mirmon know a mirror, the prober counts."""
        self.findings = []
        states = self._mirmon(list(mirrors))
        folder = self._folder.mirror_states
        closed = listing_error(folder)
        if closed is not None and not isinstance(closed, FileNotFoundError):
            problem = f"the folder cannot be read, so all stays as it was: {closed.strerror}"
            name = self._folder.name_of(folder)
            self.findings.append(fault(name, problem))
            states = {**self.states, **states}
        for path in paths(folder, *STATE_ENDINGS):
            state = self._read(path, self._states, self.states.get(path.stem))
            if state is not None:
                states[path.stem] = state
        self.states = states
        self.last_round = self._read(self._folder.round, self._round, self.last_round)
        self.repomd = self._read(self._folder.repos, self._repos, self.repomd) or {}

    def _read(self, path: Path, cache: FileCache[T], last: T | None) -> T | None:
        """What a file says, or what it last said while it is at fault; None if there is no file."""
        if is_gone(path):
            return None
        try:
            return cache.get(path)
        except SourceError as error:
            self._found(path, error.findings)
            return last

    def _mirmon(self, mirrors: Iterable[Mirror]) -> dict[str, MirrorState]:
        path = self._folder.mirmon
        if is_gone(path):
            return {}
        try:
            states, findings = read_mirmon(path, mirrors)
        except SourceError as error:
            self._found(path, error.findings)
            names = {mirror.name for mirror in mirrors}
            return {name: state for name, state in self.states.items() if name in names}
        self._found(path, findings)
        return states

    def _found(self, path: Path, findings: Iterable[Finding]) -> None:
        self.findings += located(findings, self._folder.name_of(path.parent))
