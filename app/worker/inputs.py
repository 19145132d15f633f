"""Reading the inputs: each file again when it has changed, and the last good of it while it is at fault.

A broken file never takes down the rest. A mirror whose file is at fault keeps its last published
definition; a state file, a cloud provider's ranges or a GeoIP database that cannot be read keep
what they last said. Every fault goes to `Faults`, under the file's name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from app.faults import Faults
from app.model import (
    Finding,
    Mirror,
    MirrorState,
    MirrorwiseError,
    ProbeRound,
    RepomdVersion,
    ServiceConfig,
    Severity,
    SourceError,
)
from app.settings import Settings
from app.sources.mirmon import read_mirmon
from app.sources.mirror_files import check_network, read_mirror
from app.sources.probe_state import read_mirror_state, read_repo_facts, read_round
from app.sources.service_config import read_service_config

log = logging.getLogger("mirrorwise.worker")

T = TypeVar("T")
FileMark = tuple[int, int, int, int]  # inode, size, mtime and ctime in ns
Marks = dict[str, FileMark | None]  # by path


def mark(path: Path) -> FileMark | None:
    """What changes when the file does; None if it is not there. The path is followed, not the
    inode: tools replace files by renaming. ctime shows what mtime may hide: new permissions, and
    contents copied with their old times."""
    try:
        return _mark_of(path.stat())
    except OSError:
        return None


def _mark_of(stat: os.stat_result) -> FileMark:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def is_gone(path: Path) -> bool:
    """Whether somebody took the file away, rather than made it unreadable (its folder closed, a link
    that leads to itself): what cannot be read keeps what it last said."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def folder_mark(folder: Path) -> Marks:
    """An empty folder is another thing than none, or one that is closed."""
    seen = mark(folder)
    return {str(folder): None if seen is None else (seen[0], 0, 0, 0)}


def listing_error(folder: Path) -> OSError | None:
    """Why nobody can tell which files are in a folder."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error
    return None


def marks(folder: Path, *suffixes: str) -> Marks:
    """Of all files in a folder with one of these suffixes, None for one that cannot be looked at;
    empty if there is no folder. Looked at twice a second: without an object for each path."""
    found: Marks = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(suffixes) and not entry.name.startswith("."):
                    try:
                        found[entry.path] = _mark_of(entry.stat())
                    except OSError:
                        if not is_gone(Path(entry.path)):
                            found[entry.path] = None
    except OSError:
        pass
    return found


def paths(folder: Path, *suffixes: str) -> list[Path]:
    """The files that `marks` looks at, by name."""
    return [Path(path) for path in sorted(marks(folder, *suffixes))]


class FileCache(Generic[T]):
    """Values read from files. `get` reads again only what has changed, and raises what reading
    raised as long as the file stays as it is."""

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._known: dict[Path, tuple[FileMark | None, T | MirrorwiseError]] = {}

    def get(self, path: Path) -> T:
        seen = mark(path)
        if path not in self._known or self._known[path][0] != seen:
            try:
                self._known[path] = (seen, self._read(path))
            except MirrorwiseError as error:
                self._known[path] = (seen, error)
        value = self._known[path][1]
        if isinstance(value, MirrorwiseError):
            raise value
        return value

    def forget(self) -> None:
        self._known.clear()


class PeopleFiles:
    """config.yml and the mirror files. `definitions`: the last good mirror of each file, by name."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self.data_dir = settings.data_dir
        self.config: ServiceConfig | None = None
        self.definitions: dict[str, Mirror] = {}
        self._faults = faults
        self._config_cache = FileCache(read_service_config)
        self._mirror_cache = FileCache(self._read_mirror)

    @property
    def mirrors_folder(self) -> Path:
        return self.data_dir / (self.config.mirrors_dir if self.config else "mirrors.d")

    def marks(self) -> Marks:
        config = self.data_dir / "config.yml"
        folder = self.mirrors_folder
        return {str(config): mark(config), **folder_mark(folder), **marks(folder, ".yml", ".yaml")}

    def read(self) -> None:
        """Bring `config` and `definitions` up to date. Raises SourceError while there has never been a
        good config."""
        self._read_config()
        closed = listing_error(self.mirrors_folder)
        if closed is not None:  # a disk that is not mounted is not people's will: they would leave it empty
            problem = f"the folder cannot be read, so all mirrors stay as they were: {closed.strerror}"
            self._faults.replace("mirrors/", {"mirrors/": problem})
            return
        faults: dict[str, str] = {}
        read: dict[str, Mirror] = {}
        for path in paths(self.mirrors_folder, ".yml", ".yaml"):
            try:
                read[path.name] = self._mirror_cache.get(path)
            except SourceError as error:
                faults[f"mirrors/{path.name}"] = "; ".join(map(str, error.findings))
                if path.name in self.definitions:
                    read[path.name] = self.definitions[path.name]
        for finding in check_network(read):
            if finding.severity is Severity.FAULT:
                faults[f"mirrors/{finding.file}"] = str(finding)
                self._take_last(read, finding.file)
        self._faults.replace("mirrors/", faults)
        self.definitions = read

    def _take_last(self, read: dict[str, Mirror], file: str) -> None:
        """Go back to a file's last good mirror, if its name is still free."""
        del read[file]
        last = self.definitions.get(file)
        if last is not None and last.name.lower() not in {mirror.name.lower() for mirror in read.values()}:
            read[file] = last

    def _read_config(self) -> None:
        path = self.data_dir / "config.yml"
        try:
            config, _ = self._config_cache.get(path)
        except SourceError as error:
            self._faults.set("config", str(error))
            if self.config is None:
                raise
            return
        self._faults.clear("config")
        if config != self.config:
            self._mirror_cache.forget()
            self.config = config

    def _read_mirror(self, path: Path) -> Mirror:
        if self.config is None:
            no_config = Finding(severity=Severity.FAULT, file=path.name, message="there is no config")
            raise SourceError([no_config])
        mirror, findings = read_mirror(path, self.config)
        if mirror is None:
            raise SourceError([f for f in findings if f.severity is Severity.FAULT])
        return mirror


