"""Mirrors whose timestamp file is of no use: they are judged by their contents, in every round alike."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

import pytest

from app.catalogue.catalogue import expected_isos, expected_repos
from app.model import Family, Mirror, MirrorState, Repo, RepomdVersion, ServiceConfig, Status, digest_of
from app.probe.fetch import Failure, Fault, Fetched, MirrorClient, Network, Request
from app.probe.hosts import Hosts
from app.probe.records import Records
from app.probe.round import Round
from app.probe.schedule import REQUESTS_PER_ROUND
from app.probe.surroundings import Surroundings
from app.sources.folder import DataFolder
from app.sources.probe_state import read_mirror_state
from tests.probe.fleet import NOW, repomd

ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
RELEASES = ("10.2", "9.8", "10-kitten")
CONFIG = ServiceConfig(
    releases=RELEASES,
    aliases={},
    vault_releases=(),
    arches=dict.fromkeys(RELEASES, ARCHES),
    repos=tuple(
        Repo(name=name, path=f"{name}/$basearch/os/") for name in ("baseos", "crb", "extras", "ha", "nfv")
    ),
    modules={"10-kitten": "kitten"},
    required_protocols=("https", "http"),
)
SYNCS_AFTER_S = 3600
ORIGIN_CHANGES_EVERY_S = 5 * 3600

Answer = Fetched | Failure
Has = Callable[[str], bool]


def status(number: int, body: bytes = b"") -> Answer:
    return Fetched(status=number, url="http://a.example.org/TIME", latency_ms=1.0, body=body)


def refused(reason: str) -> Answer:
    return Failure(fault=Fault.ANSWERED, reason=reason)


USELESS = {
    "404": status(404),
    "403": status(403),
    "500": status(500),
    "empty": status(200),
    "garbage": status(200, b"\x00\xff\x1b[2J" * 50),
    "a page": status(200, b"<!DOCTYPE html><html>welcome</html>"),
    "the future": status(200, b"4102444800\n"),
    "redirected": refused("it redirects to another host (http://www.example.org/404.html)"),
    "too large": refused("its answer is larger than 1,000,000 bytes"),
    "compressed": refused("its answer is compressed (gzip), which nobody asked for"),
}
MIRRORS: dict[str, Has] = {
    "all of it": lambda path: True,
    "one arch": lambda path: "x86_64" in path,
    "the last arch": lambda path: "s390x" in path,
    "one repo of one arch": lambda path: "9.8/nfv/ppc64le" in path,
    "not the module": lambda path: "kitten" not in path,
}


@dataclass
class World:
    """One origin whose repos change by and by, and one mirror, which follows an hour later."""

    time: Answer
    has: Has
    now: dt.datetime = NOW
    requests: list[str] = field(default_factory=list)
    #: Paths that the mirror does not have any more.
    gone: Has = lambda path: False
    #: Base URLs that lead to an empty site.
    elsewhere: str = "none"
    #: How many requests may still be sent.
    allowed: int = 1_000_000

    @staticmethod
    def date(at_s: float) -> int:
        """The date of what the origin had at a time."""
        return int(at_s // ORIGIN_CHANGES_EVERY_S) * ORIGIN_CHANGES_EVERY_S

    def versions(self) -> dict[str, tuple[RepomdVersion, ...]]:
        return versions_at(self.date(self.now.timestamp()))

    def answer(self, request: Request) -> Answer:
        path = request.url.partition(".example.org/")[2]
        if self.allowed <= 0:
            return Failure(fault=Fault.NOT_ASKED, reason="this hour's requests are used up")
        self.allowed -= 1
        self.requests.append(path)
        if request.url.startswith(self.elsewhere):
            return status(404)
        if path == "TIME":
            return self.time
        if not self.has(path) or self.gone(path):
            return Fetched(status=404, url=request.url, latency_ms=1.0)
        body = repomd(path, self.date(self.now.timestamp() - SYNCS_AFTER_S))
        etag = digest_of(body)
        if request.etag == etag:
            return Fetched(status=304, url=request.url, latency_ms=1.0)
        return Fetched(status=200, url=request.url, latency_ms=1.0, body=body, etag=etag)


@lru_cache(maxsize=2)
def versions_at(newest: int) -> dict[str, tuple[RepomdVersion, ...]]:
    dates = [newest - back * ORIGIN_CHANGES_EVERY_S for back in range(5)]
    return {
        target.key: tuple(
            RepomdVersion(
                timestamp=date,
                size=1,
                seen_at=dt.datetime.fromtimestamp(date, dt.UTC),
                sha256=digest_of(repomd(target.file, date)),
            )
            for date in dates
        )
        for target in expected_repos(CONFIG)
    }


class Client:
    """Stands for the prober's client, without a network."""

    def __init__(self, world: World) -> None:
        self.hosts_asked: set[str] = set()
        self.requests = 0
        self._world = world

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    async def fetch(self, request: Request) -> Answer:
        self.requests += 1
        return self._world.answer(request)

    async def greet(self, url: str, family: Family) -> Answer:
        self.requests += 1
        return status(200)


