"""What a web process serves while its store and its files come, go and are spoiled under it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from app.model import SnapshotError
from app.settings import SecretUrl, Settings
from app.snapshot import schema
from app.store import FileStore, Pointer, Publication, Store, file_store
from app.store.redis import RedisStore
from app.web.current import Current
from app.worker.loop import Worker
from tests.conftest import RedisServer, wait_until
from tests.worker.network import CITY, NOON, Network, generation, replaced

FRANKFURT, CORP = "192.0.2.1", "10.20.0.1"


class Site:
    """A network, the worker that publishes it into a store, and web processes that follow."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.network = Network(folder)
        self.network.several(4)
        self.network.mirror("corp.example.com", more="private: true\nsubnets: [10.20.0.0/16]\n")
        self.city = self.network.city_database()
        self.store = store
        self.worker: Worker = self.network.worker(store)
        self.now = NOON
        self.followers: list[Current] = []

    def publish(self) -> str:
        """Another generation."""
        self.now += 1
        self.network.mirror("m00.example.org", more=f"weight: {self.now - NOON:.0f}\n")
        self.worker.step(self.now)
        published = generation(self.store)
        assert published is not None
        return published

    def follower(self, settings: Settings | None = None) -> Current:
        """Without a city database, unless the settings have one."""
        settings = settings or self.network.settings()
        kept = file_store(settings.var_dir) if settings.redis_url else None
        self.followers.append(Current(settings, self.store, kept))
        return self.followers[-1]

    def with_city(self) -> Current:
        return self.follower(self.network.settings(self.city))

    def with_redis(self, server: RedisServer) -> Settings:
        """Settings of a node that has Redis, and a `var` of its own."""
        return msgspec.structs.replace(
            self.network.settings(),
            var_dir=self.network.var.with_name("node"),
            redis_url=SecretUrl(server.url),
        )

    def stop(self) -> None:
        for follower in self.followers:
            follower.stop()
        self.worker.stop()


@pytest.fixture
def site(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    """Over a file store, with one generation published."""
    caplog.set_level(logging.INFO, "mirrorwise.web")
    site = Site(tmp_path, file_store(tmp_path / "var"))
    site.publish()
    yield site
    site.stop()


@pytest.fixture
def redis_site(tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.INFO, "mirrorwise.web")
    store = RedisStore.at(SecretUrl(redis_server.url))
    site = Site(tmp_path, store)
    site.publish()
    yield site
    site.stop()
    store.close()


def served(current: Current) -> str | None:
    return current.serving.snapshot.generation if current.serving else None


def knows_networks(current: Current) -> bool:
    assert current.serving is not None and current.serving.networks is not None
    return current.serving.networks.overlay_name(CORP) is not None


def knows_places(current: Current) -> bool:
    return current.cities is not None and current.cities.place(FRANKFURT) == "DE/50/8"


# --- following the store ----------------------------------------------------------------------------------


def test_swap_in_the_background(site: Site) -> None:
    """A newer generation is served without anybody asking for it; who holds the old one can go on with
    it."""
    current = site.follower()
    current.start()
    old = current.serving
    newer = site.publish()
    wait_until(lambda: served(current) == newer, "the newer generation is served")
    assert old is not None and old.snapshot.generation != newer
    assert old.networks is not None and old.networks.overlay_name(CORP)


def test_nothing_new(site: Site) -> None:
    """While nothing new is published, what is served stays the very same."""
    current = site.follower()
    current.refresh()
    serving = current.serving
    current.refresh()
    assert current.serving is serving


def test_new_status_document(site: Site) -> None:
    """A new status document comes along without the snapshot being decoded again."""
    current = site.follower()
    current.refresh()
    before = current.serving
    site.store.publish_status(b"another")
    current.refresh()
    assert before is not None and current.serving is not None
    assert current.serving.status == b"another"
    assert current.serving.snapshot is before.snapshot


def test_before_the_first_publication(tmp_path: Path) -> None:
    """Nothing is served before there is something, and then it is, without a restart."""
    network = Network(tmp_path)
    current = Current(network.settings(), network.store(), None)
    current.refresh()
    assert current.serving is None
    worker = network.worker()
    worker.step(NOON)
    current.refresh()
    assert current.serving is not None
    assert "store" not in current.faults.current
    worker.stop()


# --- a store with something wrong in it ------------------------------------------------------------------


def damage_objects(store: FileStore) -> None:
    """What a disk does that loses its mind: every object has other bytes of the same length."""
    for path in (store.directory / "objects").iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)


