"""Events on their way from the worker to the history's database, which comes and goes."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from app.history.database import HistoryDatabase, open_history
from app.history.events import add_events, read_events
from app.model import Event, EventKind, RecordedEvent, Status
from app.settings import SecretUrl
from app.store import FileStore
from app.web import create_app
from app.worker import memory
from app.worker.history_writer import RETRY_S
from app.worker.loop import Worker
from app.worker.running import run_once
from tests.worker.conftest import StartWorker, stepped
from tests.worker.network import NOON, Network, generation, listed

MINUTE = 60.0


def kept(network: Network) -> Sequence[RecordedEvent]:
    with closing(open_history(network.settings())) as database, database.reading() as connection:
        return read_events(connection)


def of(events: Sequence[RecordedEvent], mirror: str) -> list[tuple[str, str | None, str | None]]:
    return [(event.kind.value, event.before, event.after) for event in events if event.mirror == mirror]


def weigh(network: Network, name: str, weight: int) -> None:
    network.mirror(name, more=f"weight: {weight}\n")


def waiting(store: FileStore) -> int:
    """How many events the stored memory has."""
    return len(memory.decode(store.memory()).chronicle.unwritten)


def test_written_soon(network: Network, store: FileStore, start: StartWorker, names: list[str]) -> None:
    """What has changed is in the database after the step that has published it, and waits nowhere after the
    next."""
    worker = start()
    stepped(worker, NOON)
    assert waiting(store) == 4, "three mirrors and a publication"
    weigh(network, names[0], 2)
    stepped(worker, NOON + MINUTE)
    assert of(kept(network), names[0]) == [("added", None, "ok"), ("declared", "weight 1", "weight 2")]
    assert waiting(store) == 2
    assert worker.faults.current == {}


def test_a_generation_has_one_name(
    network: Network, store: FileStore, start: StartWorker, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In the event, in the worker's log and in `/readyz`; the event and the log say the same of it."""
    stepped(start(), NOON)
    published = generation(store)
    (event,) = (event for event in kept(network) if event.kind is EventKind.PUBLISHED)
    assert event.after == event.generation == published
    assert f"published generation {published}: {event.evidence}" in caplog.messages
    app = create_app(network.settings(), store, follow=False)
    app.extensions["mirrorwise"].refresh()
    answer = app.test_client().get("/readyz", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
    assert f"serving generation {published}, published" in answer.text


def spoil(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def test_database_in_trouble(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Edits are published as ever, and it is said once what is wrong. When the database is well again, all
    that has happened is in it, with the times when it happened."""
    worker = start()
    stepped(worker, NOON)
    path = network.var / "history.sqlite"
    good = shutil.copyfile(path, network.var / "good.sqlite")
    spoil(path)
    caplog.clear()
    for number in (1, 2, 3):
        weigh(network, names[number - 1], 2)
        before = generation(store)
        stepped(worker, NOON + number * MINUTE)
        assert generation(store) != before
    said = [text for text in caplog.messages if text.startswith("history/events: ")]
    assert said == [f"history/events: {worker.faults.current['history/events']}"]
    assert "is not a database" in said[0]
    assert waiting(store) == 6, "three edits and three publications"
    shutil.copyfile(good, path)
    stepped(worker, NOON + 4 * MINUTE)
    assert "history/events" not in worker.faults.current
    edits = [event.at.timestamp() for event in kept(network) if event.kind is EventKind.DECLARED]
    assert edits == [NOON + number * MINUTE for number in (1, 2, 3)]


def test_unreachable_database(
    network: Network, store: FileStore, names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked again every few seconds, what is said of it has no password, and the worker publishes as
    ever."""
    url = SecretUrl("postgresql://count:" + "secret" + "@127.0.0.1:1/history")
    worker = Worker(msgspec.structs.replace(network.settings(), history_url=url), store)
    for now in (NOON, NOON + 1, NOON + RETRY_S):
        stepped(worker, now)
    assert worker.faults.failures["history"] == 2
    assert "what is to be written waits" in worker.faults.current["history/events"]
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
    is a fault after a minute, and what happened is written at last, once."""
    answer, asked = threading.Event(), list[int]()

    def slow(database: HistoryDatabase, events: Sequence[Event]) -> None:
        asked.append(len(events))
        answer.wait()
        add_events(database, events)

    monkeypatch.setattr("app.worker.chronicle.add_events", slow)
    worker = start()
    worker.step(NOON)
    for later in (1, 2, 3):
        before = generation(store)
        weigh(network, names[0], later + 1)
        worker.step(NOON + later)
        assert generation(store) != before
    assert worker.faults.current == {}
    with monkeypatch.context() as short:
        short.setattr("app.worker.history_task.SLOW_AFTER_S", 0.0)
        worker.step(NOON + RETRY_S + 1)
    assert "the database has not answered for 0 s" in worker.faults.current["history/events"]
    assert asked == [4]
    answer.set()
    stepped(worker, NOON + RETRY_S + 2)
    assert worker.faults.current == {}
    assert [kind for kind, _, _ in of(kept(network), names[0])] == ["added", *["declared"] * 3]


def test_more_than_can_wait(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oldest events are given up then, and that is said."""
    monkeypatch.setattr("app.worker.chronicle.MOST_UNWRITTEN", 5)
    network.var.mkdir(parents=True)
    spoil(network.var / "history.sqlite")
    worker = start()
    stepped(worker, NOON)
    assert waiting(store) == 4
    weigh(network, names[0], 2)
    worker.step(NOON + 1)
    assert waiting(store) == 5
    assert worker.faults.current["history/lost events"] == "more than 5 events wait; the oldest are lost"


def test_the_next_worker_writes_them(
    network: Network, store: FileStore, start: StartWorker, names: list[str]
) -> None:
    """What one worker could not write is written by the one that takes over, as it was."""
    spoil_at = network.var / "history.sqlite"
    network.var.mkdir(parents=True)
    spoil(spoil_at)
    first = start()
    stepped(first, NOON)
    network.state(names[0], Status.UNREACHABLE, NOON + MINUTE)
    stepped(first, NOON + 2 * MINUTE)
    first.stop()
    spoil_at.unlink()
    stepped(start(), NOON + 60 * MINUTE)
    found = kept(network)
    assert of(found, names[0]) == [("added", None, "ok"), ("status", "ok", "unreachable")]
    assert [event.at.timestamp() for event in found if event.mirror == names[0]] == [NOON, NOON + 2 * MINUTE]


def test_once(network: Network, names: list[str]) -> None:
    """`worker --once` ends when the events are written, or cannot be."""
    assert run_once(network.worker())
    assert [event.kind.value for event in kept(network)].count("added") == len(names)


def test_impossible_memory() -> None:
    """An event at a time that is none makes a memory useless, and stops no worker."""
    event = Event(at=datetime(1, 1, 1), kind=EventKind.ADDED, mirror="m.example.org")  # noqa: DTZ001
    damaged = memory.Memory(priced_at_s=1.0)
    chronicle = msgspec.structs.replace(damaged.chronicle, unwritten=(event,))
    data = memory.encode(msgspec.structs.replace(damaged, chronicle=chronicle))
    assert memory.decode(data) == memory.Memory()


def test_a_bug_in_comparing_stops_nothing(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is named, and what people write is published all the same. Without it, what has changed meanwhile is
    noticed."""
    worker = start()
    stepped(worker, NOON)

    def flawed(*_: object) -> list[Event]:
        raise RuntimeError("a bug")

    weigh(network, names[0], 2)
    before = generation(store)
    with monkeypatch.context() as patch:
        patch.setattr("app.worker.chronicle.events_of", flawed)
        stepped(worker, NOON + 1)
    assert generation(store) != before
    assert set(worker.faults.current) == {"worker/changes"}
    weigh(network, names[1], 2)
    stepped(worker, NOON + 2)
    assert worker.faults.current == {}
    assert [kind for name in names for kind, *_ in of(kept(network), name)].count("declared") == 2


def test_a_bug_costs_events_alone(
    network: Network,
    store: FileStore,
    start: StartWorker,
    names: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in writing that was not thought of is named, and all else goes on."""

    def flawed(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("app.worker.chronicle.add_events", flawed)
    worker = start()
    stepped(worker, NOON)
    assert set(worker.faults.current) == {"history/events"}
    assert sorted(listed(store)) == names
