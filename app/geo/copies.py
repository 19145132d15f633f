"""Copies database files: only verified copies are ever opened.

If a database is truncated or rewritten in place while a process has it mapped, that kills the process
(SIGBUS). So a file is first copied to `<folder>/<hash of its content>.mmdb`, checked there, and never
changed again. A process that has mapped a copy can use it even after it was deleted. Many processes may
share the folder.

Beside the copies, a symbolic link for each source leads to the last copy that was in use. A process that
starts while the source is broken opens this copy.

Where the folder takes no copy (the disk is full or read-only, or something else is in its place), a
process may hold copies in memory instead.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from app.files import FileMark, digest_of_file, mark_of, marks, remove_abandoned, replacing
from app.geo.memory import MemoryFile
from app.geo.mmdb import MmdbFile
from app.model import GeoError, digest_of

UNUSED_S = 3600.0
AGAIN_S = 60.0
"""How long a copy that the folder did not take is held in memory before the folder is tried again."""
PATIENCE_S = 10.0
"""How long a process waits for another that fetches a database."""
_FOR_ALL = 0o644  # nginx and other processes read copies, whatever our umask is
_SAMPLE = 512  # nodes for each level of the tree: some ten thousand lookups in a large database, once

_logger = logging.getLogger(__name__)


class _BadDatabaseError(GeoError):
    """The content of a file is not a usable database. The file is not tried again until it changes."""


class VerifiedCopies:
    """Copies GeoIP and other MMDB databases to a folder, verifies the copies, and keeps account of those that
    this process uses. `copy` may be called at every refresh: a file that has not changed costs only a stat,
    whether it was good or bad."""

    def __init__(self, folder: Path, or_memory: bool = False) -> None:
        """With `or_memory`, a copy that the folder does not take is held in memory. Only this process can use
        its path."""
        #: Why the folder did not take the last copy, so that the copy is held in memory; None if it did.
        self.problem: str | None = None
        self.folder = self._folder = folder
        self._or_memory = or_memory
        self._good: dict[Path, tuple[FileMark, Path]] = {}
        self._bad: dict[Path, tuple[FileMark, str]] = {}
        self._in_memory: dict[Path, MemoryFile] = {}
        self._again_at = float("-inf")
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
                if copy.exists() and not (copy in self._in_memory and time.monotonic() >= self._again_at):
                    return copy
            copy = self._copy(source, seen)
        except _BadDatabaseError as error:
            self._bad[source] = (seen, str(error))
            raise
        except OSError as error:
            raise GeoError(f"{source}: cannot be copied to {self._folder}: {error}") from error
        self._good[source] = (seen, copy)
        return copy

    def keep(self, digest: str, content: bytes) -> Path:
        """Writes a database that came through the store, and returns the path of its file in the folder.
        `digest` is the SHA-256 of the content in hex. Raises GeoError if the file cannot be written."""
        target = self.path_of(digest)

        try:
            if not _holds(target, digest):
                if target.is_file():
                    _logger.warning("%s does not hold what was written there, and is written anew", target)
                with replacing(target, durable=True) as temporary:
                    temporary.write_bytes(content)
                    if digest_of_file(temporary) != digest:
                        raise OSError("the disk holds something else than was written")
                    temporary.chmod(_FOR_ALL)
        except OSError as error:
            raise GeoError(f"{target}: cannot be written: {error}") from error
        self._kept = target
        return target

    def build(self, write: Callable[[Path], None], name: str) -> str:
        """Has `write` write a new database, verifies it, and keeps it like one that came through the store.
        Returns its digest. Messages call it by `name`. Raises GeoError if it is no usable database, and
        OSError if the disk does not take it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        building = self._folder / f".{secrets.token_hex(8)}.tmp"
        try:
            write(building)
            verify(building, name)
            digest = digest_of_file(building)
            building.chmod(_FOR_ALL)
            target = self.path_of(digest)
            with replacing(target, durable=True) as temporary:
                building.replace(temporary)
        finally:
            building.unlink(missing_ok=True)
        self._kept = target
        return digest

    def path_of(self, digest: str) -> Path:
        """Returns the path that a database with this digest has in the folder, if it is there."""
        return self._folder / f"{digest[:32]}.mmdb"

    def use(self, digest: str) -> Path | None:
        """Returns the path of a database that was built or kept before, by any process; None if the folder
        does not have it, or if it is damaged."""
        target = self.path_of(digest)
        with suppress(OSError):
            if _holds(target, digest):
                self._kept = target
                return target
        return None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A context manager around the code that fetches what the folder lacks: only one of the processes
        that share the folder runs it at a time. A process that has waited for `PATIENCE_S` goes on."""
        descriptor = None
        with suppress(OSError):  # where no file can be made, there is nothing to share
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / "fetch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            deadline_s = time.monotonic() + PATIENCE_S
            while descriptor is not None and not _try_lock(descriptor) and time.monotonic() < deadline_s:
                time.sleep(0.02)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def remember(self, source: Path | str, copy: Path) -> None:
        """Notes that this copy is in use, so that later processes can go back to it. `source` is the file
        that was copied, or the name of what came through the store. A copy in memory is of no use to
        later processes."""
        if copy.parent != self._folder:
            return
        link = self._link(source)
        with suppress(OSError):  # if the disk is full, the former link stays
            if not link.is_symlink() or link.readlink().name != copy.name:
                with replacing(link) as temporary:
                    temporary.symlink_to(copy.name)

    def last(self, source: Path | str) -> Path | None:
        """Returns the copy of a source that was remembered last; None if there is none any more."""
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
        for link in map(Path, marks(self._folder, ".last")):
            with suppress(OSError):
                current.add(self._folder / link.readlink().name)
        for copy in self._in_memory.keys() - current:
            self._in_memory.pop(copy).close()
        for file in map(Path, marks(self._folder, ".mmdb")):
            with suppress(OSError):  # another process was faster, or the disk is read-only
                unused_s = now - file.lstat().st_mtime
                if file in current:
                    if not 0 <= unused_s < UNUSED_S / 4:  # not each time, because its mark changes
                        os.utime(file, (now, now))
                elif unused_s > UNUSED_S:
                    file.unlink()

    def is_whole(self, copy: Path) -> bool:
        """Returns whether a copy still has the content that its name is the hash of."""
        try:
            return digest_of_file(copy)[: len(copy.stem)] == copy.stem
        except OSError:
            return False

    def _link(self, source: Path | str) -> Path:
        return self._folder / f"{digest_of(os.fsencode(source))[:16]}.last"

    def _copy(self, source: Path, seen: FileMark) -> Path:
        digest = digest_of_file(source)
        try:
            copy = self._copy_to_folder(source, digest)
        except OSError as error:
            if not self._or_memory:
                raise
            copy = self._copy_to_memory(source, seen, digest)
            self._again_at = time.monotonic() + AGAIN_S
            why = error.strerror or error
            self.problem = f"{self._folder} takes none ({why}), so each process has its own in memory"
            return copy
        self.problem = None
        return copy

    def _copy_to_folder(self, source: Path, digest: str) -> Path:
        target = self.path_of(digest)
        if _holds(target, digest):
            with suppress(OSError):  # a read-only disk is no reason to refuse it
                os.utime(target)
            return target

        with replacing(target, durable=True) as temporary:
            _fill(temporary, source, digest)
            temporary.chmod(_FOR_ALL)
        return target

    def _copy_to_memory(self, source: Path, seen: FileMark, digest: str) -> Path:
        known = self._good.get(source)
        if known is not None and known[0] == seen and known[1] in self._in_memory:
            return known[1]
        memory = MemoryFile(digest[:32])
        try:
            _fill(memory.path, source, digest)
        except BaseException:
            memory.close()
            raise
        self._in_memory[memory.path] = memory
        return memory.path


def _fill(target: Path, source: Path, digest: str) -> None:
    """Copies the source to an empty file and verifies the copy. Raises GeoError."""
    with source.open("rb") as reading, target.open("wb") as writing:
        shutil.copyfileobj(reading, writing, 1 << 20)
    if digest_of_file(target) != digest:
        raise GeoError(f"{source}: changed while it was copied")
    verify(target, str(source))


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
    """Returns a name for the content of these copies. The same contents in the same order have the same
    name."""
    return digest_of("\n".join(map(_name_of, copies)).encode())[:16]


def _name_of(copy: Path) -> str:
    """Returns the name of a copy's content, the first digits of its hash. The path of a copy in memory leads
    to `memfd:<name> (deleted)`."""
    return copy.resolve().stem.removeprefix("memfd:").removesuffix(" (deleted)")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holds(path: Path, digest: str) -> bool:
    """Returns whether the content of a file has this digest. The right size would not be enough, because
    disks lose pages."""
    try:
        return digest_of_file(path) == digest
    except (FileNotFoundError, NotADirectoryError):
        return False
