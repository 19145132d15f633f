"""Blobs: bytes that are stored under their digest, and may be too many to be held in memory meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.model import MirrorwiseError, digest_of

LOOK_BYTES = 1 << 18
"""The size of the pieces by which a store is asked whether it has a blob."""


class BlobError(MirrorwiseError):
    """A blob that is to be stored cannot be read, or has been damaged."""


@dataclass(frozen=True)
class Blob:
    """Bytes that have been verified once, and where to read them again."""

    #: The SHA-256 of the bytes, in lower-case hex.
    digest: str
    size: int
    #: Returns at most so many bytes from a position. It may raise OSError.
    read: Callable[[int, int], bytes]

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """Returns the blob of bytes in memory."""
        return cls(digest_of(data), len(data), lambda start, size: data[start : start + size])

    @classmethod
    def in_file(cls, path: Path, digest: str) -> Blob:
        """Returns the blob whose bytes are in a file. Raises OSError."""

        def read(start: int, size: int) -> bytes:
            with path.open("rb") as file:
                return os.pread(file.fileno(), size, start)

        return cls(digest, path.stat().st_size, read)

    def piece(self, number: int) -> tuple[int, bytes]:
        """Returns a piece of the blob, and where it begins. After the last piece comes the first one again.
        What cannot be read is missing in it."""
        pieces = max(1, -(-self.size // LOOK_BYTES))
        start = number % pieces * LOOK_BYTES
        try:
            return start, self.read(start, LOOK_BYTES)
        except OSError:
            return start, b""

    def load(self) -> bytes:
        """Returns all of the bytes. Raises BlobError if they are not what they were."""
        try:
            data = self.read(0, self.size)
        except OSError as error:
            raise BlobError(f"what is to be published cannot be read: {error}") from error
        if digest_of(data) != self.digest:
            raise BlobError(f"what is to be published has been damaged ({self.digest[:12]}…)")
        return data
