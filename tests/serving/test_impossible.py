"""A store with values that there cannot be, under their right digests: as a bug of ours would write them.

What a snapshot may not hold is in `tests/snapshot/test_soundness.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from app.geo.networks import build_networks
from app.model import MirrorState, Status, digest_of
from app.snapshot import schema, status
from app.snapshot.schema import Snapshot
from app.store import Publication, Store, file_store
from tests.builders import NOW
from tests.conftest import RedisServer
from tests.serving.site import Site, knows_networks, served
from tests.worker.network import NOON, generation

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all of this module's cases, each of which leaves it as it was."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, file_store(folder / "var"))
    site.publish()
    yield site
    site.stop()


def snapshot_of(store: Store) -> Snapshot:
    return schema.decode(store.snapshot(generation(store) or "") or b"")


def publish(store: Store, snapshot: Snapshot, networks: bytes | None = None, name: str = "") -> str:
    """Publish a snapshot as it stands; the name of the generation."""
    blob = networks if networks is not None else store.blob(snapshot.networks or "") or b""
    data = schema.encode(replace(snapshot, networks=digest_of(blob)))
    name = name or schema.generation_of(data)
    store.publish(
        Publication(
            generation=name,
            snapshot=data,
            memory=b"",
            blobs=(store.put_blob(blob),),
            published_at_s=NOON,
        ),
        None,
    )
    return name


# --- snapshots ---------------------------------------------------------------------------------------------


def of_first_mirror(snapshot: Snapshot, **changes: Any) -> Snapshot:
    mirrors = (replace(snapshot.mirrors[0], **changes), *snapshot.mirrors[1:])
    return replace(snapshot, mirrors=mirrors)


def test_impossible_snapshot(shared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken: the snapshot before stays, and the fault says what is wrong. It is not read again at
    every look; another one is taken."""
    good = snapshot_of(shared.store)
    current = shared.follower()
    current.refresh()
    before = served(current)
    publish(shared.store, of_first_mirror(good, name="a\r\nX-Evil: 1"))
    current.refresh()
    assert served(current) == before
    assert set(current.faults.current) == {"store"}
    assert "is no name of a mirror" in current.faults.current["store"]
    with monkeypatch.context() as patched:
        patched.setattr(shared.store, "snapshot", pytest.fail)
        current.refresh()
    assert publish(shared.store, good) == before
    current.refresh()
    assert current.faults.current == {}


def test_mended_under_its_name(shared: Site) -> None:
    """Bytes that were refused may come right under the same generation: a process that has nothing else
    takes them then."""
    good = snapshot_of(shared.store)
    name = generation(shared.store) or ""
    publish(shared.store, of_first_mirror(good, name="a\nb"), name=name)
    current = shared.follower()
    current.refresh()
    assert current.serving is None
    publish(shared.store, good)
    current.refresh()
    assert served(current) == name


# --- networks databases ------------------------------------------------------------------------------------


def networks_of(name: str) -> bytes:
    """A database in which a netblock has another name."""
    built = build_networks([], [("corp.example.com", "10.20.0.0/16")], [], 1)
    own = built.overlays[0].name
    assert len(own) == len(name)
    return built.mmdb.replace(own.encode(), name.encode())


@pytest.mark.parametrize(
    ("database", "words"),
    [
        pytest.param(lambda: networks_of("net-0\r\nX:1"), "does not know", id="a line break"),
        pytest.param(lambda: networks_of("net-00000f"), "does not know", id="an unknown network"),
        pytest.param(lambda: b"", "no MaxMind database", id="empty"),
        pytest.param(lambda: networks_of("net-00000f")[:-40], "no MaxMind database", id="cut"),
        pytest.param(
            lambda: networks_of("net-00000f").replace(b"overlay", b"overlie"), "that cannot be", id="no name"
        ),
    ],
)
def test_impossible_networks(shared: Site, database: Callable[[], bytes], words: str) -> None:
    """A networks database that is damaged, or has names that the snapshot does not know, is not taken."""
    good = snapshot_of(shared.store)
    networks = shared.store.blob(good.networks or "")
    current = shared.follower()
    current.refresh()
    before = served(current)
    publish(shared.store, good, database())
    current.refresh()
    assert served(current) == before and knows_networks(current)
    assert words in current.faults.current["store"]
    publish(shared.store, good, networks)
    current.refresh()
    assert current.faults.current == {}


# --- status documents --------------------------------------------------------------------------------------


def state(**changes: Any) -> MirrorState:
    return replace(MirrorState(mirror="m00.example.org", probed_at=NOW, status=Status.OK), **changes)


STATES = {
    "no time zone": state(timestamp=NOW.replace(tzinfo=None)),
    "the year 9999": state(probed_at=NOW.replace(year=9999)),
    "of another mirror": state(mirror="m01.example.org"),
    "failures below zero": state(failures=-1),
    "a verdict that is none": state(content={"9.8/baseos/x86_64": "excellent"}),
}


@pytest.mark.parametrize(
    "forged",
    [
        *(
            pytest.param(status.StatusDocument(states={"m00.example.org": odd}), id=name)
            for name, odd in STATES.items()
        ),
        pytest.param(status.StatusDocument(inputs_read_s={"config": 1e300}), id="read after all time"),
        pytest.param(status.StatusDocument(inputs_read_s={"config": float("nan")}), id="read at no time"),
        pytest.param(status.StatusDocument(schema=2), id="a newer schema"),
    ],
)
def test_impossible_status(shared: Site, forged: status.StatusDocument) -> None:
    """A status document with values that there cannot be is not taken: the one before stays, and the fault
    says so. Lists are followed all the same."""
    current = shared.follower()
    current.refresh()
    assert current.serving is not None
    before = current.serving.status
    shared.store.publish_status(status.encode(forged))
    newer = publish(shared.store, of_first_mirror(snapshot_of(shared.store), sponsor="another"))
    current.refresh()
    assert served(current) == newer
    assert set(current.faults.current) == {"status document"}
    shared.store.publish_status(before or b"")
    current.refresh()
    assert current.faults.current == {}
    assert current.serving.status_document is not None


# --- what is kept, and what is published -------------------------------------------------------------------


def test_not_kept(redis_site: Site, redis_server: RedisServer) -> None:
    """What is refused replaces no last good copy; and a copy that is impossible is not served."""
    settings = redis_site.with_redis(redis_server)
    kept = file_store(settings.var_dir)
    current = redis_site.follower(settings)
    current.refresh()
    before = served(current)
    bad = of_first_mirror(snapshot_of(redis_site.store), name="a\nb")
    publish(redis_site.store, bad)
    current.refresh()
    assert (served(current), generation(kept)) == (before, before)
    late = redis_site.follower(settings)
    late.refresh()
    assert served(late) == before
    publish(kept, replace(bad, networks=bad.networks), redis_site.store.blob(bad.networks or ""))
    redis_server.stop()
    last = redis_site.follower(settings)
    last.refresh()
    assert last.serving is None
    assert "name of a mirror" in last.faults.current["last good copy"]


def test_not_published(site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that compiles something impossible does not publish it, says so, and goes on."""
    before = generation(site.store)
    with monkeypatch.context() as patched:
        encode = schema.encode
        patched.setattr(schema, "encode", lambda snapshot: encode(of_first_mirror(snapshot, weight=-1.0)))
        assert site.publish() == before
        assert "weight" in site.worker.faults.current["snapshot"]
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    assert site.publish() != before
    assert site.worker.faults.current == {}
