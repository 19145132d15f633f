"""The worker's part that compiles statistics, while its database and its store come and go."""

from __future__ import annotations

import logging
import shutil
import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from app.history import tables
from app.history.database import open_history
from app.logs import Faults
from app.model import EventKind, MirrorDay
from app.settings import SecretUrl
from app.snapshot.statistics import Statistics, decode
from app.sources.folder import DataFolder
from app.sources.surveys.known import Known
from app.store import FileStore, Publication, Store
from app.worker.loop import Worker
from app.worker.running import run_once
from app.worker.statistician import AFTER_EVENTS_S, EVERY_S, Statistician, compiled
from app.worker.statistics import PublishedPlan
from tests.happened import event, record
from tests.worker.conftest import StartWorker, stepped
from tests.worker.network import NOON, Network, generation, listed

EVENTS = "history/events"
DAY = f"{datetime.fromtimestamp(NOON, UTC):%Y-%m-%d}"
LATER = NOON + EVERY_S + 1


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.mirror("corp.example.com", more="subnets: [10.20.0.0/16]\nprivate: true\n")
    return network.several(3)


def count(network: Network, mirror: str, number: int, day: str = DAY) -> None:
    """Requests in whose answers a mirror was the first."""
    history = open_history(network.settings())
    with history.writing() as connection:
        history.add(connection, tables.hours, {(f"{day}T12", "almalinux", 200, "", 4, "geography"): number})
        history.add(connection, tables.mirror_days, {(day, mirror, "DE"): number})
        history.add(connection, tables.country_days, {(day, "DE"): number})
    history.close()


def published(store: Store) -> Statistics | None:
    data = store.statistics()
    return decode(data).of_service() if data else None


def requests(store: Store) -> dict[str, int]:
    found = published(store)
    return {one.mirror: one.requests for one in found.mirrors} if found else {}


def test_published(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """What was counted is published within two steps, and again every few minutes; of mirrors, all but the
    private ones."""
    count(network, names[0], 20)
    count(network, "corp.example.com", 50)
    worker = start()
    stepped(worker, NOON)
    stepped(worker, NOON + AFTER_EVENTS_S)  # because of the events of the first step
    assert requests(store) == {names[0]: 20, names[1]: 0, names[2]: 0}
    count(network, names[1], 30)
    stepped(worker, NOON + AFTER_EVENTS_S + EVERY_S - 1)
    assert requests(store)[names[1]] == 0
    stepped(worker, LATER + AFTER_EVENTS_S)
    assert requests(store) == {names[1]: 30, names[0]: 20, names[2]: 0}
    assert worker.faults.current == {}


def test_nothing_counted(store: FileStore, start: StartWorker, names: list[str]) -> None:
    """Where no request has been counted, nothing is wrong, and the mirrors that came are known all the
    same."""
    worker = start()
    stepped(worker, NOON)
    stepped(worker, NOON + AFTER_EVENTS_S)
    data = store.statistics()
    assert data is not None
    assert not decode(data).has_requests
    assert sorted(event.mirror or "" for event in decode(data).last_events()) == names
    assert worker.faults.current == {}
    assert sorted(listed(store)) == names


def test_what_happened_to_mirrors(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """What happened to mirrors is published, also where no request was ever counted, and nothing of private
    ones."""
    moment = datetime.fromtimestamp(NOON, UTC)
    history = open_history(network.settings())
    added = [
        event(moment - timedelta(hours=6), name, EventKind.ADDED, after="ok")
        for name in (names[0], "corp.example.com")
    ]
    down = event(moment - timedelta(hours=2), names[0], before="ok", after="unreachable")
    with history.writing() as connection:
        record(connection, [*added, down])
    history.close()
    worker = start()
    stepped(worker, NOON)
    data = store.statistics()
    assert data is not None
    document = decode(data)
    assert not document.has_requests
    assert set(document.histories) == {names[0]}
    found = document.history_of(names[0])
    assert found is not None
    assert found.days[-1] == MirrorDay(up_s=4 * 3600, out_s=2 * 3600)
    assert found.availability == 4 / 6
    assert found.events == document.last_events() == (down, added[0])
    assert worker.faults.current == {}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(0, 0), (AFTER_EVENTS_S, 0), (EVERY_S - 1, 0)], [0], id="nothing new"),
        pytest.param([(0, 0), (1, 3), (AFTER_EVENTS_S, 3)], [0, AFTER_EVENTS_S], id="new events"),
        pytest.param([(0, 0), (60, 3), (90, 3), (359, 3), (360, 3)], [0, 60, 360], id="once for the same"),
        pytest.param([(0, 3), (60, 3), (70, 3)], [0], id="events that were there"),
    ],
)
def test_soon_after_events(store: FileStore, looks: list[tuple[float, int]], expected: list[float]) -> None:
    """New events are published within a minute, and not each by itself."""
    asked = list[float]()

    def compile_(now: float, _: PublishedPlan) -> bytes:
        asked.append(now)
        return b"statistics of %d" % now

    faults = Faults(logging.getLogger("test"))
    statistician = Statistician(compile_, faults)
    publication = Publication(generation="g", snapshot=b"", memory=b"", blobs=(), published_at_s=0.0)
    plan = PublishedPlan(publication, {}, {}, Known(DataFolder(store.directory), faults, "a machine"))
    for now, written in looks:
        statistician.step(now, store, lambda: plan, written)
        statistician.wait()
        statistician.step(now, store, lambda: plan, written)
    assert asked == expected


