"""Load prices in the worker: after the first publication, then hourly, slowly, and across restarts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.ranking.prices import KM_PER_HOUR
from app.store import FileStore
from app.worker import memory
from app.worker.loop import Worker
from app.worker.pricing import EVERY_S
from app.worker.running import run_once
from tests.conftest import wait_until
from tests.worker.conftest import StartWorker
from tests.worker.network import CITY, CONFIG, NOON, Network, generation, loaded

LONE = "mirror.example.net"
TOWNS = {"DE": "DE/50/8", "AU": "AU/-34/151"}


@pytest.fixture
def crowd(network: Network) -> Network:
    """24 mirrors in Germany and one in Australia, where 60 % of the clients are."""
    network.several(24)
    network.mirror(LONE, "AU")
    count(network, DE=40, AU=60)
    return network


def count(network: Network, **clients: float) -> Path:
    """By country: in its town that the sample database knows."""
    path = network.data / "places.csv"
    lines = [f"{TOWNS[country]},{n}\n" for country, n in clients.items()]
    path.write_text("place,clients\n" + "".join(lines))
    return path


def prices(store: FileStore) -> dict[str, float]:
    """As published, of the mirrors that have one."""
    return {mirror.name: mirror.load_km for mirror in loaded(store).mirrors if mirror.load_km}


def settle(worker: Worker, now: float) -> None:
    """Step, with whatever is solved beside the worker waited for."""
    worker.step(now)
    while worker.wait(now):
        worker.step(now)


@pytest.mark.slow
def test_published_without_prices_first(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """Lists are published before prices are known, and once more as soon as they are, all at once."""
    worker = start(cities=(CITY,))
    worker.step(NOON)
    first = generation(store)
    assert prices(store) == {}
    settle(worker, NOON)
    assert generation(store) != first
    assert prices(store)[LONE] > 1000
    assert worker.faults.current == {}


@pytest.mark.slow
def test_solved_beside_the_steps(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """No step waits for prices: they are taken over by the first one after they are there."""
    worker = start(cities=(CITY,))
    worker.step(NOON)

    def priced() -> bool:
        began = time.perf_counter()
        worker.step(NOON)
        assert time.perf_counter() - began < 5
        return bool(prices(store))

    wait_until(priced, "prices are published")


def test_every_hour_a_little(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """Within the hour nothing moves, whatever the demand; after it, every price by 20 km at most."""
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    before = prices(store)
    count(crowd, DE=90, AU=10)
    settle(worker, NOON + EVERY_S - 1)
    assert prices(store) == before
    settle(worker, NOON + EVERY_S)
    assert prices(store)[LONE] == before[LONE] - KM_PER_HOUR
    assert all(abs(km - before.get(name, 0)) <= KM_PER_HOUR for name, km in prices(store).items())
    settle(worker, NOON + 2 * EVERY_S)
    assert prices(store)[LONE] == before[LONE] - 2 * KM_PER_HOUR


@pytest.mark.slow
def test_unchanged_demand_changes_nothing(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """Prices that are right make no new generation, hour after hour."""
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    settled = generation(store)
    for hour in range(1, 5):
        settle(worker, NOON + hour * EVERY_S)
    assert generation(store) == settled


@pytest.mark.slow
def test_a_restart_keeps_prices(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """A new worker publishes the same lists, and moves prices when the old one would have."""
    former = start(cities=(CITY,))
    settle(former, NOON)
    before, settled = prices(store), generation(store)
    former.stop()
    count(crowd, DE=90, AU=10)
    worker = start(cities=(CITY,))
    settle(worker, NOON + 60)
    assert (prices(store), generation(store)) == (before, settled)
    settle(worker, NOON + EVERY_S)
    assert prices(store)[LONE] == before[LONE] - KM_PER_HOUR


@pytest.mark.slow
def test_off(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """With `max_share: 0` there are none."""
    crowd.config.write_text(CONFIG + "selection: {max_share: 0}\n")
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    assert prices(store) == {}
    assert memory.decode(store.memory()).load_km == {}


def test_nobody_knows_where_clients_are(network: Network, store: FileStore, start: StartWorker) -> None:
    """Without a city database and counts there are no prices, and that is no fault."""
    network.several(24)
    network.mirror(LONE, "AU")
    worker = start()
    settle(worker, NOON)
    assert prices(store) == {}
    assert worker.faults.current == {}


@pytest.mark.slow
def test_faulty_counts(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """While places.csv is at fault, its last good counts stay, and the fault is named."""
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    before = prices(store)
    (crowd.data / "places.csv").write_text("place,clients\nDE,many\n")
    for hour in range(1, 4):
        settle(worker, NOON + hour * EVERY_S)
    assert "places.csv:2" in worker.faults.current["places.csv"]
    assert prices(store) == before
    count(crowd, DE=40, AU=60)
    settle(worker, NOON + 4 * EVERY_S)
    assert worker.faults.current == {}


@pytest.mark.slow
def test_a_mirror_that_is_down_keeps_its_price(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """It comes back at the price that it had."""
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    before = prices(store)[LONE]
    crowd.mirror(LONE, "AU", more="disabled: true\n")
    settle(worker, NOON + EVERY_S)
    crowd.mirror(LONE, "AU")
    settle(worker, NOON + EVERY_S + 60)
    assert prices(store)[LONE] == before


@pytest.mark.slow
def test_once_publishes_with_prices(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """`worker --once` waits for them."""
    assert run_once(start(cities=(CITY,)))
    assert prices(store)[LONE] > 1000
