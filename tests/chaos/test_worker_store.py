"""What the worker does about a store that is damaged, or slow, or forgets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.logs import MAX_PAUSE_S, pause_s
from app.settings import SecretUrl
from app.snapshot.status import decode_heartbeat
from app.store import FileStore
from app.store.redis import RedisStore
from app.worker import loop
from tests.chaos.line import SlowLine
from tests.conftest import RedisServer
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, address, generation, listed, loaded, status

MINUTE = 60.0


def objects(store: FileStore) -> Path:
    return store.directory / "objects"


def forget_objects(store: FileStore) -> None:
    for path in objects(store).iterdir():
        path.unlink()


def damage_objects(store: FileStore) -> None:
    for path in objects(store).iterdir():
        path.write_bytes(b"junk")


def damage_one(store: FileStore) -> None:
    """The networks database alone."""
    digest = loaded(store).networks
    assert digest is not None
    (objects(store) / digest).write_bytes(b"junk")


@pytest.fixture(autouse=True)
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.mirror("corp.example.com", more="subnets: [10.20.0.0/16]\nprivate: true\n")
    return network.several(8)


@pytest.mark.parametrize("harm", [forget_objects, damage_objects, damage_one])
def test_store_loses_what_its_index_names(
    network: Network,
    store: FileStore,
    start: StartWorker,
    harm: Callable[[FileStore], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Evicted or damaged under an index that is still there: within a minute the worker puts it back, and
    says so once, though nothing that it reads has changed."""
    worker = start()
    worker.step(NOON)
    first, networks = generation(store), loaded(store).networks
    harm(store)
    for at_s in (30.0, 2 * MINUTE, 2 * MINUTE + 1, 4 * MINUTE):
        worker.step(NOON + at_s)
    assert generation(store) == first
    assert networks is not None and store.blob(networks)
    assert [m for m in caplog.messages if "again" in m] == [
        f"published generation {first} again: the store had not all of it"
    ]
    assert worker.faults.current == {}


def spoil_index(store: FileStore) -> None:
    (store.directory / "index.json").write_bytes(b'{"kept": ' + b"[" * 100_000)


@pytest.mark.parametrize("harm", [spoil_index, damage_objects, forget_objects])
def test_takes_over_junk(
    store: FileStore, start: StartWorker, names: list[str], harm: Callable[[FileStore], None]
) -> None:
    """A worker that begins with junk in the store publishes over it."""
    former = start()
    former.step(NOON)
    former.stop()
    harm(store)
    worker = start()
    worker.step(NOON + 1)
    assert worker.has_published and worker.faults.current == {}
    assert sorted(listed(store)) == names


@pytest.mark.slow
def test_line_slower_than_the_lease(
    network: Network, start: StartWorker, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publication that takes longer than the lease lasts is made all the same: the worker renews it
    meanwhile."""
    monkeypatch.setattr(loop, "LEASE_S", 1.0)
    line = SlowLine(redis_server.port)
    slow, quick = (RedisStore.at(SecretUrl(url)) for url in (line.url, redis_server.url))
    try:
        worker = start(slow)
        worker.step(NOON)
        network.mirror("new.example.org")
        line.bytes_per_s = 40_000  # and a snapshot has a hundred kilobytes
        started_s = time.monotonic()
        worker.step(NOON + 1)
        assert time.monotonic() - started_s > 1.5
        line.bytes_per_s = None
        assert "new.example.org" in listed(quick)
        assert worker.faults.current == {}
    finally:
        slow.close()
        quick.close()
        line.stop()


def test_pauses_grow() -> None:
    """After failures it is looked more rarely, never more rarely than every 3 s, and never more often
    than was set."""
    pauses = [pause_s(0.5, failures) for failures in range(7)]
    assert pauses == [0.5, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    assert pause_s(30.0, 10_000) == 30.0
    assert pause_s(0.05, 10_000) == MAX_PAUSE_S


@pytest.mark.slow
def test_clock_set_back_a_day(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """Edits, probe results, the status document, heartbeats and the guard's patience all go on by the
    clock as it is now, and what is in use is not tidied away."""
    city = network.city_database()
    network.probed(names)
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    back = NOON - 86_400
    network.mirror("new.example.org")
    worker.step(back)
    assert address(store, "new.example.org") is not None
    network.probed([*names, "new.example.org"], at_s=back)
    worker.step(back + MINUTE)
    assert "new.example.org" in listed(store)
    assert status(store).inputs_read_s["state"] == back + MINUTE
    assert decode_heartbeat(store.heartbeat() or b"").at_s == back + MINUTE
    network.remove(*names)
    worker.step(back + 2 * MINUTE)
    assert "guard/files" in worker.faults.current
    worker.step(back + 33 * MINUTE)
    assert listed(store) == ["new.example.org"]
    assert worker.reader.geo.cities is not None
    assert all(path.exists() for path in worker.reader.geo.cities.paths)
