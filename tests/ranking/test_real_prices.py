"""Load prices for AlmaLinux's mirrors and DB-IP's places, against the rule in use there, and against
what the application really answers."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import msgspec
import numpy as np
import pytest

from app.logs import Faults
from app.model import ClientClass
from app.ranking import prices
from app.ranking.ranking import SPREADS, Floats
from app.request.parameters import ParameterReader
from app.request.question import Parser
from app.settings import Settings, read_settings
from app.simulation import outcome as simulation
from app.snapshot.compile import Inputs, compile_snapshot
from app.snapshot.demand import Market
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import encode, generation_of
from app.store import Publication, file_store
from app.web import create_app
from app.worker.pricing import solved
from app.worker.reader import InputReader
from tests.builders import NOW, select
from tests.once import Scanned
from tests.shifting import ShiftedNetwork, a_day_later, moved_to

pytestmark = pytest.mark.slow

REQUESTS = 200_000
LIST = "/mirrorlist/9/baseos"


@dataclass(frozen=True)
class Priced:
    """The network with its first prices. `settings` lead to the data and to a store of its own."""

    settings: Settings
    inputs: Inputs
    clients: dict[str, float]
    market: Market
    load_km: Floats
    cold_s: float

    @property
    def by_name(self) -> dict[str, float]:
        return prices.published(dict(zip(self.market.names, self.load_km.tolist(), strict=True)))

    def without(self, name: str | None) -> Market:
        mirrors = [mirror for mirror in self.inputs.mirrors if mirror.name != name]
        return Market(snapshot_of(replace(self.inputs, mirrors=mirrors)), self.clients)

    def sending(self, market: Market, load_km: dict[str, float]) -> simulation.Sending:
        return simulation.by_price(market, market.load_of(load_km))


def snapshot_of(inputs: Inputs) -> LoadedSnapshot:
    data = encode(compile_snapshot(inputs))
    return LoadedSnapshot(generation_of(data), data)


@pytest.fixture(scope="module")
def priced(
    real_data: Path, dbip: list[Path], scanned_dbip: Scanned, tmp_path_factory: pytest.TempPathFactory
) -> Priced:
    folder = tmp_path_factory.mktemp("real")
    for name, target in (("config.yml", "almalinux/config.yml"), ("mirrors.d", "almalinux/mirrors.d")):
        (folder / name).symlink_to(real_data / target)
    var = scanned_dbip.copied(tmp_path_factory.mktemp("scanned") / "var")
    settings = read_settings(
        {"MIRRORWISE_DATA": str(folder), "MIRRORWISE_VAR": str(var), "GEOIP_CITY": ",".join(map(str, dbip))}
    )
    reader = InputReader(settings, Faults(logging.getLogger(__name__)))
    reader.read(NOW.timestamp(), {})
    reader.geo.scan(wait=True)
    inputs = reader.read(NOW.timestamp(), {})
    clients = dict(reader.clients)
    began = time.perf_counter()
    market = Market(snapshot_of(inputs), clients)
    load_km = prices.solve(market.demand, inputs.config.selection.max_share)
    return Priced(settings, inputs, clients, market, load_km, time.perf_counter() - began)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    """Lines for whoever looks at the figures."""
    lines: list[str] = []
    yield lines
    with capsys.disabled():
        print("", *lines, sep="\n  ")  # noqa: T201 - what it is for


def test_against_the_rule(priced: Priced, say: list[str]) -> None:
    """Nearer by far, more even, and hardly fewer clients in their own country."""
    market = priced.market
    ours = simulation.outcome_of(market, simulation.by_price(market, priced.load_km), priced.load_km)
    rule = simulation.outcome_of(market, simulation.by_country_500km(market), 0 * priced.load_km)
    free = simulation.outcome_of(market, simulation.by_price(market, 0 * priced.load_km), 0 * priced.load_km)
    for label, one in (("priced", ours), ("without prices", free), ("country-500km", rule)):
        say.append(
            f"{label:14}: mean {one.mean_km:.0f} km, median {one.median_km:.0f} km, "
            f"95 % {one.p95_km:.0f} km, own country {one.own_country:.2%}, "
            f"most loaded {one.largest_share:.2%}, effective {one.effective_mirrors:.0f}"
        )
    assert ours.mean_km and ours.median_km and ours.own_country
    assert rule.mean_km and rule.median_km and rule.own_country
    assert ours.mean_km <= 0.78 * rule.mean_km
    assert ours.median_km <= 0.22 * rule.median_km
    assert ours.own_country >= rule.own_country - 0.01
    assert ours.largest_share <= 0.012
    assert ours.effective_mirrors >= 1.05 * rule.effective_mirrors


def test_caps_and_time(priced: Priced, say: list[str]) -> None:
    """No mirror is above four times its fair share, and prices that are solved again are the same."""
    demand, policy = priced.market.demand, priced.inputs.config.selection
    began = time.perf_counter()
    warm = prices.solve(demand, policy.max_share, priced.load_km)
    warm_s = time.perf_counter() - began
    share = prices.shares(demand, prices.first_mirrors(demand, priced.load_km))
    say.append(
        f"cold {priced.cold_s:.1f} s, warm {warm_s:.1f} s; {(priced.load_km > 0).sum()} of {len(warm)} "
        f"mirrors have a price, up to {priced.load_km.max():.0f} km; "
        f"most loaded {(share / demand.cap(1)).max():.2f} x fair"
    )
    assert (share <= demand.cap(policy.max_share) + 1e-12).all()
    assert np.abs(warm - priced.load_km).max() < 15  # what the dead band of published prices swallows


def test_losing_a_mirror(priced: Priced, say: list[str]) -> None:
    """At once only its own clients move; in the day after, with prices on their way to where they would be
    without it, at most as many again."""
    before = priced.sending(priced.market, priced.by_name)
    outcome = simulation.outcome_of(priced.market, before, priced.load_km)
    chosen = [*outcome.mirrors[:3], *outcome.mirrors[5:200:90]]
    for one in chosen:
        after = priced.without(one.mirror)
        at_once = simulation.moved(priced.market, before, after, priced.sending(after, priced.by_name))
        assert at_once == pytest.approx(one.share, abs=1e-9)
        load = a_day_later(after.snapshot, priced.clients, priced.by_name, prices.Approach())
        day = simulation.moved(priced.market, before, after, priced.sending(after, load))
        say.append(f"{one.mirror:34} had {one.share:.2%}; moved after a day {day / one.share:.2f} x that")
        assert day <= 2 * one.share


ELSEWHERE = ("NL", "CA")
OVERSEAS = ("US", "BR", "JP", "AU", "ZA")


def lists(snapshot: LoadedSnapshot, places: list[str]) -> list[list[str]]:
    parser = Parser(snapshot.config, ParameterReader(snapshot.policy))
    question = parser.parse_list({"arch": "x86_64"}, "9", "baseos")
    clients = [ClientClass(place, "", spread, 4) for place in places for spread in range(SPREADS)]
    found = [select(snapshot, client, question).mirrors for client in clients]
    return [[snapshot.mirrors[index].name for index in indexes] for indexes in found]


def test_flapping(priced: Priced) -> None:
    """A European mirror that comes and goes for 20 hours, with prices decided anew each hour, changes no
    list in the largest places of other continents."""
    flapping = "mirror.server.net"
    places = [
        sorted((count, name) for name, count in priced.clients.items() if name.startswith(f"{country}/"))
        for country in OVERSEAS
    ]
    largest = [name for of_country in places for _, name in of_country[-8:]]
    load, pace = priced.by_name, prices.Approach()
    present = snapshot_of(replace(priced.inputs, load_km=load))
    before = lists(present, largest)
    assert flapping not in {name for names in before for name in names}
    networks = [priced.without(flapping).snapshot, present]
    for hour in range(20):
        load = pace.step(load, *solved(networks[hour % 2], priced.clients, load))
    mirrors = [mirror for mirror in priced.inputs.mirrors if mirror.name != flapping]
    for without in (priced.inputs, replace(priced.inputs, mirrors=mirrors)):
        assert lists(snapshot_of(replace(without, load_km=load)), largest) == before


def test_where_clients_really_are(priced: Priced, say: list[str]) -> None:
    """A third of the world's clients are in two countries, against the estimate. A day after the first day
    that is counted, the most loaded mirror has come from above twice its cap to below 1.3 times it, and rests
    there. On that day fewer clients change their mirror than twice what is above caps, and hardly one after
    it."""
    real = moved_to(priced.clients, 1 / 3, *ELSEWHERE)
    network = ShiftedNetwork(priced.market.snapshot, priced.clients, real, priced.by_name, 1_000_000)
    began, excess, loads, moved = network.most_loaded(), network.excess(), [], []
    for _ in range(3):
        moved.append(network.day())
        loads.append(network.most_loaded())
    say.append(
        f"{excess:.1%} above caps; most loaded {began:.2f} x cap, by day {[round(load, 2) for load in loads]}"
    )
    say.append(f"moved by day: {', '.join(f'{part:.1%}' for part in moved)}")
    assert began > 2
    assert max(loads) < 1.3
    assert moved[0] < 2 * excess
    assert max(moved[1:]) < 0.02


def test_a_country_as_a_whole(priced: Priced) -> None:
    """Clients of whom only the country is known spread over its mirrors, as far as 32 spread values go:
    no centre of the country has them all."""
    snapshot = snapshot_of(replace(priced.inputs, load_km=priced.by_name))
    for country in ("US", "DE", "FR", "BR", "JP", "GB", "AU", "ZA"):
        first = [names[0] for names in lists(snapshot, [country])]
        there = sum(snapshot.mirrors[index].country == country for index in snapshot.rankable)
        assert len(set(first)) >= 0.8 * min(there, 20)
        assert {snapshot.mirrors[snapshot.number[name]].country for name in first} == {country}


def test_what_the_application_answers(priced: Priced, tmp_path: Path, say: list[str]) -> None:
    """The shares of 200,000 clients, drawn by how many there are in each place and asking the application
    as nginx does, are the simulated ones within sampling error."""
    market = priced.market
    asking = Asking(priced, tmp_path)
    names = list(market.snapshot.rows)
    rng = np.random.default_rng(20_261_120)
    rows = market.rows[rng.choice(len(market.rows), REQUESTS, p=market.demand.clients)]
    spreads = rng.integers(0, SPREADS, REQUESTS)
    began = time.perf_counter()
    clients = zip(rows.tolist(), spreads.tolist(), strict=True)
    counted = Counter(asking.first(f"{names[row]}||{spread}|4") for row, spread in clients)
    took_s = time.perf_counter() - began

    outcome = simulation.outcome_of(market, priced.sending(market, priced.by_name), priced.load_km)
    expected = {one.mirror: REQUESTS * one.share for one in outcome.mirrors if one.share > 0}
    assert set(counted) <= set(expected)
    errors = np.array([(counted[name] - number) / np.sqrt(number) for name, number in expected.items()])
    often = np.array([number >= 5 for number in expected.values()])
    say.append(
        f"{REQUESTS} requests in {took_s:.0f} s: of {len(expected)} mirrors the worst is "
        f"{np.abs(errors[often]).max():.1f} standard deviations off, together chi2 {(errors**2).sum():.0f}"
    )
    assert np.abs(errors[often]).max() < 5
    assert (errors**2).sum() < len(expected) + 5 * np.sqrt(2 * len(expected))


class Asking:
    """The application with the priced network published, asked without a server in between."""

    def __init__(self, priced: Priced, folder: Path) -> None:
        snapshot = compile_snapshot(replace(priced.inputs, load_km=priced.by_name))
        snapshot = msgspec.structs.replace(snapshot, networks=None)  # nobody's network is looked up
        data = encode(snapshot)
        store = file_store(folder)
        assert store.lease("test", 600)
        generation = generation_of(data)
        at_s = NOW.timestamp()
        store.publish(
            Publication(generation=generation, snapshot=data, memory=b"", blobs=(), published_at_s=at_s),
            "test",
        )
        self.app = create_app(Settings(data_dir=folder, var_dir=folder, geoip_city=()), store, follow=False)
        self.app.extensions["mirrorwise"].refresh()
        self.names = {url: mirror.name for mirror in snapshot.mirrors for url in mirror.addresses.values()}
        self.environ: dict[str, Any] = {
            "PATH_INFO": LIST,
            "QUERY_STRING": "",
            "RAW_URI": LIST,
            "REMOTE_ADDR": "127.0.0.1",
        }
        setup_testing_defaults(self.environ)

    def first(self, client: str) -> str:
        """The mirror whose URL comes first for this class."""
        environ = {**self.environ, "HTTP_X_CLIENT_CLASS": client}
        body = b"".join(self.app.wsgi_app(environ, lambda *_: lambda _: None))
        url, _, below = body.partition(b"\n")[0].decode().rpartition("BaseOS/")
        assert below == "$basearch/os/", body
        return self.names[url[: url[:-1].rindex("/") + 1]]
