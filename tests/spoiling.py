"""What can happen to a file."""

from __future__ import annotations

import os
from pathlib import Path


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    """Whoever opens it waits for somebody to write."""
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    """Nobody can read it, not even root."""
    path.unlink()
    path.symlink_to(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    """100 MB."""
    os.truncate(path, 100_000_000)


def deep(path: Path) -> None:
    """Deep enough for every parser's stack."""
    start = b'{"prefixes": ' if path.suffix == ".json" else b"name: "
    path.write_bytes(start + b"[" * 200_000)
