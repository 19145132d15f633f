"""A publisher killed at any moment leaves the former state or the new one, never a mix."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.settings import SecretUrl
from app.store import FileStore, Store
from app.store.redis import RedisStore
from tests.conftest import RedisServer, wait_until
from tests.store.conftest import publication

NOISE = random.Random(7).randbytes(300_000)


def publish_forever(open_store: Callable[[], Store], first: int) -> None:
    """Publish as fast as it goes: every part of a generation says which it is."""
    store = open_store()
    for number in range(first, first + 1_000_000):
        digest = store.put_blob(f"blob of {number}".encode())
        whole = publication(str(number), (digest,))
        whole = msgspec.structs.replace(whole, snapshot=f"{number} {digest} ".encode() + NOISE)
        store.publish(whole, owner=None)


def check(store: Store) -> int:
    """What the pointer names is all there and belongs together; the generation's number."""
    pointer = store.pointer()
    assert pointer is not None
    snapshot = store.snapshot(pointer.generation)
    assert snapshot is not None
    number, digest, rest = snapshot.split(b" ", 2)
    assert number.decode() == pointer.generation
    assert rest == NOISE
    assert store.blob(digest.decode()) == f"blob of {pointer.generation}".encode()
    assert store.memory() == f"memory of {pointer.generation}".encode()
    return int(pointer.generation)


def kill_again_and_again(open_store: Callable[[], Store], rounds: int) -> None:
    rng = random.Random(3)
    reader = open_store()
    last = -1
    for _ in range(rounds):
        child = os.fork()
        if child == 0:
            try:
                publish_forever(open_store, last + 1)
            finally:
                os._exit(1)
        try:
            pointer_before = last

            def has_published(before: int = pointer_before) -> bool:
                pointer = reader.pointer()
                return pointer is not None and int(pointer.generation) > before

            wait_until(has_published, "a first publication")
            time.sleep(rng.uniform(0, 0.02))  # the moment of death, not a synchronisation
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        last = check(reader)
    reader.close()


@pytest.mark.slow
def test_file_publisher_killed(tmp_path: Path) -> None:
    """Files: nobody has to clean up between the rounds, and the dead leave no more than one
    unclaimed file of each kind a round."""
    kill_again_and_again(lambda: FileStore(tmp_path), rounds=40)
    assert len(list(tmp_path.rglob("*"))) < 20 + 40 * 3


@pytest.mark.slow
def test_redis_publisher_killed(empty_redis: RedisServer) -> None:
    """Redis: what was sent by half is not there."""
    kill_again_and_again(lambda: RedisStore.at(SecretUrl(empty_redis.url)), rounds=20)


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_readers_see_whole_generations_while_one_writes(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A reader beside a busy writer gets a snapshot that is the one it asked for, or None when it
    has been too slow; the pointer never goes back."""
    open_store: Callable[[], Store] = lambda: FileStore(tmp_path / "store")  # noqa: E731 - two alternatives
    if kind == "redis":
        url = SecretUrl(request.getfixturevalue("empty_redis").url)
        open_store = lambda: RedisStore.at(url)  # noqa: E731 - as above
    child = os.fork()
    if child == 0:
        try:
            publish_forever(open_store, 0)
        finally:
            os._exit(1)
    reader = open_store()
    try:
        wait_until(lambda: reader.pointer() is not None, "a first publication")
        numbers, found = [], 0
        for _ in range(150):
            pointer = reader.pointer()
            assert pointer is not None
            numbers.append(int(pointer.generation))
            snapshot = reader.snapshot(pointer.generation)
            found += snapshot is not None
            assert snapshot is None or snapshot.startswith(pointer.generation.encode() + b" ")
            assert reader.memory() is not None
        assert numbers == sorted(numbers)
        assert numbers[-1] > numbers[0]
        assert found > 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        reader.close()
