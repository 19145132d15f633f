"""What a scan of a database found, kept on disk until the database changes.

A file per scan, named by its kind and by a key that stands for all its inputs; before the content
stands its SHA-256, so that a damaged file counts as none. The newest of a kind replaces the others.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path


def key_of(*inputs: object) -> str:
    """One name for everything that a scan's result depends on."""
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:16]


def load(folder: Path, kind: str, key: str) -> bytes | None:
    try:
        stored = (folder / f"{kind}-{key}.scan").read_bytes()
    except OSError:
        return None
    digest, content = stored[:32], stored[32:]
    return content if hashlib.sha256(content).digest() == digest else None


def save(folder: Path, kind: str, key: str, content: bytes) -> None:
    """Atomic; an OSError is the caller's to judge, who has the content anyway."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{kind}-{key}.scan"
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(target)
    finally:
        Path(name).unlink(missing_ok=True)
    for other in folder.glob(f"{kind}-*.scan"):
        if other != target:
            other.unlink(missing_ok=True)
