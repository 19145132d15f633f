"""Finds files in the data folder that look like inputs, but that no program reads.

A file is recognised by its contents (a mirror, a provider's ranges, a mirror's state), or by a name that
is nearly right. Other files may be in the folder: people keep notes, licences and scripts there.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path

import msgspec

from app.clouds.read import MAX_BYTES, RANGE_ENDINGS, provider_of
from app.files import is_gone, paths, read_bytes
from app.model import Finding, Mirror, SourceError
from app.model.errors import warning
from app.model.words import quoted
from app.sources.folder import GEOFEED_ENDINGS, MIRROR_ENDINGS, STATE_ENDINGS, DataFolder
from app.sources.geofeeds import is_geofeed

MAX_DEPTH = 5

_SAMPLES = frozenset({"doc", "docs", "example", "examples", "template", "templates", "test", "tests"})
"""The names of folders whose files are for people only, and so are not looked at."""

_LIKE_AN_ENDING = 0.75
_LIKE_A_NAME = 0.85
_FIRST_KEY = re.compile(rb"(?:\xef\xbb\xbf)?(?:[ \t]*(?:#.*)?\r?\n|---.*\n)*[\"']?[a-z_]+[\"']?[ \t]*:")
_NAME_AND_ADDRESS = tuple(
    re.compile(rb"^[\"']?" + key + rb"[\"']?[ \t]*:", re.MULTILINE) for key in (b"name", b"address")
)


class _Kind(msgspec.Struct, frozen=True):
    """A kind of input that has a folder with many files."""

    what: str
    folder: Path
    endings: tuple[str, ...]
    #: Returns whether a file with this content is of this kind.
    matches: Callable[[bytes], bool]

    def holds(self, path: Path) -> bool:
        """Returns whether a file, in any folder, may be meant as an input of this kind. In the kind's own
        folder the ending or the content is enough; elsewhere both must be of this kind."""
        inside = self.folder in path.parents
        named = _ends_like(path.name, self.endings)
        return (inside and named) or ((inside or named) and self.matches(_content(path)))


def unread(folder: DataFolder, mirrors_dir: str, mirrors: Mapping[str, Mirror]) -> list[Finding]:
    """Returns the warnings about files that look like inputs but are not read, with their paths in the data
    folder. `mirrors` are by file name."""
    kinds = (
        _Kind("mirror", folder.root / mirrors_dir, MIRROR_ENDINGS, _is_mirror),
        _Kind("cloud range", folder.cloud, RANGE_ENDINGS, lambda content: provider_of(content) is not None),
        _Kind("geofeed", folder.geofeeds, GEOFEED_ENDINGS, is_geofeed),
        _Kind("mirror state", folder.mirror_states, STATE_ENDINGS, _is_state),
    )
    singles = (folder.config, folder.counts, folder.mirmon, folder.repos, folder.round)
    read = {path for kind in kinds for path in _listed(kind.folder, kind.endings)}
    read |= {*singles, folder.origin_notes}
    real = {os.path.realpath(path) for path in read}
    misplaced: dict[tuple[Path, _Kind], list[Path]] = defaultdict(list)
    found = []
    for path in _files(folder, kinds):
        if path in read or os.path.realpath(path) in real:
            continue
        meant = next((single for single in singles if _is_meant(path, single, folder)), None)
        kind = None if meant else next((kind for kind in kinds if kind.holds(path)), None)
        if meant:
            found.append(_belongs(folder, path, meant))
        elif kind:
            misplaced[path.parent, kind].append(path)
    for (parent, kind), files in misplaced.items():
        found += _unread_files(folder, parent, kind, files)
    return [*found, *_other_states(folder, mirrors)]


def unread_config(folder: DataFolder) -> list[Finding]:
    """Returns the warnings about files at the top of the data folder that may be meant as config.yml."""
    beside = [path for path in _files(folder, ()) if path.parent == folder.root and path != folder.config]
    return [
        _belongs(folder, path, folder.config) for path in beside if _is_meant(path, folder.config, folder)
    ]


def _files(folder: DataFolder, kinds: tuple[_Kind, ...]) -> Iterator[Path]:
    """Yields all files except hidden ones, samples and the prober's own notes. A link to a folder is
    followed only if inputs are read from that folder."""
    linked = [kind.folder for kind in kinds if os.path.islink(kind.folder)]  # noqa: PTH114 - Path raises
    for root in (folder.root, *linked):
        for parent, folders, files in os.walk(root):
            here = Path(parent)
            deep = len(here.relative_to(root).parts) >= MAX_DEPTH
            folders[:] = [
                name
                for name in sorted(folders)
                if not (deep or name.startswith(".") or name.lower() in _SAMPLES)
                and here / name != folder.prober_notes
            ]
            yield from (here / name for name in sorted(files) if not name.startswith("."))


def _listed(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Returns the inputs in a folder. Returns none if the folder cannot be listed, because its reader reports
    that."""
    try:
        return paths(folder, *endings)
    except OSError:
        return []


