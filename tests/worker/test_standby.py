"""Several workers: one publishes, the others stand by and take over."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest

from app.history.database import open_history
from app.history.events import read_events
from app.store import FileStore
from app.worker.loop import Worker
from tests.worker.conftest import StartWorker
from tests.worker.network import NOON, Network, address, generation, listed

A = "a.example.org"
MOVED = "https://moved.example.org/examplelinux/"


def move(network: Network) -> None:
    path = network.mirror(A)
    path.write_text(path.read_text().replace(f"https://{A}", "https://moved.example.org"))


@pytest.fixture(autouse=True)
def one_mirror(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    network.mirror(A)


def test_second_worker_stands_by(
    network: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two workers one publishes; the other says once that it stands by, and writes nothing."""
    first, second = start(), start()
    first.step(NOON)
    published = store.pointer()
    move(network)
    for at_s in range(1, 4):
        second.step(NOON + at_s)
    assert store.pointer() == published
    assert second.leading is False
    assert caplog.messages.count(f"standing by: {first.owner} is publishing") == 1
    assert caplog.messages.count(f"publishing as {first.owner}") == 1
    assert second.faults.current == {}


def test_takes_over_when_the_first_stops(network: Network, store: FileStore, start: StartWorker) -> None:
    """As soon as the first gives its lease back, the second publishes what has changed since."""
    first, second = start(), start()
    first.step(NOON)
    second.step(NOON)
    move(network)
    first.stop()
    second.step(NOON + 1)
    assert address(store, A) == MOVED


def test_takes_over_without_a_change(network: Network, store: FileStore, start: StartWorker) -> None:
    """Taking over where nothing has changed makes no new generation."""
    first, second = start(), start()
    first.step(NOON)
    before = generation(store)
    second.step(NOON)
    first.stop()
    second.step(NOON + 1)
    pointer = store.pointer()
    assert pointer is not None
    assert (pointer.generation, pointer.published_at_s) == (before, NOON)
    assert second.has_published


def test_takes_over_what_the_first_knew(network: Network, store: FileStore, start: StartWorker) -> None:
    """A mirror file that is broken when the lease changes hands keeps what was published last, even by a
    worker that once read another good definition itself."""
    first_store = network.store()
    first, second = start(first_store), start()
    first.step(NOON)
    first_store.release(first.owner)
    move(network)
    second.step(NOON + 1)
    first.step(NOON + 1)
    (network.mirrors / f"{A}.yml").write_text("broken")
    second.step(NOON + 2)
    second.stop()
    network.mirror("b.example.org")
    first.step(NOON + 3)
    assert address(store, A) == MOVED
    assert len(listed(store)) == 2


def test_another_published_unnoticed(network: Network, store: FileStore, start: StartWorker) -> None:
    """A worker that was stopped for longer than its lease, and goes on as if nothing had been, puts right
    what another one published meanwhile from files that have changed back since."""
    first_store = network.store()
    first, second = start(first_store), start()
    first.step(NOON)
    before = generation(store)
    first_store.release(first.owner)
    network.mirror("b.example.org")
    second.step(NOON + 1)
    assert generation(store) != before
    second.stop()
    network.remove("b.example.org")
    first.step(NOON + 2)
    assert generation(store) == before


def test_events_of_another_that_was_not_noticed(network: Network, start: StartWorker) -> None:
    """Such a worker goes on from what the other one knew: what had happened meanwhile is an event once, also
    that it is over."""
    first_store = network.store()
    first, second = start(first_store), start()
    settle(first, NOON)
    first_store.release(first.owner)
    network.mirror("b.example.org")
    settle(second, NOON + 60)
    second.stop()
    network.remove("b.example.org")
    settle(first, NOON + 120)
    with closing(open_history(network.settings())) as database, database.reading() as connection:
        events = read_events(connection, mirror="b.example.org")
    assert [(event.kind.value, event.at.timestamp()) for event in events] == [
        ("added", NOON + 60),
        ("removed", NOON + 120),
    ]


def settle(worker: Worker, now: float) -> None:
    """A step, and what runs beside it."""
    worker.step(now)
    while worker.wait(now):
        worker.step(now)