class ProbeFiles:
    """state/: what the prober, or mirmon, measured."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._folder = settings.data_dir / "state"
        self._faults = faults
        self._states = FileCache(read_mirror_state)
        self._round = FileCache(read_round)
        self._facts = FileCache(read_repo_facts)
        self.states: dict[str, MirrorState] = {}
        self.last_round: ProbeRound | None = None
        self.repomd: dict[str, tuple[RepomdVersion, ...]] = {}

    def marks(self) -> Marks:
        single = [self._folder / name for name in ("round.json", "repos.json", "mirmon.state")]
        folder = self._folder / "mirrors"
        singles = {str(path): mark(path) for path in single}
        return {**singles, **folder_mark(folder), **marks(folder, ".json")}

    def read(self, mirrors: Iterable[Mirror]) -> None:
        """Bring `states` (by mirror name), `last_round` and `repomd` up to date."""
        mirrors = list(mirrors)
        faults: dict[str, str] = {}
        states = dict(self._mirmon(mirrors, faults))
        closed = listing_error(self._folder / "mirrors")
        if closed is not None and not isinstance(closed, FileNotFoundError):
            faults["state/mirrors"] = f"the folder cannot be read, so all stays as it was: {closed.strerror}"
            states = {**self.states, **states}
        for path, state in self._each(paths(self._folder / "mirrors", ".json"), faults):
            last = self.states.get(path.stem)
            if state is not None or last is not None:
                states[path.stem] = state or last  # type: ignore[assignment]  # one of them is there
        self.states = states
        self.last_round = self._single("round.json", self._round, self.last_round, faults)
        self.repomd = self._single("repos.json", self._facts, self.repomd, faults) or {}
        self._faults.replace("state/", faults)

    def _each(
        self, files: Iterable[Path], faults: dict[str, str]
    ) -> Iterator[tuple[Path, MirrorState | None]]:
        for path in files:
            try:
                yield path, self._states.get(path)
            except SourceError as error:
                faults[f"state/mirrors/{path.name}"] = str(error)
                yield path, None

    def _single(self, name: str, cache: FileCache[T], last: T | None, faults: dict[str, str]) -> T | None:
        """What the file says; the last good while it is at fault; None when it is not there."""
        path = self._folder / name
        if is_gone(path):
            return None
        try:
            return cache.get(path)
        except SourceError as error:
            faults[f"state/{name}"] = str(error)
            return last

    def _mirmon(self, mirrors: Iterable[Mirror], faults: dict[str, str]) -> dict[str, MirrorState]:
        path = self._folder / "mirmon.state"
        if is_gone(path):
            return {}
        try:
            states, _ = read_mirmon(path, mirrors)
        except SourceError as error:
            faults["state/mirmon.state"] = str(error)
            names = {mirror.name for mirror in mirrors}
            return {name: state for name, state in self.states.items() if name in names}
        return states
