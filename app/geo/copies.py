"""Private copies of database files, the only ones that are ever opened.

A database that is truncated or rewritten in place under a process that has it mapped kills that
process (SIGBUS). So a file is copied to `<folder>/<hash of its content>.mmdb` first, checked there,
and never changed again; whoever has mapped a copy keeps it even after it was deleted. Many
processes may share the folder.

Beside the copies, a symbolic link for each source leads to the last copy that served: it is what a
process opens that is started while the source is broken.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from app.geo.mmdb import MmdbFile
from app.model import GeoError

UNUSED_S = 3600.0
_SAMPLE = 512  # nodes per level of the tree: some ten thousand lookups in a large database, once

_FileIdentity = tuple[int, int, int, int]


class _BadDatabaseError(GeoError):
    """What the file holds is at fault: trying again is of no use until it changes."""


class VerifiedCopies:
    """The copies that this process uses. `copy` may be called at every refresh: a file that has not
    changed costs a stat, whether it was good or bad."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._good: dict[Path, tuple[_FileIdentity, Path]] = {}
        self._bad: dict[Path, tuple[_FileIdentity, str]] = {}
        self._kept: Path | None = None

    def copy(self, source: Path) -> Path:
        """The verified copy of this file. GeoError, naming the file and why: it is no usable
        database, or cannot be read, or is being written (ask again later)."""
        try:
            found = source.stat()
            if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
                raise GeoError(f"{source}: is not a regular file")
            identity = _identity(found)
            if source in self._bad and self._bad[source][0] == identity:
                raise GeoError(self._bad[source][1])
            if source in self._good and self._good[source][0] == identity:
                copy = self._good[source][1]
                if copy.exists():
                    return copy
            copy = self._copy(source)
        except _BadDatabaseError as error:
            self._bad[source] = (identity, str(error))
            raise
        except OSError as error:
            raise GeoError(f"{source}: cannot be copied to {self._folder}: {error}") from error
        self._good[source] = (identity, copy)
        return copy

    def keep(self, digest: str, content: bytes) -> Path:
        """A file with this content, which came through the store under its digest, not as a file."""
        target = self._folder / f"{digest[:32]}.mmdb"

        def check(written: Path) -> None:
            if _digest(written) != digest:
                raise GeoError(f"{target}: cannot be written: the disk holds something else than was written")

        try:
            if not _holds(target, digest):
                self._place(target, lambda writing: writing.write(content), check)
        except OSError as error:
            raise GeoError(f"{target}: cannot be written: {error}") from error
        self._kept = target
        return target

    def remember(self, source: Path, copy: Path) -> None:
        """This copy of the source serves: it is the one to go back to, for later processes too."""
        link = self._link(source)
        temporary = link.with_name(f"{link.name}.{secrets.token_hex(4)}.tmp")
        with suppress(OSError):  # a full disk: the former one stays
            if not link.is_symlink() or link.readlink().name != copy.name:
                temporary.symlink_to(copy.name)
                temporary.rename(link)

    def last(self, source: Path) -> Path | None:
        """The copy of this source that was remembered, if it is still there."""
        try:
            copy = self._folder / self._link(source).readlink().name
        except OSError:
            return None
        return copy if copy.is_file() else None

    def delete_unused(self, now: float, in_use: Iterable[Path] = ()) -> None:
        """Delete the copies that neither this process uses nor a link leads to, and that nobody has
        touched for an hour; `now` in epoch seconds. Its own ones are touched, so that other
        processes leave them. `in_use`: copies that somebody else has opened by name."""
        current = {*in_use, self._kept, *(copy for _, copy in self._good.values())}
        for link in self._folder.glob("*.last"):
            with suppress(OSError):
                current.add(self._folder / link.readlink().name)
        for file in [*self._folder.glob("*.mmdb"), *self._folder.glob("*.tmp")]:
            with suppress(OSError):  # another process was faster, or the disk is read-only
                if file in current:
                    os.utime(file, (now, now))
                elif file.lstat().st_mtime < now - UNUSED_S:
                    file.unlink()

    def _link(self, source: Path) -> Path:
        return self._folder / f"{hashlib.sha256(os.fsencode(source)).hexdigest()[:16]}.last"

    def _copy(self, source: Path) -> Path:
        digest = _digest(source)
        target = self._folder / f"{digest[:32]}.mmdb"
        if _holds(target, digest):
            with suppress(OSError):  # a read-only disk is no reason to refuse it
                os.utime(target)
            return target

        def write(writing: IO[bytes]) -> None:
            with source.open("rb") as reading:
                shutil.copyfileobj(reading, writing, 1 << 20)

        def check(written: Path) -> None:
            if _digest(written) != digest:
                raise GeoError(f"{source}: changed while it was copied")
            verify(written, str(source))

        self._place(target, write, check)
        return target

    def _place(
        self, target: Path, write: Callable[[IO[bytes]], object], check: Callable[[Path], None]
    ) -> None:
        """Write a file that nobody sees before it is on the disk as a whole, and checked."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=self._folder)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as writing:
                write(writing)
                writing.flush()
                os.fsync(writing.fileno())
            check(temporary)
            temporary.chmod(0o644)
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)


def verify(path: Path, name: str) -> None:
    """Raise GeoError unless this file, which nobody else writes, reads as a database all over.

    Many damaged databases open cleanly and fail only at some addresses, so networks from all over
    the tree are looked up: all of them in a small database, some ten thousand in a large one.
    """
    try:
        MmdbFile(path, name).sample(_SAMPLE)
    except GeoError as error:
        raise _BadDatabaseError(str(error)) from error


def identity_of(copies: Sequence[Path]) -> str:
    """The name of what these copies hold together: the same content in the same order, the same name."""
    return hashlib.sha256("\n".join(copy.stem for copy in copies).encode()).hexdigest()[:16]


def _identity(stat: os.stat_result) -> _FileIdentity:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _holds(path: Path, digest: str) -> bool:
    """Whether the file is there and whole. Its size proves nothing: disks lose pages."""
    try:
        return _digest(path) == digest
    except FileNotFoundError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
