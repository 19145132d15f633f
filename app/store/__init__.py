"""Where snapshots are published: Redis, or files when there is no Redis. Bytes in, bytes out."""

from __future__ import annotations

from pathlib import Path

from app.settings import Settings
from app.store.file import FileStore
from app.store.protocol import LeaseLost, NotOursError, Pointer, Publication, Store

__all__ = [
    "FileStore",
    "LeaseLost",
    "NotOursError",
    "Pointer",
    "Publication",
    "Store",
    "file_store",
    "open_store",
]


def open_store(settings: Settings, for_web: bool = False) -> Store:
    """The store that the settings name; for web, the replica to read from if there is one. Nothing
    is connected yet, so this succeeds while the server is down."""
    if settings.redis_url is None:
        return file_store(settings.var_dir)
    from app.store.redis import RedisStore  # noqa: PLC0415 - 10 MB that a file store does without

    if for_web and settings.redis_read_url is not None:
        return RedisStore.at(settings.redis_read_url, replica=True)
    return RedisStore.at(settings.redis_url, var_dir=settings.var_dir)


def file_store(var_dir: Path) -> FileStore:
    """The file store below `var_dir`: the store itself without Redis, a web node's copy with it."""
    return FileStore(var_dir / "store")
