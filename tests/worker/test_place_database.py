"""The places database from the scan to the store: published once, mended, and found by other workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from app.files import mark
from app.geo import place_scan
from app.geo.copies import VerifiedCopies
from app.geo.place_lookup import PlaceLookup
from app.settings import SecretUrl
from app.store import Blob, FileStore, Store
from app.store.redis import OBJECT, RedisStore
from app.worker import geography
from app.worker.loop import CHECK_EVERY_S, Worker
from tests.conftest import RedisServer
from tests.spoiling import emptied, truncated
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, loaded, replaced

SAMPLE_ADDRESS = "192.0.2.49"


@pytest.fixture
def city(network: Network, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.several(4)
    return network.city_database()


def scanned(worker: Worker, now: float = NOON) -> None:
    """The worker has published the places."""
    worker.step(now)
    assert worker.wait(now)
    worker.step(now + 1)


def published(store: Store, folder: Path) -> PlaceLookup:
    """The places database that is in the store, opened."""
    digest = loaded(store).place_database
    assert digest is not None
    content = store.blob(digest)
    assert content is not None
    return PlaceLookup(VerifiedCopies(folder).keep(digest, content))


def no_scan(*_: object) -> place_scan.PlaceScan:
    raise AssertionError("scanned again")


def test_published_with_the_snapshot(
    store: FileStore, start: StartWorker, city: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Before the first scan has ended there is none, and the log says so; then the snapshot names it, and
    the store has it."""
    worker = start(cities=(city,))
    worker.step(NOON)
    assert loaded(store).place_database is None
    assert "until then, no client has a place" in caplog.text
    assert worker.wait(NOON)
    worker.step(NOON + 1)
    cities = worker.reader.geo.cities
    assert cities is not None
    place = published(store, tmp_path / "elsewhere").place(SAMPLE_ADDRESS)
    assert place == cities.place(SAMPLE_ADDRESS) != ""


@pytest.mark.slow
def test_nothing_is_built_when_mirrors_change(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    city: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only another GeoIP database makes another places database."""
    worker = start(cities=(city,))
    scanned(worker)
    first = loaded(store)
    monkeypatch.setattr(geography, "start_scan", no_scan)
    network.mirror("m99.example.org")
    worker.step(NOON + 2)
    assert loaded(store).generation != first.generation
    assert loaded(store).place_database == first.place_database


# --- on the worker's disk ----------------------------------------------------------------------------


def exchanged(path: Path) -> None:
    """Another database is in its place."""
    other = next(p for p in path.parent.glob("*.mmdb") if p != path)
    replaced(path, other.read_bytes())


def changed_inside(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"DE/50/8", b"FR/50/8"))


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("harm", [truncated, emptied, exchanged, changed_inside, removed])
def test_a_damaged_file_is_made_again(
    *,
    network: Network,
    store: FileStore,
    start: StartWorker,
    city: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
) -> None:
    """It is noticed by its hash, said once, and made again, while what is published stays, and mirrors can
    be changed."""
    worker = start(cities=(city,))
    scanned(worker)
    database = worker.reader.geo.database
    assert database is not None
    path = worker.reader.geo.copies.path_of(database.digest)
    before = path.read_bytes()
    caplog.clear()
    harm(path)
    network.mirror("m99.example.org")
    worker.step(NOON + 2)
    assert loaded(store).place_database == database.digest
    assert "m99.example.org" in loaded(store).number
    assert "geoip/places" in worker.faults.current
    assert worker.wait(NOON + 3)
    worker.step(NOON + 4)
    assert path.read_bytes() == before
    assert loaded(store).place_database == database.digest
    assert "geoip/places" not in worker.faults.current
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "is damaged or gone, so it is made again" in warnings[0]


@pytest.mark.slow
def test_damaged_while_the_worker_is_down(
    *, network: Network, store: FileStore, start: StartWorker, city: Path
) -> None:
    """A worker that starts does not believe a damaged file."""
    worker = start(cities=(city,))
    scanned(worker)
    digest = loaded(store).place_database
    assert digest is not None
    worker.stop()
    path = VerifiedCopies(network.var / "geoip").path_of(digest)
    before = path.read_bytes()
    truncated(path)
    scanned(start(cities=(city,)), NOON + 2)
    assert loaded(store).place_database == digest
    assert path.read_bytes() == before


@pytest.mark.slow
def test_damaged_and_lost(store: FileStore, start: StartWorker, city: Path) -> None:
    """If the store has lost it too, it is made again and then published; nothing else is put in its
    place."""
    worker = start(cities=(city,))
    scanned(worker)
    database = worker.reader.geo.database
    assert database is not None
    (store.directory / "objects" / database.digest).unlink()
    path = worker.reader.geo.copies.path_of(database.digest)
    seen = path.stat()
    path.write_bytes(path.read_bytes().replace(b"DE/50/8", b"FR/50/8"))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    worker.reader.geo._database_mark = mark(path)  # a disk that lost a page leaves the mark
    worker.step(NOON + CHECK_EVERY_S + 2)
    assert "damaged" in worker.faults.current["geoip/places database"]
    assert store.blob(database.digest) is None
    worker.step(NOON + CHECK_EVERY_S + 3)
    assert worker.wait(NOON + CHECK_EVERY_S + 4)
    worker.step(NOON + CHECK_EVERY_S + 5)
    assert store.blob(database.digest) is not None
    assert not {"geoip/places", "geoip/places database"} & set(worker.faults.current)


# --- in Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def in_redis(redis_server: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore.at(SecretUrl(redis_server.url))
    yield store
    store.close()


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_server.port) as client:
        yield client


class Traffic:
    """What Redis has received and sent since, in bytes."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._before = self._now()

    def _now(self) -> tuple[int, int]:
        stats = self._client.info("stats")
        return int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])

    def since(self) -> tuple[int, int]:
        now = self._now()
        return now[0] - self._before[0], now[1] - self._before[1]


