"""A worker on another machine takes over: with all that is published, or not yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from app.model import Status, StoreError
from app.settings import SecretUrl, Settings
from app.snapshot.status import decode_heartbeat
from app.store import FileStore, Publication, Store
from app.store.redis import RedisStore
from app.worker.handover import PATIENCE_S, lacking
from app.worker.loop import Worker
from app.worker.losses import Force
from app.worker.running import run_once
from tests.builders import a_repomd
from tests.conftest import RedisServer, wait_until
from tests.worker.network import CITY, NOON, QUESTION, Network, generation, listed, loaded

MINUTE = 60.0
ASN = CITY.with_name("asn.mmdb")
FRANKFURT = "DE/50/8"


class Machine:
    """A machine with folders of its own. The files that people write are the same on each."""

    def __init__(self, folder: Path, name: str, open_store: Callable[[], Store], stack: ExitStack) -> None:
        self.network = Network(folder / name)
        self.network.several(8)
        self.network.mirror("corp.example.com", more="private: true\nsubnets: [10.20.0.0/16]\nasn: 64496\n")
        self.name, self._open_store, self._stack = name, open_store, stack

    def open_store(self) -> Store:
        store = self._open_store()
        self._stack.callback(store.close)
        return store

    def start(self, *cities: Path, asns: tuple[Path, ...] = ()) -> Worker:
        """Starts a worker, without databases unless some are given."""
        network = self.network
        settings = Settings(
            data_dir=network.data, var_dir=network.var, machine=self.name, geoip_city=cities, geoip_asn=asns
        )
        worker = Worker(settings, self.open_store())
        self._stack.callback(worker.stop)
        return worker

    def probed(self, at_s: float = NOON) -> None:
        """Its prober has found that three mirrors are dead, and what the origin has."""
        names = [f"m{number:02}.example.org" for number in range(8)]
        self.network.probed(names, at_s=at_s)
        for name in names[:3]:
            self.network.state(name, Status.UNREACHABLE, at_s)
        repos = self.network.data / "state" / "repos.json"
        repos.write_bytes(msgspec.json.encode({QUESTION: [a_repomd()]}))


@pytest.fixture
def machines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[tuple[Machine, Machine]]:
    """Two machines that share a store."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    with ExitStack() as stack:
        names = ("fra", "nyc")
        opener = lambda: FileStore(tmp_path / "store")  # noqa: E731 - each worker has its own
        yield tuple(Machine(tmp_path, name, opener, stack) for name in names)  # type: ignore[misc]  # two


