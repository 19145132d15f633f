"""What a web process serves while its store and its files come, go and are spoiled under it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from app.model import SnapshotError
from app.serving.current import Current
from app.snapshot import schema
from app.snapshot.status import StatusDocument
from app.snapshot.status import encode as encode_status
from app.store import FileStore, Pointer, Publication, Store, file_store
from tests.conftest import RedisServer, wait_until
from tests.serving.site import CORP, Site, knows_networks, knows_words, served
from tests.worker.network import NOON, Network, generation

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
    assert old.networks is not None and old.networks.find(CORP).overlay


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
    another = encode_status(StatusDocument(faults={"mirrors/a.yml": "another"}))
    site.store.publish_status(another)
    current.refresh()
    assert before is not None and current.serving is not None
    assert current.serving.status == another
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


def in_the_way_of_store(var: Path) -> None:
    var.mkdir()
    (var / "store").write_text("a file where a folder should be")


def in_the_way_of_all(var: Path) -> None:
    var.write_text("a file where a folder should be")


def in_a_circle(var: Path) -> None:
    var.symlink_to(var.name)


@pytest.mark.parametrize(
    ("harm", "subjects"),
    [
        (in_the_way_of_store, {"last good copy"}),
        (in_the_way_of_all, {"last good copy", "geoip copies", "metrics"}),
        pytest.param(in_a_circle, {"last good copy", "geoip copies", "metrics"}, marks=pytest.mark.slow),
    ],
)
def test_unwritable_folder(
    redis_site: Site, redis_server: RedisServer, harm: Callable[[Path], None], subjects: set[str]
) -> None:
    """A node that can keep nothing on its disk serves all the same, with all places and networks, follows,
    and says what is wrong; and nothing is wrong any more when it can."""
    settings = msgspec.structs.replace(redis_site.with_redis(redis_server), geoip_city=(redis_site.city,))
    harm(settings.var_dir)
    current = redis_site.follower(settings)
    for netblock in ("10.30.0.0/16", "10.40.0.0/16"):
        current.refresh()
        assert served(current) == generation(redis_site.store)
        assert knows_networks(current) and knows_words(current)
        assert set(current.faults.current) == subjects
        redis_site.network.mirror("new.example.com", more=f"private: true\nsubnets: [{netblock}]\n")
        redis_site.publish()
        current.refresh()
        assert current.serving is not None and current.serving.networks is not None
        assert current.serving.networks.find(netblock.removesuffix("/16")).overlay is not None
    for path in (settings.var_dir, settings.var_dir / "store"):
        if path.is_symlink() or path.is_file():
            path.unlink()
    current._copies._again_at = float("-inf")
    current.refresh()
    redis_site.publish()
    current.refresh()
    assert current.faults.current == {}
