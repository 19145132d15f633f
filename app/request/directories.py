"""Finds the directory that a path lies in. Pure: it does no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from app.catalogue.catalogue import (
    has_arch,
    has_isos,
    is_expected,
    iso_path,
    path_of,
    product_of,
    repos_of,
    version_of,
)
from app.model import Repo, ServiceConfig

MAX_DEPTH = 20
"""A directory is looked for in this many segments of a path, from the first on."""

_Segments = tuple[str, ...]


class KnownDirectory(NamedTuple):
    """A directory that is known: a repo of a release, or the release's ISOs."""

    #: The full name of the release.
    release: str
    #: The version as it stands in the path.
    version: str
    #: None for ISOs.
    repo: Repo | None
    #: Empty for a directory for all arches.
    arch: str


class _Tree(NamedTuple):
    """The directories of a release, under one of its names."""

    directories: dict[_Segments, KnownDirectory]
    #: The paths in which they lie directly.
    parents: frozenset[_Segments]


class Directories:
    """The directories of a config's repos and ISOs, under the full and the short names of releases. Paths are
    given as their segments below the base URL of a product, and compared without regard to case."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        #: The versions of each product, in lower case, each with the name of the release.
        self._versions: dict[str, list[tuple[str, str]]] = {}
        for name in (*config.releases, *config.vault_releases, *config.aliases):
            versions = self._versions.setdefault(product_of(config, name), [])
            versions.append((version_of(config, name).lower(), name))
        self._trees: dict[str, _Tree] = {}  # by a release's name, made when first needed

    def find(self, product: str, path: Sequence[str]) -> tuple[KnownDirectory, int] | None:
        """Returns the innermost directory that is or contains a path, and how many segments it has; None if
        no known one does. If several repos have the same path, the one that is expected in the release
        counts."""
        segments = _lowered(path[:MAX_DEPTH])
        best: tuple[KnownDirectory, int] | None = None
        for tree in self._trees_for(product, segments):
            for length in range(len(segments), best[1] if best else 0, -1):
                found = tree.directories.get(segments[:length])
                if found is not None:
                    best = found, length
                    break
        return best

    def are_in(self, product: str, path: Sequence[str]) -> bool:
        """Returns whether a known directory lies directly in this path."""
        segments = _lowered(path)
        return any(segments in tree.parents for tree in self._trees_for(product, segments))

    def _trees_for(self, product: str, segments: _Segments) -> Iterator[_Tree]:
        """Yields the directories of the releases whose versions occur in a path."""
        text = "/".join(segments)
        for version, name in self._versions[product]:
            if version in text:
                tree = self._trees.get(name)
                if tree is None:
                    tree = self._trees[name] = self._tree(name)
                yield tree

    def _tree(self, name: str) -> _Tree:
        config = self._config
        full, version = config.aliases.get(name, name), version_of(config, name)
        arches = config.arches.get(full, ())
        directories: dict[_Segments, KnownDirectory] = {}
        if has_isos(config, full):
            for arch in arches:
                directories[_segments(iso_path(config, name, arch))] = KnownDirectory(
                    full, version, None, arch
                )
        named = [
            (is_expected(config, repo, full, arch), repo, arch)
            for repo in repos_of(config, full)
            for arch in (arches if has_arch(repo) else ("",))
        ]
        for _, repo, arch in sorted(named, key=itemgetter(0), reverse=True):
            path = _segments(path_of(config, repo, name, arch))
            directories.setdefault(path, KnownDirectory(full, version, repo, arch))
        return _Tree(directories, frozenset(path[:-1] for path in directories))


def _lowered(path: Sequence[str]) -> _Segments:
    return tuple(segment.lower() for segment in path)


def _segments(path: str) -> _Segments:
    return tuple(path.strip("/").lower().split("/"))
