"""What a prober finds is known to workers on other machines."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from rich.console import Console

from app.model import Status
from app.probe import ProbeOptions, run_probe
from app.settings import SecretUrl, Settings
from app.sources.surveys.own import SHARED, last_shared
from app.sources.surveys.survey import Survey
from app.store import FileStore, Store
from app.store.redis import RedisStore
from app.worker.loop import Worker
from tests.conftest import RedisServer, wait_until
from tests.probe import fleet as f
from tests.probe.conftest import PACE
from tests.probe.fleet import Fleet
from tests.servers import Command, environ
from tests.store.conftest import readme_users
from tests.worker.network import Network, listed, loaded

QUESTION = "9.8/baseos/x86_64"


class Region:
    """A prober in a region of its own, with a copy of the fleet's files. From there, some mirrors may be out
    of reach."""

    def __init__(self, fleet: Fleet, folder: Path, store: Store) -> None:
        self.fleet, self.folder, self.store = fleet, folder, store
        self.out_of_reach: set[str] = set()

    def probe(self, *names: str) -> None:
        """Runs a round, with the mirror files as they are now."""
        shutil.copytree(self.fleet.folder / "mirrors.d", self.folder / "mirrors.d", dirs_exist_ok=True)
        shutil.copy(self.fleet.folder / "config.yml", self.folder)
        before = dict(self.fleet.addresses)
        self.fleet.addresses |= {name: [f.REFUSED_ADDRESS] for name in self.out_of_reach}
        options = ProbeOptions(data_dir=self.folder, names=names, machine=self.folder.name)
        run_probe(options, self.fleet.network(), PACE, Console(file=io.StringIO()), self.store)
        self.fleet.addresses = before

    @property
    def survey(self) -> Survey:
        found = last_shared(self.store, self.folder.name)
        assert found is not None
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = FileStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def regions(fleet: Fleet, tmp_path: Path, store: Store) -> tuple[Region, Region]:
    fleet.add("a.example.org")
    fleet.add("b.example.org")
    return Region(fleet, tmp_path / "fra", store), Region(fleet, tmp_path / "nyc", store)


@pytest.fixture
def worker(tmp_path: Path, fleet: Fleet, store: Store) -> Iterator[Worker]:
    """A worker on a third machine, which has what people write and nothing else."""
    folder = tmp_path / "worker"
    settings = Settings(data_dir=fleet.folder, var_dir=folder, machine="worker", geoip_city=())
    worker = Worker(settings, store)
    yield worker
    worker.stop()


def refresh(worker: Worker, fleet: Fleet) -> list[str]:
    worker.step(fleet.now.timestamp())
    return sorted(listed(worker._store))


def test_a_round_is_shared(regions: tuple[Region, Region], worker: Worker, fleet: Fleet) -> None:
    """States, the origin's versions and the round are known to a worker that has no file of the prober."""
    fleet.behaviours["b.example.org"] = f.answering(500)
    fra, _ = regions
    fra.probe()
    assert {name: state.status for name, state in fra.survey.states.items()} == {
        "a.example.org": Status.OK,
        "b.example.org": Status.BROKEN,
    }
    assert refresh(worker, fleet) == ["a.example.org"]
    assert set(loaded(worker._store).repomd) >= {QUESTION}
    assert worker.reader.probe.last_round is not None


def test_a_mirror_is_up_where_any_prober_reaches_it(
    regions: tuple[Region, Region], worker: Worker, fleet: Fleet
) -> None:
    """A mirror that one region does not reach is served, one that none reaches is not; and a region that
    loses its network takes no mirror away."""
    fra, nyc = regions
    fra.out_of_reach = {"a.example.org"}
    nyc.out_of_reach = {"a.example.org", "b.example.org"}
    for region in regions:
        region.probe()
    assert fra.survey.states["a.example.org"].status is Status.UNREACHABLE
    assert refresh(worker, fleet) == ["b.example.org"]
    nyc.out_of_reach = set()
    fleet.now += dt.timedelta(minutes=15)
    for region in regions:
        region.probe()
    assert refresh(worker, fleet) == ["a.example.org", "b.example.org"]


@pytest.mark.slow
def test_a_prober_that_has_stopped(regions: tuple[Region, Region], worker: Worker, fleet: Fleet) -> None:
    """What it found does not count once the other has gone on for three hours (it runs by hand here)."""
    fra, nyc = regions
    for region in regions:
        region.probe()
    assert refresh(worker, fleet) == ["a.example.org", "b.example.org"]
    fleet.addresses["a.example.org"] = [f.REFUSED_ADDRESS]
    for hours, served in ((2, ["a.example.org", "b.example.org"]), (2, ["b.example.org"])):
        fleet.now += dt.timedelta(hours=hours)
        nyc.probe()
        nyc.probe()
        assert refresh(worker, fleet) == served
    assert fra.survey.states["a.example.org"].status is Status.OK


def test_a_new_disk_takes_nothing_away(regions: tuple[Region, Region], worker: Worker, fleet: Fleet) -> None:
    """A prober that begins anew with one mirror, in an empty folder, keeps what its machine shared of the
    others."""
    fra, _ = regions
    fra.probe()
    shutil.rmtree(fra.folder / "state")
    fra.probe("a.example.org")
    assert set(fra.survey.states) == {"a.example.org", "b.example.org"}
    assert fra.survey.last_round is not None


def test_a_store_that_is_away_stops_no_round(
    fleet: Fleet, tmp_path: Path, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once that nothing is shared; when the store is back, all of it is."""
    fleet.add("a.example.org")
    store = RedisStore.at(SecretUrl(redis_server.url))
    region = Region(fleet, tmp_path / "fra", store)
    redis_server.stop()
    region.probe()
    said = [m for m in caplog.messages if m.startswith("store: what was found is not shared: Redis at")]
    assert len(said) == 1
    assert (tmp_path / "fra/state/mirrors/a.example.org.json").exists()
    redis_server.start()
    region.probe()
    assert set(region.survey.states) == {"a.example.org"}
    store.close()


@pytest.mark.slow
def test_the_command(tmp_path: Path, redis_server: RedisServer) -> None:
    """`mirrorwise probe` shares what is in its state files as soon as it starts, under the name of its
    machine and as the Redis user of the README."""
    network = Network(tmp_path)
    network.mirror("a.example.org", more="disabled: true\n")
    network.probed(["a.example.org"])
    with redis.Redis(port=redis_server.port) as client:
        client.execute_command("ACL", "SETUSER", "prober", "on", ">pr0be", *readme_users()["prober"])
    with ExitStack() as stack:
        url = f"redis://prober:pr0be@127.0.0.1:{redis_server.port}/0"
        variables = environ(network.data, network.var, REDIS_URL=url, MIRRORWISE_MACHINE="fra.example.org")
        prober = Command(tmp_path / "probe.log", ["probe", "--every", "15m"], variables)
        stack.callback(prober.stop)
        store = RedisStore.at(SecretUrl(redis_server.url))
        stack.callback(store.close)
        wait_until(lambda: bool(store.shared()), "the survey is shared", 30)
        assert set(store.shared()) == {f"{SHARED}fra.example.org"}
        survey = last_shared(store, "fra.example.org")
        assert survey is not None and set(survey.states) == {"a.example.org"}
        assert prober.signal(signal.SIGTERM) == 0
        assert "WARNING mirrorwise.probe: store" not in prober.said()
