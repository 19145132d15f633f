"""Load prices: what clients get, the caps that prices hold, and how slowly published prices move."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.logs import Faults
from app.model import ClientClass, Coordinates, Mirror
from app.ranking import prices, ranking
from app.ranking.prices import Demand
from app.ranking.ranking import SPREADS
from app.settings import Settings
from app.snapshot.compile import compile_snapshot
from app.snapshot.demand import Market
from app.snapshot.loaded import LoadedSnapshot
from app.snapshot.schema import encode
from app.worker.pricing import Solution, solved
from app.worker.reader import InputReader
from tests.builders import NOW, TOWN_CELLS, TOWNS, Network, a_config, a_mirror, cell, policy, question, select
from tests.conftest import ROOT

SPREAD_KM = 60.0


def a_world(seed: int, mirrors: int = 24, places: int = 300, weights: bool = False) -> Demand:
    """Mirrors and places scattered over a square of 3,000 km, both crowded in the middle."""
    rng = np.random.default_rng(seed)
    stands, lives = rng.normal(1500, 500, (mirrors, 2)), rng.normal(1500, 400, (places, 2))
    costs = np.hypot(*(lives[:, None, :] - stands).transpose(2, 0, 1)).astype(np.float32)
    clients = rng.pareto(2, places).clip(0.01, 3)
    weight = rng.choice([0.5, 1.0, 4.0], mirrors) if weights else np.ones(mirrors)
    names = [f"m{number}.example.org" for number in range(mirrors)]
    return Demand(
        costs=costs,
        weight_km=(-SPREAD_KM * np.log(weight)).astype(np.float32),
        clients=clients / clients.sum(),
        noise=prices.noise_table(ranking.noise_ranks(names), SPREAD_KM),
        fair=weight / weight.sum(),
        spread_km=SPREAD_KM,
    )


def shares(demand: Demand, load_km: ranking.Floats) -> prices.Shares:
    return prices.shares(demand, prices.first_mirrors(demand, load_km))


def free(demand: Demand) -> ranking.Floats:
    return np.zeros(len(demand.fair), np.float32)


def excess(demand: Demand, load_km: ranking.Floats, max_share: float) -> float:
    """By how much the caps are exceeded, in all."""
    ratio = shares(demand, load_km) / demand.cap(max_share)
    return float(np.maximum(ratio - 1, 0).sum())


SEEDS = st.integers(0, 10_000)

# --- caps --------------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, max_share=st.sampled_from([1.5, 2.0, 3.0, 4.0]), weights=st.booleans())
def test_no_mirror_above_its_cap(seed: int, max_share: float, weights: bool) -> None:
    """Under the solved prices every mirror gets at most `max_share` times its fair share by weight, of
    the clients with their 32 spread values, not of an ideal."""
    demand = a_world(seed, weights=weights)
    load = prices.solve(demand, max_share)
    assert load.min() >= 0
    assert (shares(demand, load) <= demand.cap(max_share) + 1e-12).all()


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_prices_are_whole_and_the_same_each_time(seed: int) -> None:
    """Prices are whole kilometres, as they are published, so that rounding exceeds no cap; the same
    input gives the same ones."""
    demand = a_world(seed)
    load = prices.solve(demand, 3.0)
    assert (load == np.round(load)).all()
    assert (load == prices.solve(demand, 3.0)).all()


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_a_warm_start_comes_to_much_the_same(seed: int) -> None:
    """Where the iteration starts decides how long it takes, not where it ends: caps hold, and no price
    is far off."""
    demand = a_world(seed)
    cold = prices.solve(demand, 3.0)
    wild = np.random.default_rng(seed).uniform(0, 400, len(cold)).astype(np.float32)
    warm = prices.solve(demand, 3.0, wild)
    assert (shares(demand, warm) <= demand.cap(3.0) + 1e-12).all()
    assert np.abs(warm - cold).max() < 60


def test_prices_come_down_again() -> None:
    """A mirror that has room again gets cheaper: prices follow the demand, not their own past."""
    demand = a_world(1)
    dear = np.full(len(demand.fair), 300, np.float32)
    assert (prices.solve(demand, 4.0, dear) == 0).sum() == (prices.solve(demand, 4.0) == 0).sum() > 5


@pytest.mark.parametrize("max_share", [1.0, 4.0])
def test_what_cannot_be_done_ends_at_the_best(max_share: float) -> None:
    """All clients are in one town: 32 spread values cannot be dealt out evenly to 24 mirrors, and with
    the nearest first hardly at all. The search ends, and what it ends at is better than no prices."""
    demand = a_world(3)
    everybody = np.where(np.arange(len(demand.clients)) == 7, 1.0, 0.0)
    town = replace(demand, clients=everybody)
    load = prices.solve(town, max_share)
    assert excess(town, load, max_share) < excess(town, free(town), max_share)


def test_the_nearest_to_the_cap_where_it_cannot_be_held() -> None:
    """With a cap below what one spread value of one town has, the excess is shared out."""
    demand = a_world(4)
    town = replace(demand, clients=np.eye(len(demand.clients))[0])
    got = shares(town, prices.solve(town, 1.0))
    assert got.max() <= 4 / SPREADS
    assert (got > 0).sum() >= 18


@pytest.mark.parametrize(
    ("mirrors", "max_share", "priced"),
    [
        pytest.param(prices.MIN_MIRRORS, 2.0, True, id="just enough mirrors"),
        pytest.param(prices.MIN_MIRRORS - 1, 2.0, False, id="too few mirrors: all are needed"),
        pytest.param(60, 0.0, False, id="off"),
        pytest.param(60, 1000.0, False, id="a limit that nobody reaches evens out all the same"),
    ],
)
def test_when_there_are_prices(mirrors: int, max_share: float, priced: bool) -> None:
    """`max_share: 0` and networks below `MIN_MIRRORS` have none, and no cap either."""
    demand = a_world(5, mirrors)
    if max_share == 1000.0:
        assert demand.cap(max_share).min() > 1
        return
    assert (prices.solve(demand, max_share) > 0).any() == priced
    assert np.isinf(demand.cap(max_share)).all() != priced


def test_caps_go_by_weight() -> None:
    """A mirror of four times the capacity may get four times as much, and gets it."""
    demand = a_world(6, mirrors=25, weights=True)
    cap = demand.cap(2.0)
    assert np.allclose(cap / cap.min(), np.exp(-demand.weight_km / SPREAD_KM) / 0.5, rtol=1e-4)
    got = shares(demand, prices.solve(demand, 2.0))
    large = demand.weight_km < -1
    assert got[large].mean() > 3 * got[~large].mean()


def test_a_mirror_that_is_nowhere_has_no_share_and_no_price() -> None:
    """It comes last everywhere, so that its capacity must not count as if clients could use it."""
    mirrors = [a_mirror(f"m{number:02}", "paris") for number in range(20)]
    mirrors.append(Mirror(name="nowhere.example.org", addresses={"https": "https://nowhere.example.org/"}))
    market = Market(Network(mirrors=mirrors).load(), {cell("paris"): 1.0})
    nowhere = market.names.index("nowhere.example.org")
    assert market.demand.fair[nowhere] == 0
    assert market.demand.fair.sum() == pytest.approx(1)
    assert np.isinf(market.demand.cap(4.0)[nowhere])
    assert prices.solve(market.demand, 4.0)[nowhere] == 0


def test_without_spread() -> None:
    """With `spread_km: 0` every place goes to one mirror as a whole; prices still share as they can."""
    demand = replace(a_world(7), noise=np.zeros((24, SPREADS), np.float32), spread_km=0.0)
    load = prices.solve(demand, 1.5)
    assert excess(demand, load, 1.5) < excess(demand, free(demand), 1.5)


def at(name: str, latitude: float, longitude: float, country: str) -> Mirror:
    where = Coordinates(latitude=latitude, longitude=longitude)
    return a_mirror(name, country=country, coordinates=where)


def two_continents() -> list[Mirror]:
    """24 mirrors in Europe, one in Australia."""
    return [at(f"eu{i:02}", 47 + i % 5, 2 + i / 3, "DE" if i % 2 else "FR") for i in range(24)] + [
        a_mirror("alone", "sydney")
    ]


def test_a_lone_mirror_is_not_drowned() -> None:
    """The only mirror of a continent gets what it may, no more and not much less; the rest of its
    continent goes on to the next, by price."""
    clients = {cell("sydney"): 30.0, cell("paris"): 40.0, cell("munich"): 30.0}
    market = Market(Network(mirrors=two_continents()).load(), clients)
    alone = market.names.index("alone.example.org")
    assert shares(market.demand, free(market.demand))[alone] == pytest.approx(0.3)
    load = prices.solve(market.demand, 4.0)
    cap = 4 / 25
    assert 0.6 * cap < shares(market.demand, load)[alone] <= cap
    assert load[alone] > 10_000  # Europe is far


# --- what clients get --------------------------------------------------------------------------------


def prices_for(names: list[str]) -> dict[str, float]:
    """Some price for each, none for every third."""
    return {name: float(17 * number % 300) for number, name in enumerate(names) if number % 3}


def test_first_mirrors_are_those_of_the_lists() -> None:
    """For every place and spread value, the first mirror is the one that the list begins with: under
    prices, weights, and with mirrors that do not serve some countries."""
    mirrors = [
        a_mirror(f"{town.replace(' ', '-')}-{number}", town, weight=(1.0, 3.0, 0.3)[number])
        for town in TOWNS
        for number in range(3)
    ]
    mirrors += [
        a_mirror("only-france", "frankfurt", weight=9.0, countries=("FR",)),
        a_mirror("not-france", "paris", weight=9.0, exclude_countries=("FR", "US")),
    ]
    places = [*TOWN_CELLS, "DE", "US", "JP", "FJ", "~EU", "~SA", ""]
    load = prices_for([mirror.name for mirror in mirrors])
    snapshot = Network(mirrors=mirrors, load_km=load).load()
    market = Market(snapshot, dict.fromkeys(places, 1.0))
    first = prices.first_mirrors(market.demand, market.load_of(load))
    assert len(market.rows) == len(places)
    asked = question(snapshot.config)
    for place, row in zip(market.rows, first, strict=True):
        for spread in range(SPREADS):
            client = ClientClass(list(snapshot.rows)[place], "", spread, 4)
            served = select(snapshot, client, asked).mirrors[0]
            assert market.names[row[spread]] == snapshot.mirrors[served].name, client


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedSnapshot, dict[str, float]]:
    """The sample network with all its places and some prices, and the prices."""
    var = tmp_path_factory.mktemp("var")
    city = ROOT / "data" / "geoip" / "city.mmdb"
    reader = InputReader(
        Settings(data_dir=ROOT / "data", var_dir=Path(var), geoip_city=(city,)),
        Faults(logging.getLogger("mirrorwise")),
    )
    reader.read(NOW.timestamp(), {})
    reader.geo.scan(wait=True)
    load = prices_for([mirror.name for mirror in reader.people.definitions.values()])
    inputs = reader.read(NOW.timestamp(), load)
    return LoadedSnapshot("sample", encode(compile_snapshot(inputs))), load


def test_first_mirrors_of_the_sample(sample: tuple[LoadedSnapshot, dict[str, float]]) -> None:
    """The same for all places of the sample network, whose orders come from the packed tables."""
    snapshot, load = sample
    market = Market(snapshot, dict.fromkeys(snapshot.rows, 1.0))
    first = prices.first_mirrors(market.demand, market.load_of(load))
    assert len(market.rows) == len(snapshot.rows) > 300
    for row, ours in zip(market.rows.tolist(), first, strict=True):
        barred = snapshot.barred(snapshot.letters(row)[0])
        for spread in range(SPREADS):
            order = snapshot.near(row, spread)[0]
            served = next(index for index in order if not barred[index])
            assert market.names[ours[spread]] == snapshot.mirrors[served].name


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, data=st.data())
def test_losing_a_mirror_moves_its_own_clients_only(seed: int, data: st.DataObject) -> None:
    """With prices as they stand, whoever began with another mirror still does."""
    demand = a_world(seed, weights=True)
    load = prices.solve(demand, 3.0)
    lost = data.draw(st.integers(0, len(load) - 1))
    left = np.delete(np.arange(len(load)), lost)
    without = replace(
        demand,
        costs=demand.costs[:, left],
        weight_km=demand.weight_km[left],
        noise=demand.noise[left],
        fair=demand.fair[left],
    )
    before = prices.first_mirrors(demand, load)
    after = left[prices.first_mirrors(without, load[left])]
    assert ((before == after) == (before != lost)).all()


# --- markets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counted", "as_at"),
    [
        pytest.param("DE/50/99", "DE", id="a cell that no database has, as its country"),
        pytest.param("XX/1/2", "", id="a country that is none, as nowhere"),
        pytest.param("~EU", "~EU", id="a continent"),
        pytest.param("", "", id="nothing known"),
    ],
)
def test_clients_are_counted_where_their_answers_come_from(counted: str, as_at: str) -> None:
    """Measured counts may name places that the snapshot does not know."""
    snapshot = Network(mirrors=[a_mirror("m", "paris")]).load()
    market = Market(snapshot, {counted: 3.0, cell("paris"): 1.0, cell("tokyo"): 0.0})
    names = [list(snapshot.rows)[row] for row in market.rows]
    assert dict(zip(names, market.demand.clients, strict=True)) == {cell("paris"): 0.25, as_at: 0.75}


def test_places_that_nobody_serves_are_no_part_of_the_market() -> None:
    """Clients of a country that no mirror wants get the origin, and no mirror's share has them."""
    mirrors = [
        a_mirror("one", "paris", exclude_countries=("JP",)),
        a_mirror("two", "tokyo", countries=("FR",)),
    ]
    market = Market(Network(mirrors=mirrors).load(), {cell("paris"): 1.0, cell("tokyo"): 9.0})
    assert [list(market.snapshot.rows)[row] for row in market.rows] == [cell("paris")]
    assert len(market.places.country) == 1
    assert market.demand.clients.tolist() == [1.0]


