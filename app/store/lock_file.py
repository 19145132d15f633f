"""A file that one process keeps locked until the process ends, with the names of workers in it.

The lock is a `flock`: it vanishes with its process, however the process ends, and belongs to that process
alone (programs that it starts do not inherit the lock). The file must not be on a network file system.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class LockFile:
    """A file to lock. Only one thread at a time may use it. All methods may raise OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Locks the file unless another process has locked it. Returns whether this process has it now."""
        if self._descriptor is not None and not self._is_there(self._descriptor):
            self.drop()
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_there(descriptor):
                    self._descriptor, descriptor = descriptor, -1
            except BlockingIOError:
                pass
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        return self._descriptor is not None

    @property
    def is_ours(self) -> bool:
        """Whether this process has locked the file that is at the path now."""
        return self._descriptor is not None and self._is_there(self._descriptor)

    def is_locked(self) -> bool:
        """Returns whether any process has locked the file."""
        if self._descriptor is not None:
            return True
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def names(self) -> list[str]:
        """Reads the names in the file, whichever process has locked it."""
        try:
            return self._path.read_text(errors="replace").split()
        except FileNotFoundError:
            return []

    def write(self, *names: str) -> None:
        """Replaces the names in the file, if this process has locked it."""
        if self._descriptor is not None:
            content = "".join(f"{name}\n" for name in names).encode()
            os.pwrite(self._descriptor, content, 0)
            os.truncate(self._descriptor, len(content))

    def drop(self) -> None:
        """Unlocks the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _is_there(self, descriptor: int) -> bool:
        """Returns whether the file that is open is still the one at the path. After the folder was removed or
        replaced, it is not, and other processes lock another file."""
        try:
            there = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        ours = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
