"""The two ways to an order, from candidates and on demand, and what losing a mirror changes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import Coordinates, Mirror
from app.snapshot.loaded import LoadedSnapshot
from tests.builders import (
    TOWN_CELLS,
    TOWNS,
    Network,
    a_client,
    a_config,
    a_mirror,
    ask,
    cell,
    policy,
)
from tests.ranking.test_ranking import host_names

GRID = [(latitude, longitude) for latitude in range(36, 60, 4) for longitude in range(-8, 28, 4)]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """More mirrors than candidates, many of them equal: in the same town, of the same weight."""
    seed = draw(st.integers(0, 2**32))
    number = draw(st.integers(66, 110))
    towns = draw(st.sampled_from([1, 3, len(GRID)]))
    chosen = random.Random(seed)
    mirrors = []
    for name in host_names(number, seed):
        latitude, longitude = chosen.choice(GRID[:towns])
        nowhere = chosen.random() < 0.05
        mirrors.append(
            Mirror(
                name=name,
                addresses={"https": f"https://{name}/"},
                country=None if nowhere else chosen.choice(["DE", "FR", "LU", "TR"]),
                coordinates=None if nowhere else Coordinates(latitude=latitude, longitude=longitude),
                weight=chosen.choice([1.0, 1.0, 1.0, 2.0, 0.3]),
            )
        )
    load_km = {mirror.name: chosen.choice([0.0, 0.0, 33.3]) for mirror in mirrors}
    spread_km = draw(st.sampled_from([60.0, 59.9, 7.0, 0.0]))
    return Network(mirrors=mirrors, config=a_config(selection=policy(spread_km=spread_km)), load_km=load_km)


CLIENT_PLACES = [cell("frankfurt"), cell("istanbul"), cell("tokyo"), "DE", "TR", "~EU", ""]


@settings(max_examples=12, deadline=None)
@given(networks())
def test_the_candidates_begin_the_whole_order(network: Network) -> None:
    """What a place's 64 candidates make certain is exactly the beginning of the order of all; and so is
    what is ranked on demand of some, or of the best of some."""
    snapshot, chosen = network.load(), np.random.default_rng(1)
    certain = 0
    for row in map(snapshot.row_of, CLIENT_PLACES):
        for spread in range(0, 32, 3):
            near, everything = snapshot.near(row, spread)
            far = snapshot.far(row, spread)
            assert not everything
            assert near == far[: len(near)]
            assert sorted(far) == list(snapshot.rankable)
            among, count = chosen.random(len(snapshot.mirrors)) < chosen.random(), int(chosen.integers(1, 60))
            assert snapshot.far(row, spread, among, count) == [index for index in far if among[index]][:count]
            certain += len(near)
    if network.config.selection.spread_km and len({mirror.coordinates for mirror in network.mirrors}) > 30:
        assert certain > 0


def first_of_all_clients(snapshot: LoadedSnapshot) -> dict[tuple[str, int], str]:
    """The first mirror of each place and spread value."""
    firsts = {}
    for place in CLIENT_PLACES:
        for spread in range(0, 32, 5):
            selection = ask(snapshot, a_client(place=place, spread=spread))
            firsts[place, spread] = snapshot.mirrors[selection.mirrors[0]].name
    return firsts


@settings(max_examples=12, deadline=None)
@given(networks(), st.data())
def test_losing_a_mirror_moves_only_its_own_clients(network: Network, data: st.DataObject) -> None:
    """With fixed prices, whoever had another mirror first has the same one afterwards."""
    before = first_of_all_clients(network.load())
    lost = data.draw(st.sampled_from(sorted(set(before.values()))))
    mirrors = [mirror for mirror in network.mirrors if mirror.name != lost]
    after = first_of_all_clients(
        Network(mirrors=mirrors, config=network.config, load_km=network.load_km).load()
    )
    moved = {client for client in before if after[client] != before[client]}
    assert moved == {client for client in before if before[client] == lost}


@settings(max_examples=8, deadline=None)
@given(networks())
def test_ranking_on_demand_costs_what_was_compiled(network: Network) -> None:
    """Bit for bit: a mirror costs the same ranked alone, among its place's candidates, or in a table
    of hundreds of places."""
    cells = {f"DE/{n // 40}/{n % 40}": (n / 15 + 0.37, n % 40 + 0.11) for n in range(600)}
    cells |= {f"FR/{latitude}/{longitude}": (latitude, longitude) for latitude, longitude in GRID}
    snapshot = Network(
        mirrors=network.mirrors, config=network.config, load_km=network.load_km, cells={**TOWN_CELLS, **cells}
    ).load()
    for row in (
        *range(0, len(snapshot.rows), 97),
        *(snapshot.rows[place] for place in cells if place[0] == "F"),
    ):
        stored = dict(zip(snapshot._candidates[row].tolist(), snapshot._costs[row].tolist(), strict=True))
        ranked = snapshot.rank(row, 0, snapshot.rankable)
        on_demand = dict(zip(ranked.indexes, ranked.terms.total()[0].tolist(), strict=True))
        assert {index: on_demand[index] for index in stored} == stored
        alone = next(iter(stored))
        assert snapshot.rank(row, 0, [alone]).terms.total()[0].tolist() == [stored[alone]]


def test_a_place_with_few_mirrors_needs_no_second_look() -> None:
    """Up to 64 mirrors, the candidates are the whole order."""
    snapshot = Network([a_mirror(name, "munich") for name in "abc"]).load()
    for spread in range(32):
        order, everything = snapshot.near(snapshot.row_of(cell("frankfurt")), spread)
        assert everything
        assert order == snapshot.far(snapshot.row_of(cell("frankfurt")), spread)


# --- as users see it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("town", "expected"),
    [
        ("frankfurt", "frankfurt munich strasbourg"),
        ("luxembourg", "luxembourg strasbourg"),
        ("strasbourg", "strasbourg paris"),
        ("new york", "new-york ashburn san-francisco"),
        ("sydney", "sydney"),
        ("istanbul", "istanbul"),
    ],
)
def test_near_first_then_own_country_then_neighbours(town: str, expected: str) -> None:
    """With no noise, a client's list begins at home and goes on to what is least far away."""
    network = Network(
        [a_mirror(name.replace(" ", "-"), name) for name in TOWNS],
        config=a_config(selection=policy(spread_km=0.0)),
    )
    snapshot = network.load()
    selection = ask(snapshot, a_client(town))
    names = [snapshot.mirrors[index].name.removesuffix(".example.org") for index in selection.mirrors]
    assert names[: len(expected.split())] == expected.split()
    assert set(selection.passes) == {"geography"}