# --- how published prices move -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "target", "then"),
    [
        pytest.param(0, 0, None, id="free stays free, and is left out"),
        pytest.param(0, 14, None, id="near enough: stays free"),
        pytest.param(100, 114, 100, id="near enough above"),
        pytest.param(100, 86, 100, id="near enough below"),
        pytest.param(100, 160, 102, id="a thirtieth of the way"),
        pytest.param(100, 40, 98, id="and down"),
        pytest.param(0, 5000, 20, id="at most 20 km up"),
        pytest.param(5000, 0, 4980, id="at most 20 km down"),
        pytest.param(3, 0, 3, id="the last few km stay: nobody is moved for them"),
    ],
)
def test_step_towards(now: float, target: float, then: float | None) -> None:
    """An hour's step: a thirtieth of the way, at most 20 km, whole kilometres, and none at all for a price
    within 15 km of where it should be."""
    moved = prices.Approach().step({"m": now} if now else {}, {"m": target}, False)
    assert moved == ({} if then is None else {"m": then})


def test_haste() -> None:
    """When a mirror has had far more than it should for three hours, prices go five times as fast, up and
    down, until it has not."""
    pace = prices.Approach()
    hours = [False, True, True, False, True, True, True, True, False, True]
    steps = [pace.step({"up": 1000.0, "down": 5000.0}, {"up": 6000.0, "down": 0.0}, now) for now in hours]
    far = [20, 20, 20, 20, 20, 20, 100, 100, 20, 20]
    assert steps == [{"up": 1000 + km, "down": 5000 - km} for km in far]


