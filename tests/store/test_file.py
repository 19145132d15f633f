"""What only the file store has: a directory that people and power cuts can get at."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.store.file
from app.model import StoreError
from app.store import FileStore, LeaseLost
from tests.conftest import ROOT
from tests.store.conftest import publication

HOLD_THE_LEASE = """
import sys
from pathlib import Path
from app.store import FileStore
store = FileStore(Path(sys.argv[1]))
print(store.lease("child", 30), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    store = FileStore(tmp_path / "store")
    yield store
    store.close()


def test_reading_makes_nothing(store: FileStore) -> None:
    """A reader needs no right to write: the directory appears with the first write."""
    assert store.pointer() is None
    assert store.heartbeat() is None
    assert not store.directory.exists()


def test_the_lease_of_a_killed_worker_is_free_at_once(store: FileStore) -> None:
    """No time to live has to pass: the lock dies with its process."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LEASE, str(store.directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        assert not store.lease("us", 30)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert store.lease("us", 30)


def test_a_lease_on_a_removed_directory_is_lost(store: FileStore) -> None:
    """Whoever removes var/ under a running worker lets another one in, so the first must not
    publish any more."""
    store.publish(publication("a"), owner=None)
    assert store.lease("one", 30)
    shutil.rmtree(store.directory)
    other = FileStore(store.directory)
    assert other.lease("two", 30)
    with pytest.raises(LeaseLost):
        store.publish(publication("b"), owner="one")
    assert not store.lease("one", 30)
    other.close()
    assert store.lease("one", 30)
    store.publish(publication("b"), owner="one")


def test_leftovers_are_removed_after_an_hour(store: FileStore) -> None:
    """Half-written and unclaimed files of dead writers disturb nobody, and go with a publication;
    those of a writer that may still be at work stay."""
    store.publish(publication("a"), owner=None)
    digest = store.put_blob(b"never published")
    half = store.directory / "objects" / f".{digest}.1234.tmp"
    half.write_bytes(b"never pub")
    index = store.directory / ".index.json.1234.tmp"
    index.write_bytes(b"{")
    store.publish(publication("b"), owner=None)
    assert all(path.exists() for path in (half, index))
    assert store.blob(digest) is not None
    an_hour_ago_s = time.time() - 3700
    for path in (half, index, store.directory / "objects" / digest):
        os.utime(path, (an_hour_ago_s, an_hour_ago_s))
    store.publish(publication("c"), owner=None)
    assert not half.exists()
    assert not index.exists()
    assert store.blob(digest) is None
    assert store.snapshot("a") == b"snapshot of a"


def test_only_what_is_needed_stays_on_disk(store: FileStore) -> None:
    """After many publications and status documents, the directory holds three generations."""
    for number in range(20):
        store.publish(publication(str(number)), owner=None)
        store.publish_status(str(number).encode())
    assert len(list((store.directory / "objects").iterdir())) == 3 + 1 + 1
    assert sorted(path.name for path in store.directory.iterdir()) == ["index.json", "objects", "write.lock"]


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b"\xff", b'{"kept": 1}', b"null"])
def test_an_index_that_is_not_ours(store: FileStore, junk: bytes) -> None:
    """Reading says so, naming the place; publishing mends it."""
    store.publish(publication("a"), owner=None)
    (store.directory / "index.json").write_bytes(junk)
    with pytest.raises(StoreError, match=r"store: not an index of Mirrorwise"):
        store.pointer()
    store.publish(publication("b"), owner=None)
    assert store.snapshot("b") == b"snapshot of b"


def test_a_damaged_object_is_not_believed(store: FileStore) -> None:
    """It raises, instead of giving bytes that were not published; publishing again mends it."""
    store.publish(publication("a"), owner=None)
    for path in (store.directory / "objects").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match="does not hold what its name says"):
        store.snapshot("a")
    store.publish(publication("a"), owner=None)
    assert store.snapshot("a") == b"snapshot of a"


def test_a_blob_name_is_no_path(store: FileStore) -> None:
    """Nothing outside of the store can be read through it."""
    with pytest.raises(StoreError, match="not a SHA-256"):
        store.blob("../../../etc/passwd")


def test_a_disk_error_is_a_sentence_and_leaves_the_former_state(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: StoreError naming the file, the former generation stays, no half files."""
    store.publish(publication("a"), owner=None)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"objects/[0-9a-f]{64}: No space left on device"):
            store.publish(publication("b"), owner=None)
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.generation == "a"
    assert store.memory() == b"memory of a"
    assert not list(store.directory.rglob("*.tmp"))


def test_a_place_that_cannot_be_a_directory(tmp_path: Path) -> None:
    """A file where the directory should be: StoreError for every method."""
    (tmp_path / "store").write_text("in the way")
    store = FileStore(tmp_path / "store")
    for attempt in (
        store.pointer,
        store.heartbeat,
        lambda: store.beat(b""),
        lambda: store.lease("one", 30),
        lambda: store.publish(publication("a"), owner=None),
        lambda: store.publish_status(b""),
    ):
        with pytest.raises(StoreError, match=r"store"):
            attempt()


def test_a_stuck_writer_does_not_hang_the_others(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody keeps the write lock, writing fails in time and reading goes on."""
    store.publish(publication("a"), owner=None)
    monkeypatch.setattr(app.store.file, "LOCK_TIMEOUT_S", 0.05)
    with store._writing(), pytest.raises(StoreError, match=r"write.lock: another process has held it"):
        FileStore(store.directory).publish(publication("b"), owner=None)
    assert store.snapshot("a") == b"snapshot of a"
    store.publish(publication("b"), owner=None)


def test_many_web_processes_keep_the_same_copy(store: FileStore) -> None:
    """Several writers of the same generations at once, without the lease: none fails, and all is
    there in the end."""
    failures: list[Exception] = []
    start = threading.Barrier(6)

    def keep() -> None:
        copy = FileStore(store.directory)
        start.wait()
        for number in range(10):
            try:
                digest = copy.put_blob(b"networks")
                copy.publish(publication(str(number), (digest,), memory=b""), owner=None)
            except StoreError as error:
                failures.append(error)

    threads = [threading.Thread(target=keep) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    pointer = store.pointer()
    assert pointer is not None
    assert store.snapshot(pointer.generation) == f"snapshot of {pointer.generation}".encode()
    assert store.blob(store.put_blob(b"networks")) == b"networks"
