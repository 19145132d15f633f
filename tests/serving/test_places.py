"""The places database as web processes have it: from the store, in a file that they share."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.geo.published import PublishedDatabase
from app.serving.current import Current
from app.store import FileStore, Store
from app.web.readiness import reasons
from tests.conftest import RedisServer
from tests.serving.site import FRANKFURT, Site, place_in, publish_as_places, served
from tests.spoiling import damaged, exchanged, truncated

GERMANY, LUXEMBOURG = {"192.0.2.0/24": "DE/50/8"}, {"192.0.2.0/24": "LU/49/6"}


class Counting:
    """A store that counts how often large things are read from it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.read: list[str] = []

    def blob(self, digest: str) -> bytes | None:
        self.read.append(digest)
        return self.store.blob(digest)

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)


def again(current: Current) -> None:
    """As if the pause after a failure were over."""
    current._places._again_at = float("-inf")


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def copy_of(folder: Path, digest: str) -> Path:
    return folder / "geoip" / f"{digest[:32]}.mmdb"


# --- the usual ------------------------------------------------------------------------------------------


def test_no_vendors_file_is_needed(site: Site) -> None:
    """A web process knows where clients are without a GeoIP file of its own, and nothing is at fault."""
    site.publish_places(GERMANY)
    current = site.follower(site.network.settings(site.network.data / "geoip" / "not-there.mmdb"))
    current.refresh()
    assert place_in(current) == "DE/50/8"
    assert current.cities is None
    assert current.faults.current == {}
    assert list(reasons(current, site.now)) == []


def test_a_new_build_is_swapped_in(site: Site) -> None:
    """With the generation that names it. A request that has begun goes on with the former one."""
    site.publish_places(GERMANY)
    current = site.follower()
    current.refresh()
    before = current.serving
    newest = site.publish_places(LUXEMBOURG)
    current.refresh()
    assert served(current) == newest
    assert place_in(current) == "LU/49/6"
    assert before is not None and before.places is not None and before.places.place(FRANKFURT) == "DE/50/8"


def test_before_the_first_scan(site: Site) -> None:
    """A generation without places is served, and no client has a place."""
    current = site.follower()
    current.refresh()
    assert current.serving is not None and current.serving.places is None
    assert current.faults.current == {}


def test_a_generation_with_other_mirrors_opens_nothing(site: Site) -> None:
    """The database stays the very same while its digest does."""
    site.publish_places(GERMANY)
    store = Counting(site.store)
    current = site.follower(store=store)
    current.refresh()
    before = current.serving
    site.publish()
    site.publish_places(GERMANY)
    current.refresh()
    assert before is not None and current.serving is not None
    assert current.serving.snapshot.generation != before.snapshot.generation
    assert current.serving.places is before.places


def test_one_process_fetches_it_for_all(redis_site: Site, redis_server: RedisServer) -> None:
    """Those that share a folder map the same file, which the first of them fetched."""
    digest = redis_site.put_places(GERMANY)
    redis_site.publish_places(GERMANY)
    settings = redis_site.with_redis(redis_server)
    stores = [Counting(redis_site.store) for _ in range(3)]
    processes = [redis_site.follower(settings, store) for store in stores]
    for process in processes:
        process.refresh()
        assert place_in(process) == "DE/50/8"
    assert [store.read.count(digest) for store in stores] == [1, 0, 0]
    assert {process._places.path for process in processes} == {copy_of(settings.var_dir, digest)}


def test_start_without_redis(redis_site: Site, redis_server: RedisServer) -> None:
    """The file is part of the copy of the last good generation."""
    newest = redis_site.publish_places(GERMANY)
    settings = redis_site.with_redis(redis_server)
    redis_site.follower(settings).refresh()
    redis_server.stop()
    current = redis_site.follower(settings)
    current.refresh()
    assert served(current) == newest
    assert place_in(current) == "DE/50/8"
    assert set(current.faults.current) == {"store"}


def test_it_is_kept_as_long_as_it_is_the_last(site: Site) -> None:
    """However long no process has touched it: a process that starts without the store needs it."""
    digest = site.put_places(GERMANY)
    site.publish_places(GERMANY)
    node = site.on_another_node()
    current = site.follower(node)
    current.refresh()
    former = copy_of(node.var_dir, digest)
    os.utime(former, (1, 1))
    current._copies.delete_unused(site.now)
    assert former.exists()
    site.publish_places(LUXEMBOURG)
    os.utime(former, (1, 1))
    current.refresh()
    assert not former.exists()
    assert place_in(current) == "LU/49/6"


# --- something is wrong with it ---------------------------------------------------------------------------


