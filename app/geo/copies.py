"""Private copies of database files, the only ones that are ever opened.

A database that is truncated or rewritten in place under a process that has it mapped kills that
process (SIGBUS). So a file is copied to `<folder>/<hash of its content>.mmdb` first, checked there,
and never changed again; whoever has mapped a copy keeps it even after it was deleted. Many
processes may share the folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

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
            identity = _identity(source.stat())
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
        try:
            if not target.exists() or target.stat().st_size != len(content):
                self._folder.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(suffix=".tmp", dir=self._folder)
                with os.fdopen(handle, "wb") as writing:
                    writing.write(content)
                Path(name).rename(target)
        except OSError as error:
            raise GeoError(f"{target}: cannot be written: {error}") from error
        self._kept = target
        return target

    def delete_unused(self, now: float, in_use: Iterable[Path] = ()) -> None:
        """Delete the copies that this process does not use and that nobody has touched for an hour;
        `now` in epoch seconds. Its own ones are touched, so that other processes leave them; a
        file that went bad keeps its last good copy. `in_use`: copies that an earlier process made."""
        current = {*in_use, self._kept, *(copy for _, copy in self._good.values())}
        for file in [*self._folder.glob("*.mmdb"), *self._folder.glob("*.tmp")]:
            try:
                if file in current:
                    os.utime(file, (now, now))
                elif file.stat().st_mtime < now - UNUSED_S:
                    file.unlink()
            except FileNotFoundError:
                continue  # another process was faster

    def _copy(self, source: Path) -> Path:
        digest = _digest(source)
        target = self._folder / f"{digest[:32]}.mmdb"
        if target.exists() and target.stat().st_size == source.stat().st_size:
            os.utime(target)
            return target
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=self._folder)
        temporary = Path(name)
        try:
            with source.open("rb") as reading, os.fdopen(handle, "wb") as writing:
                shutil.copyfileobj(reading, writing, 1 << 20)
                writing.flush()
                os.fsync(writing.fileno())
            if _digest(temporary) != digest:
                raise GeoError(f"{source}: changed while it was copied")
            temporary.chmod(0o644)
            verify(temporary, str(source))
            temporary.rename(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target


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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