@given(
    now=st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3000).map(float)),
    target=st.dictionaries(st.sampled_from("abcd"), st.floats(0, 3000)),
    is_overloaded=st.booleans(),
)
def test_a_step_never_overshoots(
    now: dict[str, float], target: dict[str, float], is_overloaded: bool
) -> None:
    """Each step ends between where the price is and where it should be, and not more than 20 km on, or
    100 km while a mirror is overloaded."""
    pace = prices.Approach()
    moved = [pace.step(now, target, is_overloaded) for _ in range(prices.PATIENCE_HOURS)][-1]
    for name, aim in target.items():
        before, after = now.get(name, 0.0), moved.get(name, 0.0)
        assert abs(after - before) <= (100 if is_overloaded else 20)
        assert min(before, aim) - 1 < after < max(before, aim) + 1


def test_steps_arrive() -> None:
    """In the end a price is within the dead band of its target, and rests there."""
    pace, price = prices.Approach(), {"m": 20.0}
    for _ in range(400):
        price = pace.step(price, {"m": 1000.0}, False)
    assert 980 <= price["m"] <= 1000
    assert pace.step(price, {"m": 1000.0}, False) == price


# --- flapping ----------------------------------------------------------------------------------------

FLAPPING = "eu07.example.org"


def overseas_lists(mirrors: list[Mirror], load: dict[str, float]) -> list[list[str]]:
    """What clients in Australia and Japan get, of all spread values."""
    network = Network(mirrors=mirrors, config=a_config(selection=policy(length=6)), load_km=load)
    snapshot = network.load()
    asked = question(snapshot.config)
    clients = [
        ClientClass(place, "", spread, 4)
        for place in (cell("sydney"), cell("tokyo"))
        for spread in range(SPREADS)
    ]
    lists = [select(snapshot, client, asked).mirrors for client in clients]
    return [[snapshot.mirrors[index].name for index in indexes] for indexes in lists]