HARMS = [damaged, truncated, exchanged, Path.unlink]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
def test_spoiled_in_the_store(
    site: Site, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], None], restarted: bool
) -> None:
    """The new generation is served with the last good database, also by a process that starts only then.
    The fault is said once, and is gone when the store has the database again."""
    site.publish_places(GERMANY)
    node = site.on_another_node()
    current = site.follower(node)
    current.refresh()
    newest = site.publish_places(LUXEMBOURG)
    assert isinstance(site.store, FileStore)
    blob = site.store.directory / "objects" / site.put_places(LUXEMBOURG)
    content = blob.read_bytes()
    harm(blob)
    if restarted:
        current = site.follower(node)
    for _ in range(3):
        current.refresh()
        again(current)
    assert served(current) == newest
    assert place_in(current) == "DE/50/8"
    assert set(current.faults.current) == {"places"}
    assert len(warnings(caplog)) == 1
    blob.write_bytes(content)
    current.refresh()
    assert place_in(current) == "LU/49/6"
    assert current.faults.current == {}
    assert caplog.messages.count("places: well again") == 1


def test_the_store_is_not_asked_for_megabytes_all_the_time(site: Site) -> None:
    """What was bad a moment ago is read again after a pause only."""
    site.publish_places(LUXEMBOURG)
    assert isinstance(site.store, FileStore)
    digest = site.put_places(LUXEMBOURG)
    damaged(site.store.directory / "objects" / digest)
    store = Counting(site.store)
    current = site.follower(site.on_another_node(), store)
    for _ in range(5):
        current.refresh()
    assert store.read.count(digest) == 1
    assert set(current.faults.current) == {"places"}


def test_another_kind_of_database(site: Site) -> None:
    """A digest proves only that a worker wrote it: what is no places database is not used as one."""
    site.publish_places(GERMANY)
    current = site.follower()
    current.refresh()
    assert current.serving is not None
    networks = current.serving.snapshot.networks
    assert networks is not None
    newest = publish_as_places(site.store, networks)
    current.refresh()
    assert served(current) == newest
    assert place_in(current) == "DE/50/8"
    assert "is not a places database" in current.faults.current["places"]


@pytest.mark.parametrize("harm", HARMS)
def test_spoiled_on_disk(
    redis_site: Site,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[Path], None],
) -> None:
    """A process that starts does not map what is not what was written: it is fetched again, and that is
    said once. A process that has mapped it goes on."""
    digest = redis_site.put_places(GERMANY)
    redis_site.publish_places(GERMANY)
    settings = redis_site.with_redis(redis_server)
    redis_site.follower(settings).refresh()
    caplog.clear()
    harm(copy_of(settings.var_dir, digest))
    for _ in range(2):
        current = redis_site.follower(settings)
        current.refresh()
        assert place_in(current) == "DE/50/8"
        assert current.faults.current == {}
    assert len(warnings(caplog)) == (0 if harm is Path.unlink else 1)


def test_spoiled_everywhere(site: Site) -> None:
    """Lists are served to all clients all the same: as to clients of whom nothing is known."""
    newest = site.publish_places(GERMANY)
    assert isinstance(site.store, FileStore)
    damaged(site.store.directory / "objects" / site.put_places(GERMANY))
    current = site.follower(site.on_another_node())
    current.refresh()
    assert served(current) == newest
    assert place_in(current) == ""
    assert set(current.faults.current) == {"places"}


def test_a_disk_that_takes_nothing(site: Site) -> None:
    """The process holds the database in memory, and says so, until the disk takes it."""
    digest = site.put_places(GERMANY)
    site.publish_places(GERMANY)
    node = site.on_another_node()
    node.var_dir.write_text("a file where a folder should be")
    current = site.follower(node)
    current.refresh()
    assert place_in(current) == "DE/50/8"
    assert "in memory" in current.faults.current["geoip copies"]
    node.var_dir.unlink()
    current.refresh()
    assert "geoip copies" in current.faults.current
    again(current)
    current.refresh()
    assert current.faults.current == {}
    assert current._places.path == copy_of(node.var_dir, digest)
    assert place_in(current) == "DE/50/8"


def test_who_waits_for_another_process_does_not_wait_for_ever(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped while it fetches the database holds nobody up for longer than some
    seconds."""
    monkeypatch.setattr("app.geo.copies.PATIENCE_S", 0.1)
    site.publish_places(GERMANY)
    node = site.on_another_node()
    stopped, current = site.follower(node), site.follower(node)
    with stopped._copies.alone():
        current.refresh()
    assert place_in(current) == "DE/50/8"


def test_a_fetch_that_another_finished(site: Site, tmp_path: Path) -> None:
    """Who has waited for its turn finds the file, and fetches nothing."""
    digest = site.put_places(GERMANY)
    first, second = (
        PublishedDatabase("places", site.follower(site.on_another_node())._copies, Path) for _ in range(2)
    )
    nested: list[str] = []

    def fetch(wanted: str) -> bytes | None:
        nested.append(wanted)
        return site.store.blob(wanted)

    first.follow(digest, fetch)
    second.follow(digest, fetch)
    assert nested == [digest]
    assert first.path == second.path
