"""Provides files in memory, for databases that have to be opened and mapped like files where no disk takes
them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


class MemoryFile:
    """A file in memory, empty at first. `path` leads to the file until it is closed. A mapping that was made
    before stays usable after that."""

    def __init__(self, name: str) -> None:
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create(name)
        else:  # not on Linux: a temporary file that is deleted already
            with tempfile.TemporaryFile() as file:
                self._descriptor = os.dup(file.fileno())
        self.path = Path(f"/dev/fd/{self._descriptor}")

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> MemoryFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
