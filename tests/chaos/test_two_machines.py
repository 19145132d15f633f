"""Two machines in two regions: separate folders, one Redis and a replica of it, and the first machine dies.

The prober runs on the first machine only. Each region has web processes; those of the second read from the
replica there.
"""

from __future__ import annotations

import itertools
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
import redis

from app.model import Content, Status
from app.settings import SecretUrl
from app.snapshot.status import decode_heartbeat
from app.store.redis import INDEX, RedisStore
from app.worker import memory
from tests.builders import a_repomd
from tests.chaos.line import SlowLine
from tests.chaos.service import reasons
from tests.conftest import RedisServer, wait_until
from tests.servers import GunicornServer, WorkerProcess, environ
from tests.store.conftest import readme_users
from tests.worker.network import CITY, NOON, Network, generation, loaded, replaced

ASN = CITY.with_name("asn.mmdb")
FRANKFURT = "DE/50/8"
COUNTRIES = ("DE", "FR", "US", "JP", "BR", "AU")
MIRRORS = 60
DEAD = 20
REPOS = [f"9.8/{repo}/{arch}" for repo in ("baseos", "appstream") for arch in ("x86_64", "aarch64")]
ADDRESSES = ("192.0.2.1", "192.0.2.49", "192.0.2.225", "198.51.100.7", "203.0.113.1", "2001:db8:ffff::1")
QUESTIONS = [
    f"/{form}/9/{repo}?arch={arch}&ip={address}{more}"
    for form, repo, arch, address in itertools.product(
        ("mirrorlist", "metalink"), ("baseos", "appstream"), ("x86_64", "aarch64"), ADDRESSES
    )
    for more in ("", "&protocol=https&limit=30")
]


class Machine:
    """A machine with its folders, its worker and its web process."""

    def __init__(self, folder: Path, name: str, **variables: str) -> None:
        self.network = Network(folder / name)
        self.folder = folder / name
        for number in range(MIRRORS):
            self.network.mirror(mirror(number), COUNTRIES[number % len(COUNTRIES)])
        private = "private: true\nsubnets: [10.20.0.0/16]\nasn: 64496\n"
        self.network.mirror("corp.example.com", more=private)
        shutil.copytree(CITY.parents[1] / "cloud", self.network.data / "cloud")
        self.variables = environ(
            self.network.data,
            self.network.var,
            MIRRORWISE_MACHINE=name,
            GEOIP_CITY=str(CITY),
            GEOIP_ASN=str(ASN),
            **variables,
        )
        self.of_worker: dict[str, str] = {}

    def start_worker(self, stack: ExitStack) -> None:
        self.worker = WorkerProcess(self.folder, {**self.variables, **self.of_worker})
        stack.callback(self.worker.stop)

    def start_web(self, stack: ExitStack) -> GunicornServer:
        self.web = GunicornServer(self.folder, self.variables, processes=1)
        stack.callback(self.web.stop)
        return self.web

    def probed(self, at_s: float, dead: int = DEAD) -> None:
        """Its prober has looked at all mirrors: so many of them are dead. And it knows what the origin
        has."""
        self.network.states.mkdir(parents=True, exist_ok=True)
        for number in range(MIRRORS):
            path = self.network.state(
                mirror(number), Status.UNREACHABLE if number < dead else Status.OK, at_s
            )
            state = msgspec.json.decode(path.read_bytes())
            state |= {"content": dict.fromkeys(REPOS, Content.CURRENT), "addresses": [f"192.0.2.{number}"]}
            replaced(path, msgspec.json.encode(state))
        self.network.round(at_s)
        versions = {key: [a_repomd(2), a_repomd(1)] for key in REPOS}
        replaced(self.network.data / "state" / "repos.json", msgspec.json.encode(versions))


def mirror(number: int) -> str:
    return f"m{number:02}.example.org"