@dataclass(frozen=True)
class Around(Surroundings):
    world: World = field(default_factory=lambda: World(USELESS["404"], MIRRORS["all of it"]))

    def client(self, mirror: Mirror) -> MirrorClient:
        return cast(MirrorClient, Client(self.world))


MIRROR = Mirror(
    name="a.example.org",
    addresses={p: f"{p}://a.example.org/" for p in ("https", "http", "rsync")},
    module_addresses={"kitten": {"https": "https://kitten.example.org/"}},
)

CASES: dict[str, tuple[Answer, Has]] = {
    **{f"its file: {why}": (answer, MIRRORS["one arch"]) for why, answer in USELESS.items()},
    **{f"it has {what}": (USELESS["404"], has) for what, has in MIRRORS.items()},
}
LONG = [pytest.param(*pace, marks=pytest.mark.slow) for pace in ((5, 600), (30, 240), (120, 200))]
"""Ten changes of the origin at a quick pace, five days at the usual one, over two weeks at a slow one."""
UP = (Status.OK, Status.DEGRADED)
FOUND_AFTER = {"it has one repo of one arch": 10}
"""Rounds until a new mirror is ok: one that lacks nearly all it declares is not so after the first."""


def simulate(folder: Path, world: World, minutes: int, rounds: int, found_after: int) -> list[str]:
    """So many rounds over one mirror. What was wrong in any of them once it was found, in words."""
    records = Records(DataFolder(folder))
    records.prepare()
    around = surroundings(world, minutes)

    async def run() -> list[str]:
        wrong: list[str] = []
        for number in range(rounds):
            world.requests.clear()
            await visit(around, records)
            if number >= found_after:
                wrong += [f"round {number}: {what}" for what in faults(records)]
            world.now += dt.timedelta(minutes=minutes)
        return wrong

    return asyncio.run(run())


async def visit(around: Around, records: Records) -> MirrorState:
    await Round(around=around, records=records, origin_timestamp=lambda _: None, retry_after_s=0.0).run(
        [MIRROR]
    )
    return read_mirror_state(records.state(MIRROR.name))


def surroundings(world: World, minutes: int) -> Around:
    async def confirms(*_: object) -> None:
        return None

    async def lookup(host: str) -> list[str]:
        return ["93.184.216.34", "2606:2800:220:1::1"]

    network = Network(lookup=lookup, clock=lambda: world.now, routed=lambda family: True)
    return Around(
        config=CONFIG,
        network=network,
        resolver=network.resolver(),
        hosts=Hosts(None),
        repos=expected_repos(CONFIG),
        isos=expected_isos(CONFIG),
        vault=(),
        versions=world.versions,
        confirms=confirms,
        agent="test",
        interval_s=minutes * 60,
        world=world,
    )


