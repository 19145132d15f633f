"""The store of a single machine in a directory, in which a web node also keeps its last good snapshot.

    index.json        which objects are current (see `index`)
    objects/<sha256>  snapshots, blobs, memory, status and statistics
    shared/<name>     the values that machines share
    heartbeat
    request           to the worker that publishes
    lease.lock        locked for as long as a worker lives; its owner is written in it
    write.lock        locked while the index is being replaced

Files are replaced in one step (`files.replacing`), so a reader sees the whole file or none and needs
no lock. What a killed writer leaves behind is removed after an hour. Locks are `flock`s, which end with
their process. So the lease needs no time to live, but a worker that is stopped without being dead keeps
it. The directory must not be on a network file system: locks and renames do not work like this there.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from app.files import marks, remove_abandoned, replace
from app.model import StoreError
from app.store.index import (
    UNCLAIMED_S,
    Index,
    IndexedStore,
    Swap,
    decode_index,
    encode_index,
    lease_lost,
    missing_objects,
)
from app.store.lock_file import LockFile
from app.store.protocol import REQUEST_S

LOCK_TIMEOUT_S = 10.0  # saving a snapshot on a slow disk takes a while

_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileStore(IndexedStore):
    """A store in a directory. The first write makes the directory; until then, nothing is found in it."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.where = str(directory)
        self._objects = directory / "objects"
        self._shared = directory / "shared"
        self._lease = LockFile(directory / "lease.lock")
        self._owner: str | None = None  # whose lease it is, while this process has it
        self._lease_guard = threading.Lock()

    def lease(self, owner: str, ttl_s: float) -> bool:
        """Takes or keeps the lease. The lease ends with the process, so `ttl_s` does not matter here."""
        with self._lease_guard, _spoken(self.directory / "lease.lock"):
            if not self._lease.is_ours:
                self._owner = None
                if self._lease.take():
                    self._owner = owner
                    with suppress(OSError):  # a full disk; the name is for people
                        self._lease.write(owner)
            return self._owner == owner

    def release(self, owner: str) -> None:
        with self._lease_guard:
            if self._owner == owner:
                self._drop_lease()

    def holder(self) -> str | None:
        with self._lease_guard, _spoken(self.directory / "lease.lock"):
            names = self._lease.names() if self._lease.is_locked() else []
            return names[0] if names else None

    def beat(self, data: bytes) -> None:
        # Not durable: a sign of life from before a power cut is of no use.
        path = self.directory / "heartbeat"
        with _spoken(path):
            replace(path, data)

    def heartbeat(self) -> bytes | None:
        return _read(self.directory / "heartbeat")

    def shared(self) -> dict[str, str]:
        with _spoken(self._shared):
            found = marks(self._shared, "")
        return {unquote(Path(path).name): str(mark) for path, mark in found.items()}

    def read_shared(self, name: str) -> bytes | None:
        return _read(self._shared / quote(name, safe=""))

    def share(self, name: str, data: bytes) -> None:
        # Not durable: after a power cut, machines share what they know again.
        path = self._shared / quote(name, safe="")
        with _spoken(path):
            replace(path, data)

    def unshare(self, *names: str) -> None:
        for name in names:
            path = self._shared / quote(name, safe="")
            with _spoken(path):
                path.unlink(missing_ok=True)

    def ask(self, request: bytes) -> None:
        self._write(self.directory / "request", request)

    def take_request(self) -> bytes | None:
        path = self.directory / "request"
        request = _read(path)
        if request is None:
            return None
        with _spoken(path), suppress(FileNotFoundError):
            left_s = time.time() - path.stat().st_mtime
            path.unlink()
            return request if left_s < REQUEST_S else None
        return None

    def close(self) -> None:
        with self._lease_guard:
            self._drop_lease()

    def _drop_lease(self) -> None:
        self._lease.drop()
        self._owner = None

    # --- objects and index ------------------------------------------------------------------------

    def _load_index(self) -> bytes | None:
        return _read(self.directory / "index.json")

    def _load_object(self, digest: str) -> bytes | None:
        if not _DIGEST.fullmatch(digest):  # it becomes a file name
            raise StoreError(f"{self.where}: {digest!r} is not a SHA-256 in lower-case hex")
        return _read(self._objects / digest)

    def _look_at_object(self, digest: str, start: int, size: int) -> tuple[int, bytes] | None:
        path = self._objects / digest
        with _spoken(path), suppress(FileNotFoundError), path.open("rb") as file:
            return os.fstat(file.fileno()).st_size, os.pread(file.fileno(), size, start)
        return None

    def _save_object(self, digest: str, data: bytes) -> None:
        path = self._objects / digest
        with _spoken(path), suppress(FileNotFoundError):
            if path.read_bytes() == data:
                os.utime(path)  # its hour begins anew
                return
        self._write(path, data)

    def _swap(self, swap: Swap) -> None:
        with self._writing():
            if swap.owner is not None:
                self._check_lease(swap.owner)
            for digest, data in swap.adds.items():
                self._save_object(digest, data)
            former = self._former_index()
            index = swap.change(former)
            missing = [digest for digest in swap.needs if not (self._objects / digest).is_file()]
            if missing:
                raise missing_objects(missing, self.where)
            self._write(self.directory / "index.json", encode_index(index))
            self._clean(dropped=former.objects() - index.objects(), kept=index.objects())

    def _former_index(self) -> Index:
        """Returns the index that is to be replaced. An index that cannot be used counts as empty, so that the
        swap repairs it."""
        try:
            return decode_index(self._load_index(), self.where)
        except StoreError:
            return Index()

    def _check_lease(self, owner: str) -> None:
        with self._lease_guard:
            if self._owner != owner or not self._lease.is_ours:
                raise lease_lost(owner, self.where)

    def _clean(self, dropped: set[str], kept: set[str]) -> None:
        """Removes the objects that the last swap dropped, and what dead writers left behind more than an hour
        ago."""
        for digest in dropped:
            with suppress(OSError):  # the next swap after an hour tries again
                (self._objects / digest).unlink()
        old_s = time.time() - UNCLAIMED_S
        remove_abandoned(self.directory)
        remove_abandoned(self._shared)
        for path in self._objects.iterdir():
            with suppress(OSError):
                if path.name not in kept and path.stat().st_mtime < old_s:
                    path.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Lets only one thread of one process write at a time, for as long as the block runs. Raises
        StoreError if others have not finished within `LOCK_TIMEOUT_S`."""
        path = self.directory / "write.lock"
        with _spoken(path):
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            deadline_s = time.monotonic() + LOCK_TIMEOUT_S
            while not _try_lock(descriptor):
                if time.monotonic() > deadline_s:
                    raise StoreError(f"{path}: another process has held it for {LOCK_TIMEOUT_S:g} s")
                time.sleep(0.01)
            with _spoken(self.directory):
                yield
        finally:
            os.close(descriptor)

    def _write(self, path: Path, data: bytes) -> None:
        with _spoken(path):
            replace(path, data, durable=True)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> bytes | None:
    with _spoken(path):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


@contextmanager
def _spoken(path: Path) -> Iterator[None]:
    """Turns errors of the operating system into StoreErrors with sentences about `path`."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