def test_database_in_trouble(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The statistics that were published last stay, this is said once, and edits are published as ever. When
    the database is well again, statistics go on."""
    count(network, names[0], 20)
    worker = start()
    stepped(worker, NOON)
    path = network.var / "history.sqlite"
    good = shutil.copyfile(path, network.var / "good.sqlite")
    for rest in network.var.glob("history.sqlite-*"):
        rest.unlink()
    path.write_bytes(b"no database" * 1000)
    caplog.clear()
    stepped(worker, LATER)
    network.mirror("new.example.org")
    stepped(worker, LATER + EVERY_S + 1)
    assert requests(store)[names[0]] == 20
    assert "new.example.org" in listed(store)
    assert [text for text in caplog.messages if text.startswith("statistics: ")] == [
        f"statistics: {worker.faults.current['statistics']}"
    ]
    assert set(worker.faults.current) == {"statistics", EVENTS}
    shutil.copyfile(good, path)
    stepped(worker, LATER + 2 * (EVERY_S + 1))
    assert worker.faults.current == {}
    assert requests(store)[names[0]] == 20


def test_unreachable_database(
    network: Network, store: FileStore, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A database server that is away is a fault, whose text has no password, and the worker publishes as
    ever."""
    url = SecretUrl("postgresql://count:" + "secret" + "@127.0.0.1:1/history")
    settings = msgspec.structs.replace(network.settings(), history_url=url)
    worker = Worker(settings, store)
    stepped(worker, NOON)
    assert set(worker.faults.current) == {"statistics", EVENTS}
    assert sorted(listed(store)) == names
    assert "secret" not in caplog.text
    worker.stop()


def test_database_that_hangs(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Steps do not wait for it: what people write is published meanwhile. It is not asked a second time, it
    is a fault after a minute, and what it answers at last is published."""
    answer, asked = threading.Event(), list[float]()

    def slow(settings: object, now: float, plan: object) -> bytes | None:
        asked.append(now)
        answer.wait()
        return compiled(settings, now, plan)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr("app.worker.loop.compiled", slow)
    count(network, names[0], 20)
    worker = start()
    worker.step(NOON)
    before = generation(store)
    network.mirror("new.example.org")
    worker.step(NOON + 60)
    assert generation(store) != before
    assert worker.faults.current == {}
    with monkeypatch.context() as short:
        short.setattr("app.worker.history_task.SLOW_AFTER_S", 0.0)
        for later in (61, EVERY_S + 1, 2 * EVERY_S + 2):
            worker.step(NOON + later)
    assert set(worker.faults.current) == {"statistics"}
    assert asked == [NOON]
    answer.set()
    stepped(worker, NOON + 2 * EVERY_S + 3)
    assert requests(store)[names[0]] == 20
    assert worker.faults.current == {}


def test_lost_by_the_store(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """A store that was emptied gets the statistics again at the next step, also while the database is
    away."""
    count(network, names[0], 20)
    worker = start()
    stepped(worker, NOON)
    shutil.rmtree(store.directory)
    (network.var / "history.sqlite").unlink()
    worker.step(NOON + 1)
    assert requests(store)[names[0]] == 20


def test_once(network: Network, store: FileStore, names: list[str]) -> None:
    """`worker --once` publishes statistics too."""
    count(network, names[0], 20, str(datetime.now(UTC).date()))
    assert run_once(network.worker(store))
    assert requests(store)[names[0]] == 20


def test_a_bug_costs_statistics_alone(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error that nobody has thought of is named, and all else goes on."""

    def flawed(*_: object) -> bytes | None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("app.worker.loop.compiled", flawed)
    worker = start()
    worker.step(NOON)
    worker.wait(NOON)
    worker.step(NOON)
    assert set(worker.faults.current) == {"worker/statistics"}
    assert sorted(listed(store)) == names
