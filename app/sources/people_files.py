"""Reads the files that people write (config.yml with its logo, and the mirror files), for every program that
needs them.

A bad file never affects the others: if config.yml is at fault, its last good contents are used, and a
mirror whose file is at fault keeps its last good definition. If two files name the same mirror, the file
that named it before counts, so that a new file takes no mirror away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from app.files import FileCache, Marks, folder_mark, mark, marks, paths
from app.model import Finding, Logo, Mirror, ServiceConfig, Severity, SourceError
from app.model.errors import fault, warning
from app.sources.folder import MIRROR_ENDINGS, DataFolder
from app.sources.mirror_files import check_network, read_mirror
from app.sources.report import located
from app.sources.service_config import read_service_config
from app.sources.site import read_logo


@dataclass(frozen=True)
class Written:
    """What people have written: a service config, and a mirror in each file, by the file's name."""

    config: ServiceConfig
    definitions: Mapping[str, Mirror]


class PeopleFiles:
    """The last good service config and the last good mirrors of a data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self.config: ServiceConfig | None = None
        #: The last good mirror of each file, by the file's name.
        self.definitions: dict[str, Mirror] = {}
        #: The findings of the last reading, with the files' paths in the data folder.
        self.findings: list[Finding] = []
        self._folder = folder
        self._config_cache = FileCache(read_service_config)
        self._logo_cache = FileCache(read_logo)
        self._mirror_cache: FileCache[tuple[Mirror | None, list[Finding]]]
        self._cached_for: ServiceConfig | None = None

    @property
    def mirrors(self) -> dict[str, Mirror]:
        """The last good mirrors by their names."""
        return {mirror.name: mirror for mirror in self.definitions.values()}

    def marks(self) -> Marks:
        """Returns the marks (inode, size and times) of all these files, by path. They change when one of the
        files does."""
        config, folder = self._folder.config, self._folder.mirrors(self.config)
        own = {str(path): mark(path) for path in (config, *self._logo_files())}
        return {**own, **folder_mark(folder), **marks(folder, *MIRROR_ENDINGS)}

    def read(self) -> ServiceConfig:
        """Reads the files that have changed. Returns the last good config. Raises SourceError while there has
        never been a good one."""
        self.findings = self._read_config()
        if self.config is None:
            raise SourceError(self.findings)
        self._read_mirrors(self.config)
        return self.config

    def _read_mirrors(self, config: ServiceConfig) -> None:
        if config != self._cached_for:  # it decides what a mirror file means
            self._mirror_cache, self._cached_for = FileCache(partial(read_mirror, config=config)), config
        folder = self._folder.mirrors(config)
        try:
            files = paths(folder, *MIRROR_ENDINGS)
        except OSError as closed:
            # Perhaps a disk is not mounted. People who want no mirrors leave the folder empty.
            problem = f"the folder cannot be read, so all mirrors stay as they were: {closed.strerror}"
            name = self._folder.name_of(folder)
            self.findings.append(fault(name, problem))
            return
        read: dict[str, Mirror] = {}
        found: list[Finding] = []
        for path in files:
            mirror, findings = self._mirror(path)
            found += findings
            mirror = mirror or self.definitions.get(path.name)
            if mirror is not None:
                read[path.name] = mirror
        for finding in check_network(read, self.definitions):
            found.append(finding)
            if finding.severity is Severity.FAULT:
                self._take_last(read, finding.file)
        self.findings += located(found, self._folder.name_of(folder))
        self.definitions = read

    def _mirror(self, path: Path) -> tuple[Mirror | None, list[Finding]]:
        try:
            return self._mirror_cache.get(path)
        except SourceError as error:
            return None, error.findings

    def _take_last(self, read: dict[str, Mirror], file: str) -> None:
        """Removes the present mirror of a file from `read`. Puts the file's last good mirror in its place,
        unless another file names that mirror now."""
        del read[file]
        last = self.definitions.get(file)
        if last is not None and last.name.lower() not in {mirror.name.lower() for mirror in read.values()}:
            read[file] = last

    def _read_config(self) -> list[Finding]:
        try:
            config, findings = self._config_cache.get(self._folder.config)
        except SourceError as error:
            return list(error.findings)
        last = self.config.site if self.config else None
        self.config, findings = config, list(findings)
        for path in self._logo_files():
            logo: Logo | None
            try:
                logo = self._logo_cache.get(path)
            except SourceError as error:  # it decides no list, so it is a warning
                findings += [warning(finding.file, finding.message) for finding in error.findings]
                logo = last.logo if last and last.logo_file == config.site.logo_file else None
            self.config = replace(config, site=replace(config.site, logo=logo))
        return findings

    def _logo_files(self) -> list[Path]:
        name = self.config.site.logo_file if self.config else None
        return [self._folder.root / name] if name else []
