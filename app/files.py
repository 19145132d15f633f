"""Files: bounded reading, and whether they have changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from app.model import Finding, MirrorwiseError, Severity, SourceError

T = TypeVar("T")
FileMark = tuple[int, int, int, int]  # inode, size, mtime and ctime in ns
Marks = dict[str, FileMark | None]  # by path


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """Raises SourceError where the file cannot be read, is no regular file, or is too large."""
    try:
        # Opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _source_error(path, "is not a regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(limit_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _source_error(path, f"cannot be read: {error.strerror or error}") from error
    if len(content) > limit_bytes:
        raise _source_error(path, f"is larger than the {limit_bytes:,} bytes allowed")
    return content


def _source_error(path: Path, problem: str) -> SourceError:
    return SourceError([Finding(severity=Severity.FAULT, file=path.name, message=f"the file {problem}")])


# --- marks -----------------------------------------------------------------------------------------


def mark(path: Path) -> FileMark | None:
    """What changes when the file does; None if it is not there. The path is followed, not the
    inode: tools replace files by renaming. ctime shows what mtime may hide: new permissions, and
    contents copied with their old times."""
    try:
        return _mark_of(path.stat())
    except OSError:
        return None


def _mark_of(found: os.stat_result) -> FileMark:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


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