def answers(web: GunicornServer) -> dict[str, tuple[int, bytes]]:
    """What clients all over the world get, from a list of all mirrors to each metalink."""
    found = {}
    for target in QUESTIONS:
        answer = web.ask(target)
        found[target] = answer.status, answer.body
    return found


def is_listed(web: GunicornServer, name: str) -> bool:
    return any(name.encode() in body for _, body in answers(web).values())


def problems(web: GunicornServer) -> list[str]:
    """What /readyz names, after the line that says what is served."""
    return reasons(web).splitlines()[1:]


class Regions:
    """Two machines, a Redis in the region of the first, and a replica in that of the second."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.stack = stack
        for name in ("master", "replica"):
            (folder / name).mkdir()
        self.master = RedisServer(folder / "master", "--repl-diskless-sync-delay", "0")
        stack.callback(self.master.stop)
        self.replica = RedisServer(folder / "replica", "--replicaof", f"127.0.0.1 {self.master.port}")
        stack.callback(self.replica.stop)
        self.address = SlowLine(self.master.port)  # that of the master, whichever server it is
        stack.callback(self.address.stop)
        self.store = RedisStore.at(SecretUrl(self.address.url))
        stack.callback(self.store.close)
        self.fra = Machine(folder, "fra", REDIS_URL=self.address.url)
        self.nyc = Machine(folder, "nyc", REDIS_URL=self.address.url, REDIS_READ_URL=self.replica.url)

    def begin(self) -> dict[str, tuple[int, bytes]]:
        """Has fra publish, until nothing more is to come, and nyc stand by. Returns all answers, which are
        the same in both regions."""
        fra, nyc = self.fra, self.nyc
        fra.start_worker(self.stack)
        wait_until(lambda: generation(self.store) is not None, "the first publication", 30)
        wait_until(lambda: FRANKFURT in loaded(self.store).rows, "the places are published", 30)
        wait_until(lambda: bool(memory.decode(self.store.memory()).priced_at_s), "there are prices", 30)
        wait_until(lambda: len(self.store.shared()) == 3, "survey and scans are shared", 90)
        nyc.start_worker(self.stack)
        wait_until(lambda: "standing by: fra/" in nyc.worker.said(), "the second worker stands by", 30)
        webs = [machine.start_web(self.stack) for machine in (fra, nyc)]
        for web in webs:
            web.wait_until_serving(generation(self.store) or "")
        first, second = map(answers, webs)
        assert first == second
        assert {status for status, _ in first.values()} == {200}
        assert not any(
            mirror(number).encode() in body for _, body in first.values() for number in range(DEAD)
        )
        return first

    def leads(self, machine: str) -> bool:
        return (self.store.holder() or "").startswith(f"{machine}/")

    def edit(self, machine: Machine) -> None:
        """Takes a mirror out on a machine, and waits until both regions serve that."""
        gone = mirror(MIRRORS - 1)
        machine.network.mirror(gone, more="disabled: true\n")
        for web in (self.fra.web, self.nyc.web):
            wait_until(lambda web=web: not is_listed(web, gone), "the edit is served", 30)  # type: ignore[misc]  # typed


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[Regions]:
    with ExitStack() as stack:
        yield Regions(tmp_path, stack)


def no_folder(machine: Machine) -> None:
    """As git leaves it."""


def empty_folder(machine: Machine) -> None:
    machine.network.states.mkdir(parents=True)


def old_folder(machine: Machine) -> None:
    """Its own prober ran until a month ago, and found all mirrors well."""
    machine.probed(NOON - 30 * 86_400, dead=0)


@pytest.mark.slow
@pytest.mark.parametrize("state", [no_folder, empty_folder, old_folder])
def test_the_first_machine_is_killed(regions: Regions, state: object) -> None:
    """The second one, with a state folder like this, takes over what is published: not a byte of any list
    changes in either region, no metalink is lost, nothing goes by country, and its edits are served."""
    fra, nyc = regions.fra, regions.nyc
    fra.probed(NOON)
    assert callable(state)
    state(nyc)
    before, published = regions.begin(), generation(regions.store)
    fra.worker.signal(signal.SIGKILL)
    while not regions.leads("nyc"):
        assert [answers(web) for web in (fra.web, nyc.web)] == [before, before]
    wait_until(
        lambda: decode_heartbeat(regions.store.heartbeat() or b"").worker.startswith("nyc/"),
        "the second worker works",
        30,
    )
    assert generation(regions.store) == published
    assert [answers(web) for web in (fra.web, nyc.web)] == [before, before]
    assert problems(fra.web) == problems(nyc.web) == []
    assert "WARNING" not in nyc.worker.said() or state is old_folder
    regions.edit(nyc)


@pytest.mark.slow
def test_the_first_region_is_lost(regions: Regions) -> None:
    """With the first machine, its Redis is gone, and the replica becomes the master: it has all that the
    second worker needs to know."""
    fra, nyc = regions.fra, regions.nyc
    fra.probed(NOON)
    before, published = regions.begin(), generation(regions.store)
    with redis.Redis(port=regions.replica.port) as client, redis.Redis(port=regions.master.port) as master:
        assert master.wait(1, 5000) == 1
        fra.worker.signal(signal.SIGKILL)
        regions.master.stop()
        client.replicaof("NO", "ONE")
        regions.address.target = regions.replica.port
        assert client.exists(INDEX)
    wait_until(lambda: "publishing as nyc/" in nyc.worker.said(), "the second worker takes over", 60)
    wait_until(lambda: problems(nyc.web) == [], "nothing is wrong any more", 30)
    assert generation(regions.store) == published
    assert answers(nyc.web) == before


@pytest.mark.slow
def test_the_second_machine_lacks_its_databases(regions: Regions) -> None:
    """A machine without GeoIP does not take over: both regions go on with what is published, `/readyz` says
    why, and the worker takes over as soon as the databases are there."""
    fra, nyc = regions.fra, regions.nyc
    fra.probed(NOON)
    city = nyc.network.data / "geoip" / "city.mmdb"  # where it is unless a path is named, and may be missing
    city.parent.mkdir()
    nyc.of_worker["GEOIP_CITY"] = ""
    before, published = regions.begin(), generation(regions.store)
    fra.worker.signal(signal.SIGKILL)
    words = "takeover: this worker has 0 of "
    wait_until(lambda: words in reasons(nyc.web), "readyz says why", 60)
    assert "0 of 1 city databases" in reasons(nyc.web)
    assert 'mirrorwise_worker_faults{source="takeover"} 1.0' in nyc.web.ask("/metrics").body.decode()
    assert [answers(web) for web in (fra.web, nyc.web)] == [before, before]
    shutil.copyfile(CITY, city)
    wait_until(
        lambda: regions.leads("nyc") and "publishing as nyc/" in nyc.worker.said(), "it takes over", 30
    )
    wait_until(lambda: "takeover" not in reasons(nyc.web), "readyz is clean again", 30)
    assert generation(regions.store) == published
    assert answers(nyc.web) == before


@pytest.mark.slow
def test_the_redis_users_of_the_readme(regions: Regions) -> None:
    """With a user for each part, two workers share and take over all the same."""
    users = readme_users()
    with redis.Redis(port=regions.master.port) as client:
        client.execute_command("ACL", "SETUSER", "worker", "on", ">w0rk", *users["worker"])
    url = f"redis://worker:w0rk@127.0.0.1:{regions.address.port}/0"
    fra, nyc = regions.fra, regions.nyc
    for machine in (fra, nyc):
        machine.variables["REDIS_URL"] = url
        machine.variables["REDIS_READ_URL"] = regions.master.url
    fra.probed(NOON)
    regions.begin()
    fra.worker.stop()
    wait_until(lambda: "publishing as nyc/" in nyc.worker.said(), "the second worker takes over", 30)
    assert "WARNING" not in fra.worker.said() + nyc.worker.said()
