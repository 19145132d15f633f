"""Reads the folder `state/`, in which the prober or mirmon writes what it measured.

For a file at fault, its last good contents are used. The same holds for all files while a folder is missing,
because it is being replaced, or its disk is not mounted. People who want no state leave the folder of the
mirrors' states empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from app.files import FileCache, Marks, folder_mark, guarded, is_gone, mark, marks, paths
from app.model import (
    Finding,
    ImageDirectory,
    Mirror,
    MirrorState,
    ProbeRound,
    RepomdVersion,
    SourceError,
)
from app.model.errors import fault
from app.sources.folder import STATE_ENDINGS, DataFolder
from app.sources.mirmon import read_mirmon
from app.sources.probe_state import read_images, read_mirror_state, read_repo_versions, read_round
from app.sources.report import located

T = TypeVar("T")


class StateFiles:
    """The contents of the state files of one data folder. While a file is at fault, its last good contents
    count."""

    def __init__(self, folder: DataFolder) -> None:
        #: The states of mirrors, by the name of the mirror.
        self.states: dict[str, MirrorState] = {}
        self.last_round: ProbeRound | None = None
        #: The origin's versions of each repo's repomd.xml, newest first, by "release/repo/arch".
        self.repomd: dict[str, tuple[RepomdVersion, ...]] = {}
        #: The ISO directories of the origin, by "release/arch".
        self.images: dict[str, ImageDirectory] = {}
        #: The findings of the last reading, with the files' paths in the data folder.
        self.findings: list[Finding] = []
        self._folder = folder
        self._states = FileCache(read_mirror_state)
        self._round = FileCache(read_round)
        self._repos = FileCache(read_repo_versions)
        self._images = FileCache(read_images)

    def marks(self) -> Marks:
        """Returns the marks (inode, size and times) of all these files, by path. They change when one of the
        files does."""
        folder = self._folder
        singles = {str(path): mark(path) for path in folder.single_states}
        folders = {**folder_mark(folder.state), **folder_mark(folder.mirror_states)}
        return {**singles, **folders, **marks(folder.mirror_states, *STATE_ENDINGS)}

    def are_there(self) -> bool:
        """Returns whether there is any state file, readable or not."""
        folder = self._folder
        files = marks(folder.mirror_states, *STATE_ENDINGS)
        return bool(files) or not all(map(is_gone, folder.single_states))

    def read(self, mirrors: Iterable[Mirror]) -> None:
        """Reads the files that have changed. `mirrors` say to which mirror a URL in mirmon's file belongs. If
        both the prober and mirmon know a mirror, the prober counts."""
        self.findings = []
        folder = self._folder
        if self._listed(folder.state, known=bool(self.states or self.last_round)) is None:
            return
        files = self._listed(folder.mirror_states, known=self.last_round is not None)
        keep = files is None or (bool(files) and self._begins_anew())
        states = {**(self.states if keep else {}), **self._mirmon(list(mirrors))}
        for path in files or ():
            state = self._read(path, self._states, self.states.get(path.stem))
            if state is not None:
                states[path.stem] = state
        self.states = states
        if not (keep and is_gone(folder.round)):
            self.last_round = self._read(folder.round, self._round, self.last_round)
        if not (keep and is_gone(folder.repos)):
            self.repomd = self._read(folder.repos, self._repos, self.repomd) or {}
        if not (keep and is_gone(folder.images)):
            self.images = self._read(folder.images, self._images, self.images) or {}

    def newest_round(self) -> ProbeRound | None:
        """Returns the newer of the last complete round that was read and the one that its file has now."""
        known, path = self.last_round, self._folder.round
        try:
            now = None if is_gone(path) else self._round.get(path)
        except SourceError:
            return known
        return now if known is None or (now and now.completed_at > known.completed_at) else known

    def _listed(self, folder: Path, known: bool) -> list[Path] | None:
        """Returns the state files in a folder. If the folder cannot be listed, reports that and returns None.
        A folder that is missing counts as empty if nothing is `known` from it yet."""
        try:
            return paths(folder, *STATE_ENDINGS)
        except OSError as closed:
            if isinstance(closed, FileNotFoundError) and not known:
                return []
            problem = f"the folder cannot be read, so all stays as it was: {closed.strerror}"
            self.findings.append(fault(self._folder.name_of(folder), problem))
            return None

    def _begins_anew(self) -> bool:
        """Returns whether a prober is filling a new folder and its first round has not ended, and reports
        that. Until the round ends, the mirrors that the prober has not come to keep their states."""
        folder = self._folder
        if self.last_round is None or not is_gone(folder.round):
            return False
        problem = "the file is not there, so mirrors without a state keep their last until a round has ended"
        self.findings.append(fault(self._folder.name_of(folder.round), problem))
        return True

    def _read(self, path: Path, cache: FileCache[T], last: T | None) -> T | None:
        """Returns the contents of a file, or its `last` good contents while it is at fault; None if there is
        no file."""
        if is_gone(path):
            return None
        try:
            return cache.get(path)
        except SourceError as error:
            self._found(path, error.findings)
            return last

    def _mirmon(self, mirrors: Collection[Mirror]) -> dict[str, MirrorState]:
        path = self._folder.mirmon
        if is_gone(path):
            return {}
        try:
            states, findings = guarded(partial(read_mirmon, mirrors=mirrors), path)
        except SourceError as error:
            self._found(path, error.findings)
            names = {mirror.name for mirror in mirrors}
            return {name: state for name, state in self.states.items() if name in names}
        self._found(path, findings)
        return states

    def _found(self, path: Path, findings: Iterable[Finding]) -> None:
        self.findings += located(findings, self._folder.name_of(path.parent))