@pytest.mark.slow
def test_a_publication_sends_only_what_is_new(
    *, network: Network, start: StartWorker, city: Path, in_redis: RedisStore, client: redis.Redis
) -> None:
    """With changed mirrors, a large places database is neither sent nor read again, nor when the worker
    looks whether the store still has everything."""
    worker = start(in_redis, cities=(city,))
    scanned(worker)
    geo, large = worker.reader.geo, Blob.of(os.urandom(20_000_000))
    geo.copies.keep(large.digest, large.load())
    assert geo.places is not None
    geo.take(replace(geo.places, database=large.digest))
    network.mirror("m98.example.org")
    first = Traffic(client)
    worker.step(NOON + 2)
    assert loaded(in_redis).place_database == large.digest
    assert first.since()[0] > large.size
    network.mirror("m99.example.org")
    second = Traffic(client)
    worker.step(NOON + 3)
    assert "m99.example.org" in loaded(in_redis).number
    assert max(second.since()) < 1_000_000
    third = Traffic(client)
    worker.step(NOON + 3 + 2 * CHECK_EVERY_S)
    assert max(third.since()) < 1_000_000
    assert in_redis.blob(large.digest) is not None


@pytest.mark.parametrize("harm", ["evicted", "cut short", "exchanged", "of another type"])
def test_what_redis_loses_is_published_again(
    *, start: StartWorker, city: Path, in_redis: RedisStore, client: redis.Redis, harm: str
) -> None:
    """Within the time after which the worker looks."""
    worker = start(in_redis, cities=(city,))
    scanned(worker)
    digest = loaded(in_redis).place_database
    assert digest is not None
    key = OBJECT + digest
    content = client.get(key)
    assert isinstance(content, bytes)
    client.delete(key)
    if harm == "cut short":
        client.set(key, content[:-1])
    elif harm == "exchanged":
        client.set(key, b"x" * len(content))
    elif harm == "of another type":
        client.hset(key, "a", "b")
    worker.step(NOON + 2 + CHECK_EVERY_S)
    assert in_redis.blob(digest) == content


def test_another_machine_takes_it_from_the_store(
    *,
    network: Network,
    start: StartWorker,
    city: Path,
    in_redis: RedisStore,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that takes over with the same GeoIP database does not scan it."""
    first = start(in_redis, cities=(city,))
    scanned(first)
    before = loaded(in_redis)
    first.stop()
    network.var = tmp_path / "another"
    monkeypatch.setattr(geography, "start_scan", no_scan)
    other = RedisStore.at(SecretUrl(redis_server.url))
    second = start(other, cities=(city,))
    second.step(NOON + 30)
    assert second.leading
    assert loaded(in_redis).generation == before.generation
    database = second.reader.geo.database
    assert database is not None
    assert database.digest == before.place_database
    assert (tmp_path / "another" / "geoip" / f"{database.digest[:32]}.mmdb").is_file()
    other.close()


def test_another_machine_scans_what_the_store_has_lost(
    *,
    network: Network,
    start: StartWorker,
    city: Path,
    in_redis: RedisStore,
    client: redis.Redis,
    tmp_path: Path,
) -> None:
    """Without the places database in the store, the shared places alone are of no use."""
    first = start(in_redis, cities=(city,))
    scanned(first)
    digest = loaded(in_redis).place_database
    assert digest is not None
    first.stop()
    client.delete(OBJECT + digest)
    network.var = tmp_path / "another"
    second = start(in_redis, cities=(city,))
    second.step(NOON + 30)
    assert second.wait(NOON + 30)
    second.step(NOON + 60)
    assert in_redis.blob(digest) is not None
    assert loaded(in_redis).place_database == digest
