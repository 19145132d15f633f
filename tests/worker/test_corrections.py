"""Geofeeds in the worker: what they correct is published at once, kept over a restart, and gone with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.geo import scan_cache
from app.geo.networks import NetworkLookup, Networks, build_networks
from app.geo.place_lookup import PlaceLookup
from app.request.clients import whereabouts
from app.store import FileStore
from tests.geo.databases import maxmind, write_database, write_places
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, generation, listed, loaded

MINUTE = 60.0
TOKYO = "192.0.2.0/28,JP,,Tokyo,\n"
CLIENTS = [f"192.0.2.{host}" for host in range(32)]

Seen = Callable[[], dict[str, str]]


@pytest.fixture
def feed(network: Network) -> Path:
    network.mirror("m.de.example.org", "DE")
    network.mirror("m.jp.example.org", "JP")
    (network.data / "geofeeds").mkdir()
    return network.data / "geofeeds" / "office.csv"


@pytest.fixture
def city(network: Network) -> Path:
    records = {"192.0.2.0/24": maxmind("DE", 50.1, 8.6), "2001:db8::/32": maxmind("DE", 50.1, 8.6)}
    return write_database(network.data / "city.mmdb", records, ip_version=6)


@pytest.fixture
def places(store: FileStore, tmp_path: Path) -> Seen:
    """The place of each of some clients, as a web process finds it."""
    database = PlaceLookup(write_places(tmp_path / "places.mmdb", {"192.0.2.0/24": "DE/50/8"}))

    def places() -> dict[str, str]:
        blob = store.blob(loaded(store).networks or "")
        networks = NetworkLookup.of(blob) if blob else None
        found = {client: whereabouts(client, database, networks).place for client in CLIENTS}
        if networks:
            networks.close()
        return found

    return places


def test_a_row_moves_its_clients(
    store: FileStore, start: StartWorker, feed: Path, city: Path, places: Seen
) -> None:
    """It moves the clients of its prefix and no others, to a place that is ranked though the GeoIP database
    has no address there; without it they are back where they were."""
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    before, was = generation(store), places()
    assert set(was.values()) == {"DE/50/8"} and "JP/35/139" not in loaded(store).rows
    feed.write_text(TOKYO)
    worker.step(NOON + 2)
    assert places() == {client: "JP/35/139" if n < 16 else "DE/50/8" for n, client in enumerate(CLIENTS)}
    snapshot = loaded(store)
    row = snapshot.rows["JP/35/139"]
    assert snapshot.letters(row) == ("JP", "AS")
    assert listed(store, "JP/35/139") == ["m.jp.example.org", "m.de.example.org"]
    feed.write_text("192.0.2.0/28,,,,\n")
    worker.step(NOON + 3)
    assert places() == {client: "" if n < 16 else "DE/50/8" for n, client in enumerate(CLIENTS)}
    feed.unlink()
    worker.step(NOON + 4)
    assert (places(), generation(store)) == (was, before)


@pytest.mark.slow
def test_the_scan_knows_a_cell_better(store: FileStore, start: StartWorker, feed: Path, city: Path) -> None:
    """A cell in which the GeoIP database has clients is ranked from the middle of these, whatever geofeeds
    name there."""
    worker = start(cities=(city,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    before = loaded(store)
    feed.write_text("198.51.100.0/24,DE,,Wiesbaden,\n")
    worker.step(NOON + 2)
    after = loaded(store)
    assert after.generation != before.generation
    assert list(after.rows) == list(before.rows)
    row = after.rows["DE/50/8"]
    assert (after.points_of([row]).vectors == before.points_of([row]).vectors).all()


def test_faults_keep_the_last_good_rows(
    store: FileStore, start: StartWorker, feed: Path, city: Path, places: Seen
) -> None:
    """Of a file at fault, the last good rows count, also for a worker that is started then; the fault is
    named with file and line."""
    feed.write_text(TOKYO)
    worker = start()
    worker.step(NOON)
    before, was = generation(store), places()
    assert was[CLIENTS[0]] == "JP/35/139"
    feed.write_text("192.0.2.0/28,XQ\n")
    worker.step(NOON + 1)
    assert (generation(store), set(worker.faults.current)) == (before, {"geofeeds/office.csv"})
    assert "office.csv:1: fault" in worker.faults.current["geofeeds/office.csv"]
    worker.stop()
    after_restart = start()
    after_restart.step(NOON + MINUTE)
    assert (generation(store), places()) == (before, was)
    feed.unlink()
    after_restart.step(NOON + 2 * MINUTE)
    assert places() == dict.fromkeys(CLIENTS, "DE/50/8")
    after_restart.stop()
    third = start()
    third.step(NOON + 3 * MINUTE)
    assert places() == dict.fromkeys(CLIENTS, "DE/50/8")
    assert third.faults.current == {}


@pytest.mark.parametrize("kept", [b"", b"{}", b'{"office.csv": [["192.0.2.0/99", "DE", null, 1]]}', b"\xff"])
def test_a_copy_of_another_version(
    network: Network, start: StartWorker, feed: Path, places: Seen, kept: bytes
) -> None:
    """A kept copy that this program does not understand counts as none."""
    scan_cache.save(network.var / "geofeeds", "geofeeds", "rows", kept)
    feed.write_text(TOKYO)
    worker = start()
    worker.step(NOON)
    assert places()[CLIENTS[0]] == "JP/35/139"
    assert worker.faults.current == {}


def test_only_geofeeds_are_read_again(
    network: Network, start: StartWorker, feed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit of a mirror builds no networks database, with geofeeds as without."""
    built: list[Networks] = []

    def counted(*arguments: Any, **options: Any) -> Networks:
        built.append(build_networks(*arguments, **options))
        return built[-1]

    monkeypatch.setattr("app.worker.geography.build_networks", counted)
    feed.write_text(TOKYO)
    worker = start()
    worker.step(NOON)
    network.mirror("m.de.example.org", "DE", more="weight: 2\n")
    worker.step(NOON + 1)
    assert len(built) == 1
    feed.write_text(TOKYO.replace("28", "27"))
    worker.step(NOON + 2)
    assert len(built) == 2
