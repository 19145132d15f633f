"""Copies database files: only verified copies are ever opened.

If a database is truncated or rewritten in place while a process has it mapped, that kills the process
(SIGBUS). So a file is first copied to `<folder>/<hash of its content>.mmdb`, checked there, and never
changed again. A process that has mapped a copy can use it even after it was deleted. Many processes may
share the folder.

Beside the copies, a symbolic link for each source leads to the last copy that was in use. A process that
starts while the source is broken opens this copy.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.files import FileMark, digest_of_file, mark_of, paths, remove_abandoned, replacing
from app.geo.mmdb import MmdbFile
from app.model import GeoError, digest_of

UNUSED_S = 3600.0
_FOR_ALL = 0o644  # nginx and other processes read copies, whatever our umask is
_SAMPLE = 512  # nodes for each level of the tree: some ten thousand lookups in a large database, once


class _BadDatabaseError(GeoError):
    """The content of the file is at fault, so that trying again is of no use until it changes."""


class VerifiedCopies:
    """The verified copies in a folder that this process uses. `copy` may be called at every refresh: a file
    that has not changed costs only a stat, whether it was good or bad."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._good: dict[Path, tuple[FileMark, Path]] = {}
        self._bad: dict[Path, tuple[FileMark, str]] = {}
        self._kept: Path | None = None

    def copy(self, source: Path) -> Path:
        """Returns the verified copy of a file. Raises GeoError, which names the file and the problem, if it
        is no usable database, cannot be read, or is just being written (ask again later)."""
        try:
            found = source.stat()
            if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
                raise GeoError(f"{source}: is not a regular file")
            seen = mark_of(found)
            if source in self._bad and self._bad[source][0] == seen:
                raise GeoError(self._bad[source][1])
            if source in self._good and self._good[source][0] == seen:
                copy = self._good[source][1]
                if copy.exists():
                    return copy
            copy = self._copy(source)
        except _BadDatabaseError as error:
            self._bad[source] = (seen, str(error))
            raise
        except OSError as error:
            raise GeoError(f"{source}: cannot be copied to {self._folder}: {error}") from error
        self._good[source] = (seen, copy)
        return copy

    def keep(self, digest: str, content: bytes) -> Path:
        """Writes a database that came through the store, and returns its path. Raises GeoError."""
        target = self._folder / f"{digest[:32]}.mmdb"

        try:
            if not _holds(target, digest):
                with replacing(target, durable=True) as temporary:
                    temporary.write_bytes(content)
                    if digest_of_file(temporary) != digest:
                        raise OSError("the disk holds something else than was written")
                    temporary.chmod(_FOR_ALL)
        except OSError as error:
            raise GeoError(f"{target}: cannot be written: {error}") from error
        self._kept = target
        return target

    def remember(self, source: Path, copy: Path) -> None:
        """Notes that this copy of the source is in use, so that later processes can go back to it."""
        link = self._link(source)
        with suppress(OSError):  # if the disk is full, the former link stays
            if not link.is_symlink() or link.readlink().name != copy.name:
                with replacing(link) as temporary:
                    temporary.symlink_to(copy.name)

    def last(self, source: Path) -> Path | None:
        """The copy of a source that was remembered last; None if there is none any more."""
        try:
            copy = self._folder / self._link(source).readlink().name
            return copy if copy.is_file() else None
        except OSError:
            return None

    def delete_unused(self, now: float) -> None:
        """Deletes the copies that this process does not use, that no link leads to, and that no process has
        touched for an hour. It touches its own copies, so that other processes keep them. `now` is in
        epoch seconds."""
        remove_abandoned(self._folder, now)
        current = {self._kept, *(copy for _, copy in self._good.values())}
        for link in paths(self._folder, ".last"):
            with suppress(OSError):
                current.add(self._folder / link.readlink().name)
        for file in paths(self._folder, ".mmdb"):
            with suppress(OSError):  # another process was faster, or the disk is read-only
                if file in current:
                    os.utime(file, (now, now))
                elif file.lstat().st_mtime < now - UNUSED_S:
                    file.unlink()

    def _link(self, source: Path) -> Path:
        return self._folder / f"{digest_of(os.fsencode(source))[:16]}.last"

    def _copy(self, source: Path) -> Path:
        digest = digest_of_file(source)
        target = self._folder / f"{digest[:32]}.mmdb"
        if _holds(target, digest):
            with suppress(OSError):  # a read-only disk is no reason to refuse it
                os.utime(target)
            return target

        with replacing(target, durable=True) as temporary:
            with source.open("rb") as reading, temporary.open("wb") as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
            if digest_of_file(temporary) != digest:
                raise GeoError(f"{source}: changed while it was copied")
            verify(temporary, str(source))
            temporary.chmod(_FOR_ALL)
        return target


def verify(path: Path, name: str) -> None:
    """Checks that a file, which must not change meanwhile, is a whole database. Raises GeoError if not.

    Many damaged databases open without an error and fail only at some addresses. So networks from all
    over the tree are looked up: all of them in a small database, some ten thousand in a large one.
    """
    try:
        MmdbFile(path, name).sample(_SAMPLE)
    except GeoError as error:
        raise _BadDatabaseError(str(error)) from error


def identity_of(copies: Sequence[Path]) -> str:
    """A name for the content of these copies. The same contents in the same order have the same name."""
    return digest_of("\n".join(copy.stem for copy in copies).encode())[:16]


def _holds(path: Path, digest: str) -> bool:
    """Returns whether a file has the content of this digest. Its size is not enough: disks lose pages."""
    try:
        return digest_of_file(path) == digest
    except FileNotFoundError:
        return False