def truncate_objects(store: FileStore) -> None:
    for path in (store.directory / "objects").iterdir():
        os.truncate(path, path.stat().st_size // 2)


def remove_objects(store: FileStore) -> None:
    shutil.rmtree(store.directory / "objects")


def spoil_index(store: FileStore) -> None:
    (store.directory / "index.json").write_text('{"kept": [')


def empty(store: FileStore) -> None:
    shutil.rmtree(store.directory)


def replace_by_file(store: FileStore) -> None:
    shutil.rmtree(store.directory)
    store.directory.write_text("")


@pytest.mark.parametrize(
    "harm", [damage_objects, truncate_objects, remove_objects, spoil_index, empty, replace_by_file]
)
def test_spoiled_store(
    site: Site, caplog: pytest.LogCaptureFixture, harm: Callable[[FileStore], None]
) -> None:
    """Whatever happens to the store, what is served stays whole; the fault is named once; and when the
    store is in order again, so is everything else."""
    current = site.follower()
    current.refresh()
    before = served(current)
    site.publish()
    assert isinstance(site.store, FileStore)
    harm(site.store)
    for _ in range(3):
        current.refresh()
    assert served(current) == before
    assert knows_networks(current)
    assert set(current.faults.current) == {"store"}
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    if site.store.directory.is_dir():
        shutil.rmtree(site.store.directory)
    else:
        site.store.directory.unlink(missing_ok=True)
    newest = site.publish()
    current.refresh()
    assert served(current) == newest
    assert current.faults.current == {}
    assert "store: well again" in caplog.messages


def strange(store: Store, data: bytes, blobs: tuple[str, ...] = ()) -> None:
    """Publish bytes that no worker of this version would."""
    publication = Publication(
        generation="strange", snapshot=data, memory=b"", blobs=blobs, published_at_s=NOON
    )
    store.publish(publication, None)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xc1 nonsense", id="nonsense"),
        pytest.param(msgspec.msgpack.encode({"schema": schema.SCHEMA + 1, "new": 1}), id="newer schema"),
        pytest.param(msgspec.msgpack.encode({"schema": schema.SCHEMA}), id="fields missing"),
        pytest.param(msgspec.msgpack.encode([1, 2]), id="something else"),
    ],
)
def test_strange_snapshot(site: Site, data: bytes) -> None:
    """A generation that this version cannot read is not served, and says why."""
    current = site.follower()
    current.refresh()
    before = served(current)
    strange(site.store, data)
    current.refresh()
    assert served(current) == before
    assert "snapshot" in current.faults.current["store"]
    with pytest.raises(SnapshotError):
        schema.decode(data)


def test_networks_missing(site: Site) -> None:
    """A snapshot whose networks database is not there is not served half."""
    current = site.follower()
    current.refresh()
    before = served(current)
    assert current.serving is not None
    data = site.store.snapshot(before or "")
    assert data is not None
    snapshot = msgspec.structs.replace(schema.decode(data), networks="0" * 64)
    strange(site.store, schema.encode(snapshot))
    current.refresh()
    assert served(current) == before
    assert "networks database" in current.faults.current["store"]


class Flawed:
    """A store with a bug that goes away."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.bug = True

    def pointer(self) -> Pointer | None:
        if self.bug:
            raise RuntimeError("a bug")
        return self.store.pointer()

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def test_bug_in_the_background(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The thread outlives what nobody thought of, and says so once, with a traceback."""
    flawed = Flawed(site.store)
    flawed.bug = False
    current = Current(site.network.settings(), flawed, None)  # type: ignore[arg-type]  # the rest is delegated
    current.start()
    flawed.bug = True
    wait_until(lambda: "refresh" in current.faults.current, "the bug is noticed")
    newer = site.publish()
    flawed.bug = False
    wait_until(lambda: served(current) == newer, "the newer generation is served")
    wait_until(lambda: current.faults.current == {}, "well again")
    current.stop()
    assert caplog.text.count("Traceback") == 1


# --- Redis, and the last good copy ------------------------------------------------------------------------


