"""What the worker does when its store is emptied, away, or comes back."""

from __future__ import annotations

import logging
import shutil

import pytest

from app.settings import SecretUrl
from app.store import FileStore
from app.store.redis import RedisStore
from app.worker.memory import Memory
from app.worker.memory import decode as decode_memory
from app.worker.memory import encode as encode_memory
from app.worker.numbers import HourCounts
from tests.conftest import RedisServer
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, definitions, generation, listed, loaded, status

MINUTE = 60.0


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.mirror("corp.example.com", more="subnets: [10.20.0.0/16]\nprivate: true\n")
    return network.several(8)


def test_emptied_store(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A store that was emptied gets everything again at the next step: the snapshot with its networks,
    the status document, and what the next worker has to know."""
    network.state(names[0])
    worker = start()
    worker.step(NOON)
    first = generation(store)
    caplog.clear()
    shutil.rmtree(store.directory)
    worker.step(NOON + 1)
    assert generation(store) == first
    digest = loaded(store).networks
    assert digest is not None and store.blob(digest) is not None
    assert set(status(store).states) == {names[0]}
    assert len(definitions(store)) == 9
    assert [m for m in caplog.messages if "again" in m] == [
        f"published generation {first} again: the store had nothing"
    ]


def test_emptied_while_the_guard_holds_back(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """While the guard holds edits back, an emptied store gets what is accepted, with the networks that belong
    to it."""
    worker = start()
    worker.step(NOON)
    network.remove(*names, "corp.example.com")
    network.mirror("other.example.com", more="subnets: [10.30.0.0/16]\n")
    worker.step(NOON + 1)
    accepted, networks = generation(store), loaded(store).networks
    shutil.rmtree(store.directory)
    worker.step(NOON + 2)
    assert generation(store) == accepted
    assert networks is not None and store.blob(networks) is not None
    assert sorted(listed(store)) == [*names, "other.example.com"]
    assert set(worker.faults.current) == {"guard/files"}


def test_redis_away(
    network: Network,
    start: StartWorker,
    names: list[str],
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While Redis is away the fault is named once; when it is back, empty, the worker publishes what has
    changed meanwhile, without being restarted."""
    store = RedisStore.at(SecretUrl(redis_server.url))
    worker = start(store)
    worker.step(NOON)
    redis_server.stop()
    network.mirror("new.example.org")
    for at_s in range(1, 4):
        worker.step(NOON + at_s)
    assert set(worker.faults.current) == {"store"}
    redis_server.start()
    worker.step(NOON + 5)
    assert sorted(listed(store)) == [*names, "new.example.org"]
    assert worker.faults.current == {}
    stories = [m for m in caplog.messages if m.startswith("store: ")]
    assert len(stories) == 2 and stories[-1] == "store: well again"
    store.close()


def test_redis_away_at_the_start(
    network: Network, start: StartWorker, names: list[str], redis_server: RedisServer
) -> None:
    """A worker may start before Redis does."""
    redis_server.stop()
    store = RedisStore.at(SecretUrl(redis_server.url))
    worker = start(store)
    worker.step(NOON)
    assert set(worker.faults.current) == {"store"}
    redis_server.start()
    worker.step(NOON + 1)
    assert sorted(listed(store)) == names
    store.close()


def test_redis_away_when_patience_ends(
    network: Network, start: StartWorker, names: list[str], redis_server: RedisServer
) -> None:
    """Losses that people meant have waited once: a store that is away just then makes them wait for the
    store alone, not for another 30 minutes."""
    store = RedisStore.at(SecretUrl(redis_server.url))
    worker = start(store)
    worker.step(NOON)
    network.remove(*names[2:])
    worker.step(NOON + 1)
    redis_server.stop()
    worker.step(NOON + 31 * MINUTE)
    redis_server.start()
    worker.step(NOON + 31 * MINUTE + 1)
    assert sorted(listed(store)) == names[:2]
    store.close()


MEMORIES = {
    "junk": b"junk",
    "a price that is none": Memory(load_km={"m00.example.org": float("nan")}),
    "an hour before all time": Memory(hours=(HourCounts(hour=-1, largest={}),)),
    "prices decided after all time": Memory(priced_at_s=1e300),
}


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
def test_impossible_memory(memory: Memory | bytes) -> None:
    """A memory with values that there cannot be, under its right digest, is as good as none."""
    assert decode_memory(memory if isinstance(memory, bytes) else encode_memory(memory)) == Memory()
