"""A network and a worker for each test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.store import FileStore, Store
from app.worker.loop import Worker
from tests.worker.network import Network

StartWorker = Callable[..., Worker]


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return Network(tmp_path)


@pytest.fixture
def names(network: Network, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Three mirrors, all probed and well; files that need others have a fixture of their own."""
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    names = network.several(3)
    network.probed(names)
    return names


@pytest.fixture
def store(network: Network) -> FileStore:
    """For readers: a store of its own over the same files."""
    return network.store()


@pytest.fixture
def start(network: Network) -> Iterator[StartWorker]:
    """Starts workers, and stops them in the end."""
    started: list[Worker] = []

    def start(
        store: Store | None = None, cities: tuple[Path, ...] = (), asns: tuple[Path, ...] = ()
    ) -> Worker:
        started.append(network.worker(store, cities, asns))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()


def stepped(worker: Worker, now: float) -> None:
    """Steps until nothing that runs beside the worker is under way any more."""
    worker.step(now)
    while worker.wait(now):
        worker.step(now)
