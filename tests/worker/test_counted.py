"""Counted requests in the worker: they are demand for load prices, and the database may be away."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.history.database import open_history
from app.history.recent import RecentRequests
from app.history.tables import mirror_days, place_days
from app.model import HistoryError, Pass
from app.ranking.prices import KM_PER_HOUR
from app.snapshot.demand import Market
from app.sources.surveys.own import shared_tags
from app.store import FileStore
from app.worker.counted import SHARED, CountedRequests
from app.worker.loop import Worker
from app.worker.pricing import EVERY_S
from app.worker.running import run_once
from tests.conftest import wait_until
from tests.worker.conftest import StartWorker
from tests.worker.network import CITY, NOON, Network, generation, loaded

LONE = "mirror.example.net"
FRANKFURT, SYDNEY = "DE/50/8", "AU/-34/151"
MOSTLY_THERE = {FRANKFURT: 4_000_000, SYDNEY: 6_000_000}
HERE = {FRANKFURT: 9_900_000, SYDNEY: 100_000}


@pytest.fixture
def crowd(network: Network) -> Network:
    """24 mirrors in Germany and one in Australia."""
    network.several(24)
    network.mirror(LONE, "AU")
    return network


def count(network: Network, requests: Mapping[str, int], ago: int = 1, now: float = NOON) -> None:
    """Requests from these places, some days before a time, as the collector would have counted them. Those
    from Sydney were sent to the mirror there."""
    day = str(datetime.fromtimestamp(now, UTC).date() - timedelta(days=ago))
    database = open_history(network.settings())
    with database.writing() as connection:
        rows = {(day, place, Pass.GEOGRAPHY.value): number for place, number in requests.items()}
        database.add(connection, place_days, rows)
        database.add(connection, mirror_days, {(day, LONE, "AU"): requests[SYDNEY]})
    database.close()


def database_file(network: Network) -> Path:
    return network.var / "history.sqlite"


def price(store: FileStore) -> float:
    return next(mirror.load_km for mirror in loaded(store).mirrors if mirror.name == LONE)


def settle(worker: Worker, now: float) -> None:
    """Step, with whatever is solved beside the worker waited for."""
    worker.step(now)
    while worker.wait(now):
        worker.step(now)
    worker.step(now)


def test_first_prices_are_for_counted_clients(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """The estimate has 5 % of all clients in Australia; where 60 % were counted there, the only mirror there
    has the price that it would have with a places.csv."""
    count(crowd, MOSTLY_THERE)
    settle(start(cities=(CITY,)), NOON)
    counted = price(store)
    assert counted > 1000
    market = Market(loaded(store), MOSTLY_THERE)
    planned = market.planned(market.load_of({m.name: m.load_km for m in loaded(store).mirrors}))
    assert planned[LONE] <= 0.16 * 1.05  # four times the fair share of 25 mirrors


@pytest.mark.slow
def test_prices_follow_what_is_counted(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """A day of requests that differ from the estimate moves prices from the next hour on, by 20 km each,
    and faster when a mirror has had far too much for three hours."""
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    before = price(store)
    count(crowd, MOSTLY_THERE)
    for hour, moved_km in ((1, 20), (2, 40), (3, 140)):
        settle(worker, NOON + hour * EVERY_S)
        assert price(store) == before + moved_km
    assert worker.faults.current == {}


def test_places_csv_overrides(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """What people measured counts, whatever the database has."""
    count(crowd, MOSTLY_THERE)
    (crowd.data / "places.csv").write_text(f"place,clients\n{FRANKFURT},99\n{SYDNEY},1\n")
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    assert price(store) == 0
    assert worker.reader.clients == {FRANKFURT: 99, SYDNEY: 1}


def test_once_waits_for_counts(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """`worker --once` publishes prices that are made for them."""
    count(crowd, MOSTLY_THERE, now=time.time())
    assert run_once(start(cities=(CITY,)))
    assert price(store) > 1000


SPOILT: dict[str, Callable[[Path], object]] = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "junk": lambda path: path.write_bytes(b"no database" * 1000),
    "a folder": lambda path: path.rename(path.with_name("elsewhere")).parent.joinpath(path.name).mkdir(),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", SPOILT)
def test_a_database_that_is_away(
    crowd: Network, store: FileStore, start: StartWorker, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Prices go on by the requests that were read last, and the fault is said once, and gone when the
    database is back. That a file is gone is no fault: nothing is counted here any more."""
    count(crowd, MOSTLY_THERE)
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    before, kept = price(store), worker.reader.counted.recent
    path = database_file(crowd)
    whole = path.read_bytes()
    SPOILT[what](path)
    for other in crowd.var.glob("history.sqlite-*"):
        other.unlink()
    caplog.set_level(logging.INFO, "mirrorwise.worker")
    for hour in (1, 2, 3):
        settle(worker, NOON + hour * EVERY_S)
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("history:")]
    if what == "gone":
        assert said == []
    else:
        [sentence] = said
        assert "history.sqlite" in sentence
        assert sentence.endswith("the requests that were read before stay in use")
    assert (worker.reader.counted.recent, price(store)) == (kept, before)
    if path.is_dir():
        path.rmdir()
    path.write_bytes(whole)
    settle(worker, NOON + 4 * EVERY_S)
    assert worker.faults.current == {}


