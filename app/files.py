"""Reads files up to a size limit, replaces files in one atomic step, tells whether files have changed, and
finds the folders that come with the program."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import stat
import sys
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
"""The age, in seconds, above which a temporary file must have been left behind by a killed writer."""


def shipped_folder(name: Literal["data", "nginx"]) -> Path:
    """The folder `name` of the program itself: beside the package in a clone, inside of it where a wheel was
    installed."""
    installed = _APP / name
    return installed if installed.is_dir() else _APP.parent / name


def own_module(name: str) -> list[str]:
    """The command that runs a module of this program as `python -m` does, with the interpreter and the search
    path of this process. `python -m` itself would look into the present folder first, which may hold another
    program's `app`."""
    code = (
        "import runpy, sys; sys.path[:] = sys.argv.pop(1).split(':'); "
        "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
    )
    return [sys.executable, "-P", "-c", code, ":".join(sys.path), name]


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """Returns the content of a file. Raises SourceError if the file cannot be read, is not a regular file, or
    is larger than `limit_bytes`. A file whose name is not printable text is refused too, because no message
    could show such a name."""
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
    """Calls `read` with a path and returns the result. Turns any exception other than SourceError into a
    SourceError, so that a bug which one file brings out does not keep the other files from being read."""
    try:
        return read(path)
    except SourceError:
        raise
    except Exception as error:
        _log.debug("%s cannot be read", path, exc_info=True)
        raise _source_error(path, f"holds something that the program cannot read: {error!r}") from error


def digest_of_file(path: Path) -> str:
    """Returns the SHA-256 of a file's content in lower-case hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def said(error: OSError) -> str:
    """Returns a message for people about an OSError: the system's reason, after the file's name if the error
    has one."""
    problem = error.strerror or str(error)
    return problem if error.filename is None else f"{os.fsdecode(error.filename)}: {problem}"


# --- replacing -------------------------------------------------------------------------------------


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """A context manager that replaces a file in one step: a reader finds the old file or the new one, never
    half of one.

    The `with` block gets the path of a temporary file and writes the new content there. When the block ends,
    the temporary file takes the place of `path`; if the block raises, `path` stays as it was and nothing is
    left over. The temporary file is hidden, so that no reader of the folder takes it for an ordinary file,
    and its name is drawn anew each time, so that several processes may replace the same file at once. The
    folder is made where there is none.

    With `durable`, the new file also survives a power cut: it is flushed to the disk before the replacement,
    and the folder after it. Without `durable`, a power cut may leave an empty file.
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
    """Replaces a file by one with this content in one step. `durable` means the same as for `replacing`."""
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
    """Returns the present mark of the file at `path` (see `mark_of`), or None if the file cannot be looked
    at."""
    try:
        return mark_of(path.stat())
    except OSError:
        return None


def mark_of(found: os.stat_result) -> FileMark:
    """Returns the mark of a file, which changes whenever the file does: its inode, size, mtime and ctime. The
    inode is there because tools replace files by renaming. The ctime is there because mtime does not change
    with new permissions, or when a file is copied with its old times."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_gone(path: Path) -> bool:
    """Returns whether a file does not exist any more. A file that merely cannot be read, because its folder
    is not accessible or because it is a broken or circular symbolic link, is not gone; its last known content
    still counts."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def folder_mark(folder: Path) -> Marks:
    """Returns the mark of a folder itself, by the folder's path. The mark tells an empty folder from one that
    is missing or was replaced. It has only the inode, so that changes to the files in the folder do not
    change it."""
    seen = mark(folder)
    return {str(folder): None if seen is None else (seen[0], 0, 0, 0)}


def listing_error(folder: Path) -> OSError | None:
    """Returns the error with which listing a folder fails; None if the folder can be listed."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        return error
    return None


def marks(folder: Path, *suffixes: str) -> Marks:
    """Returns the marks of all visible files in a folder whose names end in one of these suffixes, by path.
    The mark of a file that cannot be looked at is None. A folder that cannot be listed gives no marks. This
    function runs twice a second, so it makes no Path objects."""
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
    """Returns the files that `marks` looks at, sorted by name. Raises OSError if the folder cannot be listed,
    or is removed or replaced meanwhile, because then nothing is known of its files."""
    before = folder.stat().st_ino
    found = [Path(path) for path in sorted(marks(folder, *suffixes))]
    os.scandir(folder).close()
    if folder.stat().st_ino != before:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    return found


class FileCache(Generic[T]):
    """A cache of values that are read from files. `get` reads a file again only when it has changed. As long
    as the file stays as it is, `get` returns the value of the last reading, or raises its SourceError
    again."""

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
