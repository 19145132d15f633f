"""Reads log files, also compressed ones, and knows a file again by its beginning.

A file's name and inode change when logs are rotated, compressed or copied. Its first bytes stay, so they tell
what file it is.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import zstandard

from app.files import said
from app.model import HistoryError, digest_of

HEAD_BYTES = 1 << 14
CHUNK_BYTES = 1 << 20
COMPRESSED = (".gz", ".zst")


class LogFile:
    """An open log file. It stays readable when it is renamed or deleted. Raises HistoryError when it is made
    or used and the file cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_compressed = path.suffix in COMPRESSED
        with _explained(path):
            self._file = path.open("rb")
        found = os.fstat(self._file.fileno())
        self.inode = found.st_ino
        self.modified_s = found.st_mtime
        self._stream: IO[bytes] | None = None
        self.is_claimed = False
        #: The beginning of a compressed file, which does not change while it is read.
        self._begun: bytes | None = None

    @property
    def stored_bytes(self) -> int:
        """The present size of the file as it is stored."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def stored_offset(self) -> int:
        """How far a compressed file has been read, in stored bytes."""
        return self._file.tell()

    def is_at(self, path: Path) -> bool:
        """Returns whether this file is the one at a path now."""
        try:
            found = path.stat()
        except OSError:
            return False
        mine = os.fstat(self._file.fileno())
        return (found.st_ino, found.st_dev) == (mine.st_ino, mine.st_dev)

    def claim(self) -> bool:
        """Claims the file for this process, until it is closed. Returns whether no other process has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # this file system has no locks
        self.is_claimed = True
        return True

    def read(self, offset: int, count: int = CHUNK_BYTES) -> bytes:
        """Returns up to `count` bytes from an offset on, uncompressed."""
        with _explained(self.path):
            if not self.is_compressed:
                return os.pread(self._file.fileno(), count, offset)
            stream = self._uncompressed()
            if stream.tell() > offset:
                self._stream = None
                stream = self._uncompressed()
            while stream.tell() < offset:
                if not stream.read(min(CHUNK_BYTES, offset - stream.tell())):
                    return b""
            parts, missing = [], count
            while missing and (part := stream.read(missing)):
                parts.append(part)
                missing -= len(part)
            return b"".join(parts)

    def head(self, count: int) -> str | None:
        """Returns the SHA-256 of the first bytes, `HEAD_BYTES` at most; None if the file has fewer."""
        if self._begun is None or len(self._begun) < count:
            begun = self.read(0, HEAD_BYTES)
            self._begun = begun if self.is_compressed else None
        else:
            begun = self._begun
        return digest_of(begun[:count]) if len(begun) >= count else None

    def close(self) -> None:
        self._file.close()

    def _uncompressed(self) -> IO[bytes]:
        if self._stream is None:
            self._file.seek(0)
            if self.path.suffix == ".gz":
                self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=self._file))
            else:
                reader = zstandard.ZstdDecompressor().stream_reader(self._file, read_across_frames=True)
                self._stream = cast(IO[bytes], reader)
        return self._stream


def whole_lines(content: bytes) -> bytes:
    """Returns the content up to the end of its last line. A chunk without any end of line is no log, and is
    returned as a whole."""
    end = content.rfind(b"\n") + 1
    return content if not end and len(content) >= CHUNK_BYTES else content[:end]


def rotated(path: Path) -> list[Path]:
    """Returns the files that log rotation has made of the file at a path, the oldest first: those whose names
    go on behind its name with a dot or a hyphen. A compressed file beside the plain one is not complete."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError), os.scandir(path.parent) as entries:
        names = {entry.name: entry for entry in entries}
        for name, entry in names.items():
            plain = name.removesuffix(".gz").removesuffix(".zst")
            if not name.startswith((f"{path.name}.", f"{path.name}-")) or (plain != name and plain in names):
                continue
            with suppress(OSError):
                if entry.is_file() and not name.endswith((".lock", ".tmp")):
                    found.append((entry.stat().st_mtime, Path(entry.path)))
    return [found_path for _, found_path in sorted(found)]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {said(error)}") from error
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise HistoryError(f"{path}: is damaged or incomplete: {error}") from error
