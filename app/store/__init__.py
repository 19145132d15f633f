"""The store, in which snapshots are published: Redis, or files where there is no Redis. It holds bytes."""

from __future__ import annotations

from pathlib import Path

from app.settings import Settings
from app.store.blob import Blob, BlobError
from app.store.file import FileStore
from app.store.protocol import LeaseLost, NotOursError, Pointer, Publication, Store

__all__ = [
    "Blob",
    "BlobError",
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
    """Opens the store that the settings name. A web process reads from the replica if there is one. No
    connection is made yet, so this succeeds even while the server is down."""
    if settings.redis_url is None:
        return file_store(settings.var_dir)
    from app.store.redis import RedisStore  # noqa: PLC0415 - 10 MB that a file store does without

    if for_web and settings.redis_read_url is not None:
        return RedisStore.at(settings.redis_read_url, replica=True)
    return RedisStore.at(settings.redis_url, var_dir=settings.var_dir)


def file_store(var_dir: Path) -> FileStore:
    """Returns the file store below `var_dir`. Without Redis, this is the store itself; with Redis, a web node
    keeps a copy of the last good snapshot in it."""
    return FileStore(var_dir / "store")