def faults(records: Records) -> list[str]:
    """What the last round found wrong with a mirror that is well."""
    state = read_mirror_state(records.state(MIRROR.name))
    found = []
    if state.status not in UP or state.failures:
        found.append(f"{state.status}: {state.reason}")
    endpoints = [(key, endpoint) for key, of in state.endpoints.items() for endpoint in of.values()]
    found += [f"{key}: {endpoint.detail}" for key, endpoint in endpoints if not endpoint.ok]
    if len(endpoints) != 6:
        found.append(f"{len(endpoints)} endpoints are known")
    return found


@pytest.mark.parametrize(("minutes", "rounds"), [(5, 15), *LONG])
@pytest.mark.parametrize("case", CASES)
def test_it_is_judged_by_its_contents_in_every_round(
    tmp_path: Path, case: str, minutes: int, rounds: int
) -> None:
    """Round after round while the origin changes: whether or not one of its own repos is due, and whatever
    it lacks of what is due, the mirror is up and all its endpoints are ok."""
    time, has = CASES[case]
    assert simulate(tmp_path, World(time, has), minutes, rounds, FOUND_AFTER.get(case, 0)) == []


# --- what such a mirror does next ---------------------------------------------------------------


def settled(folder: Path, world: World) -> tuple[Around, Records]:
    """A mirror that was ok in a first round, a quarter of an hour ago."""
    records = Records(DataFolder(folder))
    records.prepare()
    around = surroundings(world, 15)
    assert asyncio.run(visit(around, records)).status is Status.OK
    world.now += dt.timedelta(minutes=15)
    world.requests.clear()
    return around, records


CHANGES: dict[str, tuple[Has, Status]] = {
    "an arch is gone": (lambda path: "x86_64" in path, Status.DEGRADED),
    "a release is gone": (lambda path: path.startswith("10.2/"), Status.DEGRADED),
    "a repo is gone": (lambda path: "/baseos/" in path, Status.DEGRADED),
    "all but one arch is gone": (lambda path: "s390x" not in path, Status.DEGRADED),
    "everything is gone": (lambda path: True, Status.BROKEN),
    "everything of its own is gone": (lambda path: "kitten" not in path, Status.BROKEN),
}


@pytest.mark.parametrize(("gone", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_goes_is_seen_at_once(tmp_path: Path, gone: Has, expected: Status) -> None:
    """A mirror that was emptied is broken in the next round, though only few of its repos are due; one that
    gave up a part is degraded."""
    world = World(USELESS["404"], MIRRORS["all of it"])
    around, records = settled(tmp_path, world)
    world.gone = gone
    assert asyncio.run(visit(around, records)).status is expected


def test_a_quiet_round_asks_little(tmp_path: Path) -> None:
    """Beside the timestamp file and what is due, a repo or two show that the mirror is well."""
    around, records = settled(tmp_path, World(USELESS["a page"], MIRRORS["all of it"]))
    asyncio.run(visit(around, records))
    assert len(around.world.requests) <= REQUESTS_PER_ROUND
    assert around.world.requests.count("TIME") == 1


def test_a_spent_budget_says_nothing(tmp_path: Path) -> None:
    """Where the hour's requests end after the timestamp file, the last verdict stands."""
    around, records = settled(tmp_path, World(USELESS["404"], MIRRORS["all of it"]))
    before = read_mirror_state(records.state(MIRROR.name))
    around.world.allowed = 1
    assert asyncio.run(visit(around, records)) == before


def test_one_protocol_is_enough(tmp_path: Path) -> None:
    """Where https leads to another site, contents are asked for over http, and https is what failed."""
    world = World(USELESS["404"], MIRRORS["all of it"])
    around, records = settled(tmp_path, world)
    world.elsewhere = "https://a."
    state = asyncio.run(visit(around, records))
    assert state.status in UP
    assert not state.endpoints["https"]["ipv4"].ok
    assert all(endpoint.ok for endpoint in state.endpoints["http"].values())