def test_redis_away(redis_site: Site, redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """With Redis away serving goes on, and nothing has to be restarted when it is back, empty, and the
    worker has filled it again."""
    current = redis_site.follower(redis_site.with_redis(redis_server))
    current.refresh()
    before = served(current)
    redis_server.stop()
    for _ in range(3):
        current.refresh()
    assert served(current) == before
    assert set(current.faults.current) == {"store"}
    redis_server.start()
    current.refresh()
    assert served(current) == before
    assert "nothing has been published" in current.faults.current["store"]
    newest = redis_site.publish()
    current.refresh()
    assert served(current) == newest
    assert current.faults.current == {}
    assert caplog.messages.count("store: well again") == 1


def test_start_without_redis(redis_site: Site, redis_server: RedisServer) -> None:
    """A process that starts while Redis is away serves the last good copy from `var`, with its networks,
    and follows Redis when it is back."""
    settings = redis_site.with_redis(redis_server)
    former = redis_site.follower(settings)
    former.refresh()
    newest = redis_site.publish()
    former.refresh()
    redis_server.stop()
    current = redis_site.follower(settings)
    current.refresh()
    assert served(current) == newest
    assert knows_networks(current)
    assert set(current.faults.current) == {"store"}
    redis_server.start()
    newer = redis_site.publish()
    current.refresh()
    assert served(current) == newer
    assert current.faults.current == {}


def test_start_with_an_empty_redis(redis_site: Site, redis_server: RedisServer) -> None:
    """The same holds for a Redis that is there, but empty."""
    settings = redis_site.with_redis(redis_server)
    former = redis_site.follower(settings)
    former.refresh()
    redis_server.stop()
    redis_server.start()
    current = redis_site.follower(settings)
    current.refresh()
    assert served(current) == served(former)
    assert "nothing has been published" in current.faults.current["store"]


def test_start_without_anything(redis_site: Site, redis_server: RedisServer) -> None:
    """A node's first start while Redis is away serves nothing, names both reasons, and recovers."""
    redis_server.stop()
    current = redis_site.follower(redis_site.with_redis(redis_server))
    current.refresh()
    assert current.serving is None
    assert set(current.faults.current) == {"store", "last good copy"}
    redis_server.start()
    newest = redis_site.publish()
    current.refresh()
    assert served(current) == newest


def test_spoiled_copy_is_not_served(redis_site: Site, redis_server: RedisServer) -> None:
    """A last good copy that is not good any more is not served, and replaced by the next generation."""
    settings = redis_site.with_redis(redis_server)
    redis_site.follower(settings).refresh()
    damage_objects(file_store(settings.var_dir))
    redis_server.stop()
    current = redis_site.follower(settings)
    current.refresh()
    assert current.serving is None
    redis_server.start()
    newest = redis_site.publish()
    current.refresh()
    assert served(current) == newest
    assert generation(file_store(settings.var_dir)) == newest
    assert current.faults.current == {}


def test_unwritable_copy(redis_site: Site, redis_server: RedisServer) -> None:
    """A node that cannot keep a copy serves all the same, and says what is wrong."""
    settings = redis_site.with_redis(redis_server)
    settings.var_dir.mkdir()
    (settings.var_dir / "store").write_text("a file where a folder should be")
    current = redis_site.follower(settings)
    current.refresh()
    assert served(current) == generation(redis_site.store)
    assert set(current.faults.current) == {"last good copy"}


# --- GeoIP and networks databases -------------------------------------------------------------------------


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def truncate_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))


def remove(path: Path) -> None:
    path.unlink()


def wrong_kind(path: Path) -> None:
    replaced(path, CITY.with_name("asn.mmdb").read_bytes())


@pytest.mark.parametrize("harm", [truncate, truncate_to_nothing, overwrite, remove, wrong_kind])
def test_spoiled_city_database(
    site: Site, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None]
) -> None:
    """A database spoiled under a running process leaves the last good copy in use; the fault is named
    once; a good one is taken up again."""
    current = site.with_city()
    current.refresh()
    harm(site.city)
    for _ in range(3):
        current.refresh()
        assert knows_places(current) and knows_networks(current)
    assert set(current.faults.current) == {"geoip"}
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1
    replaced(site.city, CITY.read_bytes().replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    current.refresh()
    assert current.faults.current == {}
    assert current.cities is not None
    assert current.cities.describe(FRANKFURT).city == "Frankfurt am Mein"


@pytest.mark.parametrize("harm", [truncate, truncate_to_nothing, overwrite, remove, wrong_kind])
def test_start_with_a_spoiled_city_database(site: Site, harm: Callable[[Path], None]) -> None:
    """A process that starts while the database is spoiled opens the copy that served last."""
    site.with_city().refresh()
    harm(site.city)
    current = site.with_city()
    current.refresh()
    assert knows_places(current)
    assert set(current.faults.current) == {"geoip"}


def test_no_city_database_at_the_start(site: Site) -> None:
    """Without a usable database clients are of nowhere, and served all the same."""
    truncate(site.city)
    current = site.with_city()
    current.refresh()
    assert current.cities is None
    assert current.serving is not None
    assert set(current.faults.current) == {"geoip"}


def test_copies_deleted_under_the_process(site: Site) -> None:
    """Somebody who tidies up `var` takes nothing from a running process, and new generations come as
    before."""
    current = site.with_city()
    current.refresh()
    shutil.rmtree(site.network.var / "geoip")
    current.refresh()
    assert knows_places(current) and knows_networks(current)
    newest = site.publish()
    current.refresh()
    assert served(current) == newest
    assert knows_places(current) and knows_networks(current)