def _is_meant(path: Path, single: Path, folder: DataFolder) -> bool:
    """Returns whether a file has nearly the name of the input `single`, and so is probably meant as that
    input. A copy beside the input is not."""
    name, right, there = path.name.lower(), single.name.lower(), not is_gone(single)
    if path.parent != single.parent:
        return name == right and (not there or path.parent in (folder.root, folder.state, folder.cloud))
    if not there and (name.startswith(right) or path.stem.lower() == single.stem):
        return True
    is_copy = there and name != right and name.startswith(right)
    return not is_copy and _likeness(name, right) >= _LIKE_A_NAME


def _belongs(folder: DataFolder, path: Path, right: Path) -> Finding:
    message = f"no program reads this file; what is read is {folder.name_of(right)}"
    return warning(folder.name_of(path), message)


def _unread_files(folder: DataFolder, parent: Path, kind: _Kind, files: list[Path]) -> list[Finding]:
    """Returns the warnings about files of one kind in one folder: one for each file, or one for all if there
    are several in a folder in which no such file belongs."""
    place = f"{kind.what} files are read from {folder.name_of(kind.folder)}/ itself"
    rule = f"{place}, under names that end in {' or '.join(kind.endings)}"
    if len(files) == 1 or parent in (folder.root, kind.folder):
        return [warning(folder.name_of(path), f"no program reads this file; {rule}") for path in files]
    message = (
        f"{len(files)} files in this folder, such as {quoted(files[0].name)}, look like {kind.what} files, "
        f"and no program reads them; {rule}"
    )
    return [warning(folder.name_of(parent), message)]


def _other_states(folder: DataFolder, mirrors: Mapping[str, Mirror]) -> list[Finding]:
    """Returns the warnings about state files that are not read because they have the name of a mirror's file
    instead of the mirror's name, or that name in other letter case. The state of a mirror that is gone is not
    reported."""
    meant = {Path(file).stem.lower(): mirror.name for file, mirror in mirrors.items()}
    meant |= {mirror.name.lower(): mirror.name for mirror in mirrors.values()}
    names = set(meant.values())
    found = []
    for path in _listed(folder.mirror_states, STATE_ENDINGS):
        name = meant.get(path.stem.lower())
        if path.stem in names or name is None:
            continue
        message = f"no mirror has this name; the state of the mirror {quoted(name)} is read from {name}.json"
        found.append(warning(folder.name_of(path), message))
    return found


def _ends_like(name: str, endings: tuple[str, ...]) -> bool:
    """Returns whether a part of a file's name behind a dot is one of the endings, or nearly: "a.YML",
    "a.yml.bak", "a.ym"."""
    parts = [part.lower() for part in name.split(".")[1:]]
    words = [ending.removeprefix(".") for ending in endings]
    return any(
        part.startswith(word) or _likeness(part, word) >= _LIKE_AN_ENDING for part in parts for word in words
    )


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, MAX_BYTES)
    except SourceError:
        return b""


def _is_mirror(content: bytes) -> bool:
    """Returns whether a content looks like a mirror file, even if it is no valid YAML: it begins with a key,
    and has the keys `name` and `address`."""
    return _FIRST_KEY.match(content) is not None and all(key.search(content) for key in _NAME_AND_ADDRESS)


def _is_state(content: bytes) -> bool:
    return content.lstrip().startswith(b"{") and b'"probed_at"' in content and b'"mirror"' in content