@pytest.mark.slow
def test_a_restart_without_the_database(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """What a worker has read is shared: the next one goes on with it, without a database of its own."""
    count(crowd, MOSTLY_THERE)
    former = start(cities=(CITY,))
    settle(former, NOON)
    kept, before, settled = former.reader.counted.recent, price(store), generation(store)
    former.stop()
    database_file(crowd).unlink()
    worker = start(cities=(CITY,))
    settle(worker, NOON + EVERY_S)
    assert worker.reader.counted.recent == kept
    assert (price(store), generation(store)) == (before, settled)


@pytest.mark.slow
def test_what_the_store_loses_is_shared_again(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """Within a minute, the store has it again."""
    count(crowd, MOSTLY_THERE)
    worker = start(cities=(CITY,))
    settle(worker, NOON)
    assert SHARED in shared_tags(store)
    store.unshare(SHARED)
    settle(worker, NOON + 61)
    assert SHARED in shared_tags(store)


@pytest.mark.slow
def test_no_publication_waits(crowd: Network, store: FileStore, start: StartWorker) -> None:
    """While a database hangs, edits are published as ever, and the worker ends when it is told to."""
    worker = start(cities=(CITY,))
    answers, asked = threading.Event(), []

    def hang(now: float) -> RecentRequests:
        asked.append(now)
        answers.wait(60)
        return RecentRequests(requests=1, places={SYDNEY: 1e7})

    worker.reader.counted = CountedRequests(hang, patience_s=0.02)
    try:
        worker.step(NOON)
        settle(worker, NOON)  # its prices are made without an answer
        began = time.perf_counter()
        crowd.mirror("new.example.org")
        worker.step(NOON + 1)
        assert "new.example.org" in loaded(store).number
        settle(worker, NOON + EVERY_S)
        assert time.perf_counter() - began < 10
        assert len(asked) == 1  # nothing more while that is owed
        assert "has not answered" in worker.faults.current["history"]
        estimated = price(store)
    finally:
        answers.set()
    wait_until(lambda: is_answered(worker.reader.counted), "the database has answered")
    settle(worker, NOON + 2 * EVERY_S)
    assert worker.faults.current == {}
    assert price(store) == estimated + KM_PER_HOUR


def is_answered(counted: CountedRequests) -> bool:
    counted.refresh(NOON)
    return counted.fault is None


def test_what_is_read_and_what_is_not() -> None:
    """What was read last stays while there is no database, an error, or a bug."""
    first, then = RecentRequests(requests=1, places={"DE": 1.0}), RecentRequests()
    answers: list[RecentRequests | Exception | None] = [
        None,
        first,
        None,
        HistoryError("away"),
        ZeroDivisionError("x"),
        then,
    ]

    def read(now: float) -> RecentRequests | None:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    counted, found = CountedRequests(read), []
    while answers:
        counted.refresh(NOON)
        found.append((counted.recent, counted.fault))
    stays = "the requests that were read before stay in use"
    bug = f"a bug keeps this from being read: ZeroDivisionError('x'); {stays}"
    assert found == [
        (None, None),
        (first, None),
        (first, None),
        (first, f"away; {stays}"),
        (first, bug),
        (then, None),
    ]
