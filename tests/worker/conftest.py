"""A network and a worker for each test."""

from __future__ import annotations

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
