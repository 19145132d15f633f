"""Reads files up to a limit, replaces them in one step, tells whether they have changed, and finds those that
come with the program."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, Literal, TypeVar

from app.model import SourceError
from app.model.errors import fault

_log = logging.getLogger(__name__)

T = TypeVar("T")
FileMark = tuple[int, int, int, int]  # inode, size, mtime and ctime in ns
Marks = dict[str, FileMark | None]  # by path

_APP = Path(__file__).parent

ABANDONED_S = 3600.0
"""The age of a temporary file whose writer must have been killed."""


def shipped_folder(name: Literal["data", "nginx"]) -> Path:
    """The folder `name` of the program itself: beside the package in a clone, inside of it where a wheel was
    installed."""
    installed = _APP / name
    return installed if installed.is_dir() else _APP.parent / name


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """The content of a file. Raises SourceError if it cannot be read, is no regular file, or is too large,
    and if its name is no text: then it could be neither said nor published."""
    if not path.name.isprintable():
        raise _source_error(path, "has a name that cannot be printed, or is not UTF-8; rename it")
    try:
        # Opening a pipe without a writer would wait for ever.
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
    return SourceError([fault(path.name, f"the file {problem}")])


def guarded(read: Callable[[Path], T], path: Path) -> T:
    """What `read` makes of a file. Raises SourceError, whatever goes wrong: a bug that one file meets must
    not keep us from all the others."""
    try:
        return read(path)
    except SourceError:
        raise
    except Exception as error:
        _log.debug("%s cannot be read", path, exc_info=True)
        raise _source_error(path, f"holds something that the program cannot read: {error!r}") from error


def digest_of_file(path: Path) -> str:
    """The SHA-256 of a file's content in lower-case hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def said(error: OSError) -> str:
    """Says what the system refused, with the file if it names one."""
    problem = error.strerror or str(error)
    return problem if error.filename is None else f"{os.fsdecode(error.filename)}: {problem}"


# --- replacing -------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Replaces a file in one step: a reader finds the old file or the new one, never half of one.

    The block writes to the temporary path that it is given. What stands there when the block ends
    takes the place of `path`; if the block raises, `path` stays as it was and nothing is left over.
    The temporary is hidden, so that no reader of the folder takes it for a file of its own, and its
    name is drawn anew each time, so that several processes may replace the same file at once. The
    folder is made where there is none.

    `durable`: the new file also survives a power cut. It is flushed to the disk before the step, and
    the folder after it. Without this, a power cut may leave an empty file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        if durable:
            _flush(temporary, os.O_RDONLY)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent, os.O_RDONLY | os.O_DIRECTORY)


def replace(path: Path, content: bytes, durable: bool = False) -> None:
    """Replaces a file by one with this content, as `replacing` does."""
    with replacing(path, durable) as temporary:
        temporary.write_bytes(content)


def remove_abandoned(folder: Path, now: float | None = None) -> None:
    """Removes the temporary files in a folder that writers left behind when they were killed. A folder that
    cannot be read or changed stays as it is. `now` is in epoch seconds; by default, it is the present."""
    oldest_s = (time.time() if now is None else now) - ABANDONED_S
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):  # another process was faster, or the disk is read-only
                is_temporary = entry.name.startswith(".") and entry.name.endswith(".tmp")
                if is_temporary and entry.stat(follow_symlinks=False).st_mtime < oldest_s:
                    Path(entry.path).unlink()


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems cannot flush folders, and need not
            raise
    finally:
        os.close(descriptor)


# --- marks -----------------------------------------------------------------------------------------


def mark(path: Path) -> FileMark | None:
    """The present mark of the file at `path`, or None if there is none."""
    try:
        return mark_of(path.stat())
    except OSError:
        return None


def mark_of(found: os.stat_result) -> FileMark:
    """The mark of a file, which changes whenever the file does. It has the inode, because tools replace
    files by renaming, and ctime, because mtime does not change with new permissions, or when a file is
    copied with its old times."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_gone(path: Path) -> bool:
    """Returns whether a file was taken away. It is not gone if it only cannot be read, because its folder is
    closed or it is a link to itself or to nothing; then what it last said still counts."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def folder_mark(folder: Path) -> Marks:
    """The mark of a folder itself, which tells an empty folder from one that is not there or was replaced.
    It has only the inode, so that other files in the folder do not change it."""
    seen = mark(folder)
    return {str(folder): None if seen is None else (seen[0], 0, 0, 0)}


def listing_error(folder: Path) -> OSError | None:
    """The error that keeps us from listing a folder; None if it can be listed."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error
    return None


def marks(folder: Path, *suffixes: str) -> Marks:
    """The marks of all visible files in a folder with one of these suffixes, by path. The mark of a file that
    cannot be looked at is None; without a folder there are no marks. This runs twice a second, so it
    makes no Path objects."""
    found: Marks = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(suffixes) and not entry.name.startswith("."):
                    try:
                        found[entry.path] = mark_of(entry.stat())
                    except OSError:
                        if not is_gone(Path(entry.path)):
                            found[entry.path] = None
    except OSError:
        pass
    return found


def paths(folder: Path, *suffixes: str) -> list[Path]:
    """The files that `marks` looks at, sorted by name. Raises OSError if the folder cannot be listed, or is
    taken away meanwhile: then nothing is known of its files."""
    before = folder.stat().st_ino
    found = [Path(path) for path in sorted(marks(folder, *suffixes))]
    os.scandir(folder).close()
    if folder.stat().st_ino != before:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    return found


class FileCache(Generic[T]):
    """Values read from files. `get` reads a file again only when it has changed, and raises the SourceError
    of the last reading as long as the file stays as it is."""

    def __init__(self, read: Callable[[Path], T]) -> None:
        self._read = read
        self._known: dict[Path, tuple[FileMark | None, T | SourceError]] = {}

    def get(self, path: Path) -> T:
        seen = mark(path)
        if path not in self._known or self._known[path][0] != seen:
            try:
                self._known[path] = (seen, guarded(self._read, path))
            except SourceError as error:
                self._known[path] = (seen, error)
        value = self._known[path][1]
        if isinstance(value, SourceError):
            raise value
        return value