def many(flaps: bool) -> list[Mirror]:
    """Crowds in Europe and in Australia."""
    mirrors = two_continents()
    mirrors += [at(f"oc{i:02}", -33 - i / 10, 151 - i / 10, "AU") for i in range(9)]
    mirrors += [at(f"jp{i:02}", 35 + i / 10, 139 - i / 10, "JP") for i in range(9)]
    return [mirror for mirror in mirrors if not flaps or mirror.name != FLAPPING]


@pytest.mark.slow
def test_flapping_changes_nothing_on_another_continent() -> None:
    """A mirror that comes and goes for 20 refreshes, with prices solved anew each time, changes no list
    on another continent, and its own price is where it was."""
    clients = {cell("paris"): 40.0, cell("munich"): 20.0, cell("sydney"): 20.0, cell("tokyo"): 20.0}

    def solution(mirrors: list[Mirror], load: dict[str, float]) -> Solution:
        return solved(Network(mirrors=mirrors).load(), clients, load)

    load = prices.published(solution(many(flaps=False), {}).target_km)
    assert len(load) > 5
    before = overseas_lists(many(flaps=False), load)
    pace, price = prices.Approach(), load.get(FLAPPING)
    for refresh in range(20):
        mirrors = many(flaps=refresh % 2 == 0)
        assert overseas_lists(mirrors, load) == before
        load = pace.step(load, *solution(mirrors, load))
    assert price is None or abs(load[FLAPPING] - price) <= 5


def test_a_mirror_that_cannot_be_served_keeps_its_price() -> None:
    """It would be flooded when it comes back, if it came back for free. Once it is out of the network
    for good, its price is forgotten."""
    mirrors = many(flaps=False)
    load = prices.published(solved(Network(mirrors=mirrors).load(), {cell("paris"): 1.0}, {}).target_km)
    dear = max(load, key=lambda name: load[name])
    down = [msgspec.structs.replace(m, disabled=m.name == dear) for m in mirrors]
    assert solved(Network(mirrors=down).load(), {cell("paris"): 1.0}, load).target_km[dear] == load[dear]
    gone = [mirror for mirror in mirrors if mirror.name != dear]
    assert dear not in solved(Network(mirrors=gone).load(), {cell("paris"): 1.0}, load).target_km