@pytest.fixture
def by_redis(
    tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> Iterator[tuple[Machine, Machine]]:
    """The same, with a real Redis."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    with ExitStack() as stack:
        opener = lambda: RedisStore.at(SecretUrl(redis_server.url))  # noqa: E731 - as above
        yield tuple(Machine(tmp_path, name, opener, stack) for name in ("fra", "nyc"))  # type: ignore[misc]


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def published(store: Store) -> tuple[str, float]:
    """Which generation is published, and since when."""
    pointer = store.pointer()
    assert pointer is not None
    return pointer.generation, pointer.published_at_s


def test_a_machine_without_state_takes_over(machines: tuple[Machine, Machine], store: FileStore) -> None:
    """Not one byte of what is published changes, dead mirrors stay out, metalinks stay, and what the other
    machine's prober finds from then on is taken up."""
    fra, nyc = machines
    fra.probed()
    first, second = fra.start(), nyc.start()
    first.step(NOON)
    second.step(NOON)
    before = published(store)
    first.stop()
    second.step(NOON + 1)
    assert second.has_published and second.faults.current == {}
    assert published(store) == before
    assert len(listed(store)) == 5 and loaded(store).repomd[QUESTION] == (a_repomd(),)
    fra.network.state("m00.example.org", Status.OK, NOON + 2 * MINUTE)
    first.step(NOON + 2 * MINUTE)  # it stands by now
    second.step(NOON + 4 * MINUTE)
    assert len(listed(store)) == 6


def test_a_worker_that_stands_by_shares_what_its_machine_knows(
    machines: tuple[Machine, Machine], store: FileStore
) -> None:
    """The prober runs on one machine, and the other publishes."""
    fra, nyc = machines
    second = nyc.start()
    second.step(NOON)
    assert len(listed(store)) == 8
    fra.probed()
    first = fra.start()
    first.step(NOON + 1)
    assert first.leading is False
    second.step(NOON + MINUTE)
    assert len(listed(store)) == 5


def test_what_is_published_was_shared_before(
    machines: tuple[Machine, Machine], store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the first worker is killed, the second knows at least what is published."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()

    first_store = first._store

    def killed(publication: Publication, owner: str | None) -> None:
        store_publish(publication, owner)
        raise KeyboardInterrupt

    store_publish = first_store.publish
    monkeypatch.setattr(first_store, "publish", killed)
    with pytest.raises(KeyboardInterrupt):
        first.step(NOON)
    before = published(store)
    first_store.close()
    second = nyc.start()
    second.step(NOON + 1)
    assert second.has_published and published(store) == before
    assert len(listed(store)) == 5


def test_a_store_that_has_no_room_to_share(
    machines: tuple[Machine, Machine], store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people write goes out all the same, and the fault is named until there is room."""
    fra, _ = machines
    fra.probed()
    worker = fra.start()

    def full(name: str, data: bytes) -> None:
        raise StoreError(f"there is no room for {name}")

    with monkeypatch.context() as patched:
        patched.setattr(worker._store, "share", full)
        worker.step(NOON)
        fra.network.mirror("new.example.org", more="probe: false\n")
        worker.step(NOON + 1)
        assert "new.example.org" in listed(store)
        assert worker.faults.current == {"store": "there is no room for survey/fra"}
    worker.step(NOON + 2)
    assert worker.faults.current == {} and set(store.shared()) == {"survey/fra"}


def test_old_state_on_the_machine_that_takes_over(
    machines: tuple[Machine, Machine], store: FileStore
) -> None:
    """What its own prober found before it was moved away a month ago does not count."""
    fra, nyc = machines
    nyc.network.probed([f"m{number:02}.example.org" for number in range(8)], at_s=NOON - 30 * 86_400)
    fra.probed()
    first, second = fra.start(), nyc.start()
    first.step(NOON)
    before = generation(store)
    second.step(NOON)
    first.stop()
    second.step(NOON + MINUTE)
    assert second.has_published and generation(store) == before


def forget_surveys(store: Store) -> None:
    store.unshare(*store.shared())


def test_without_verdicts(
    machines: tuple[Machine, Machine], store: FileStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that finds no verdicts, although some are published, leaves what is published alone, says so
    in log and heartbeat, and takes over once they are there."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()
    first.step(NOON)
    before = published(store)
    first.stop()
    forget_surveys(store)
    second = nyc.start()
    for at_s in (1.0, 2.0, 30.0):
        second.step(NOON + at_s)
        assert published(store) == before and not second.leading
        assert store.holder() is None
    said = second.faults.current["takeover"]
    assert "0 of 8 verdicts on mirrors, 0 of 1 repos at the origin" in said
    assert decode_heartbeat(store.heartbeat() or b"").takeover == said
    assert len([m for m in caplog.messages if m.startswith("takeover: ")]) == 1
    nyc.probed(NOON + MINUTE)
    second.step(NOON + MINUTE)
    assert second.has_published and second.faults.current == {}
    assert len(listed(store)) == 5


def test_it_does_not_wait_for_ever(machines: tuple[Machine, Machine], store: FileStore) -> None:
    """After a quarter of an hour edits count for more: it takes over with what it has, and goes on saying so
    until it has the rest."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()
    first.step(NOON)
    first.stop()
    forget_surveys(store)
    second = nyc.start()
    nyc.network.mirror("new.example.org")
    second.step(NOON)
    second.step(NOON + PATIENCE_S - 1)
    assert not second.leading
    second.step(NOON + PATIENCE_S + 5)
    assert second.leading and len(listed(store)) == 9
    assert "this worker took over at" in second.faults.current["takeover"]
    nyc.probed(NOON + PATIENCE_S)
    second.step(NOON + PATIENCE_S + 70)
    assert second.faults.current == {}


def test_forced(machines: tuple[Machine, Machine], store: FileStore) -> None:
    """People who say so need not wait."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()
    first.step(NOON)
    first.stop()
    forget_surveys(store)
    second = nyc.start()
    second.step(NOON + 1)
    assert not second.leading
    second.step(NOON + 2, force=Force.PAST_GUARD)
    assert second.leading and second.faults.current == {}
    assert len(listed(store)) == 8


def test_another_one_takes_over_meanwhile(machines: tuple[Machine, Machine], store: FileStore) -> None:
    """A worker that waits lets one go first that knows everything, and then has nothing more to say."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()
    first.step(NOON)
    first.stop()
    forget_surveys(store)
    second, third = nyc.start(), fra.start()
    second.step(NOON + 1)
    assert "takeover" in second.faults.current
    third.step(NOON + 2)
    assert third.leading
    second.step(NOON + 10)
    assert second.leading is False and second.faults.current == {}


def test_once(machines: tuple[Machine, Machine], store: FileStore) -> None:
    """`worker --once` fails and says why."""
    fra, nyc = machines
    fra.probed()
    first = fra.start()
    first.step(NOON)
    first.stop()
    forget_surveys(store)
    second = nyc.start()
    assert run_once(second, force=Force.NO) is False
    assert set(second.faults.current) == {"takeover"}
    assert run_once(nyc.start(), force=Force.PAST_GUARD) is True


# --- databases ------------------------------------------------------------------------------------------


def publish_places(machine: Machine) -> Worker:
    """A worker publishes lists by place, and shares what it found in its databases."""
    worker = machine.start(CITY, asns=(ASN,))
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON + 1)
    worker.step(NOON + 2)
    return worker


@pytest.mark.slow
def test_places_come_with_the_takeover(by_redis: tuple[Machine, Machine]) -> None:
    """A machine with the same databases needs no scan: not one byte of what is published changes."""
    fra, nyc = by_redis
    first = publish_places(fra)
    reader = fra.open_store()
    before = published(reader)
    assert FRANKFURT in loaded(reader).rows
    first.step(NOON + MINUTE)
    assert {name.partition("-")[0] for name in reader.shared()} == {"scan/asn", "scan/places"}
    first.stop()
    second = nyc.start(CITY, asns=(ASN,))
    second.step(NOON + MINUTE + 1)
    assert second.has_published and second.reader.geo.scan_progress is None
    assert published(reader) == before


@pytest.mark.slow
def test_another_build_of_the_database(by_redis: tuple[Machine, Machine]) -> None:
    """Until its own database is scanned, the machine goes by the places of the shared one."""
    fra, nyc = by_redis
    first = publish_places(fra)
    first.step(NOON + MINUTE)
    first.stop()
    other = nyc.network.city_database()
    other.write_bytes(other.read_bytes().replace(b"Frankfurt am Main", b"Frankfurt am Mein"))
    second = nyc.start(other, asns=(ASN,))
    second.step(NOON + MINUTE + 1)
    assert second.has_published and second.faults.current == {}
    reader = fra.open_store()
    assert FRANKFURT in loaded(reader).rows
    assert second.reader.geo.scan_progress is not None
    wait_until(second.reader.geo.scan, "the place scan is done")
    second.step(NOON + 3 * MINUTE)
    second.step(NOON + 4 * MINUTE)
    assert len([name for name in reader.shared() if name.startswith("scan/places")]) == 1


@pytest.mark.slow
def test_without_databases(by_redis: tuple[Machine, Machine]) -> None:
    """A machine without GeoIP databases does not take over."""
    fra, nyc = by_redis
    first = publish_places(fra)
    first.step(NOON + MINUTE)
    first.stop()
    reader = fra.open_store()
    before = published(reader)
    second = nyc.start()
    second.step(NOON + 2 * MINUTE)
    assert not second.leading and published(reader) == before
    assert "has 0 of 1 city databases, 0 of 1 ASN databases that" in second.faults.current["takeover"]


@pytest.mark.slow
def test_without_places(by_redis: tuple[Machine, Machine]) -> None:
    """A machine that finds no places in the store looks for them in its own database before it takes over."""
    fra, nyc = by_redis
    first = publish_places(fra)
    first.stop()
    reader = fra.open_store()
    before = published(reader)
    forget_surveys(reader)
    second = nyc.start(CITY, asns=(ASN,))
    second.step(NOON + 2 * MINUTE)
    assert not second.leading and published(reader) == before
    assert "has 0 of 127 places of clients that" in second.faults.current["takeover"]
    wait_until(second.reader.geo.scan, "the place scan is done")
    second.step(NOON + 2 * MINUTE + 10)
    assert second.has_published and second.faults.current == {}
    assert published(reader) == before


@pytest.mark.parametrize(
    ("known", "stock", "says"),
    [
        ({}, {}, ""),
        ({"places": 9}, {"places": 5}, ""),
        ({"places": 9}, {"places": 4}, "4 of 9 places"),
        ({"places": 1, "repos": 2}, {"places": 0, "repos": 0}, "0 of 1 places, 0 of 2 repos"),
        ({"what no program counts any more": 9}, {"places": 0}, ""),
        ({"places": 0}, {"places": 9}, ""),
    ],
)
def test_what_is_lacking(known: dict[str, int], stock: dict[str, int], says: str) -> None:
    """A worker lacks what it has less than half of."""
    assert lacking(known, stock) == says
