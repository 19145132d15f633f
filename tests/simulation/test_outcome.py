"""Simulation: who gets which clients, how far they go, and what a change moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model import Mirror
from app.simulation import outcome as simulation
from app.simulation.outcome import Outcome, Sending
from app.snapshot.demand import Market
from tests.builders import TOWNS, Network, a_mirror, cell

PARIS_TOKYO_KM = 9713


def market(mirrors: list[Mirror], clients: dict[str, float]) -> Market:
    """`clients` by town, or by place for what is none."""
    by_place = {cell(name) if name in TOWNS else name: count for name, count in clients.items()}
    return Market(Network(mirrors=mirrors).load(), by_place)


def in_towns(*towns: str) -> list[Mirror]:
    return [a_mirror(town.replace(" ", "-"), town) for town in towns]


def outcome(of: Market, load: dict[str, float] | None = None) -> Outcome:
    load_km = of.load_of(load or {})
    return simulation.outcome_of(of, simulation.by_price(of, load_km), load_km)


def got(of: Market, sending: Sending) -> dict[str, float]:
    """Shares by mirror, without the domain."""
    share = np.bincount(sending.mirror, sending.clients, len(of.names))
    return {
        name.removesuffix(".example.org"): float(part)
        for name, part in zip(of.names, share, strict=True)
        if part > 0
    }


# --- figures -----------------------------------------------------------------------------------------


def test_figures_of_one_mirror() -> None:
    """Distances, countries and shares, where they can be told by hand."""
    result = outcome(market(in_towns("paris"), {"paris": 90.0, "tokyo": 10.0}), {"paris.example.org": 7.0})
    assert result.mean_km == pytest.approx(0.1 * PARIS_TOKYO_KM, rel=0.01)
    assert result.median_km == pytest.approx(0, abs=0.1)
    assert result.p95_km == pytest.approx(PARIS_TOKYO_KM, rel=0.01)
    assert [result.own_country, result.own_continent] == pytest.approx([0.9, 0.9])
    assert [result.largest_share, result.effective_mirrors] == pytest.approx([1, 1])
    [mirror] = result.mirrors
    assert (mirror.mirror, mirror.country, mirror.load_km) == ("paris.example.org", "FR", 7.0)
    assert [mirror.ratio, mirror.share, mirror.fair_share] == pytest.approx([1, 1, 1])
    assert mirror.distance_km == pytest.approx(result.mean_km)


def test_shares_and_their_order() -> None:
    """The most loaded for its capacity comes first; effective mirrors are 1/Σ share²; a mirror without
    clients has no distance."""
    mirrors = [
        a_mirror("large", "paris", weight=3.0),
        a_mirror("small", "tokyo"),
        a_mirror("idle", "sydney"),
    ]
    result = outcome(market(mirrors, {"paris": 60.0, "tokyo": 40.0}))
    assert [one.mirror.split(".")[0] for one in result.mirrors] == ["small", "large", "idle"]
    assert [one.share for one in result.mirrors] == pytest.approx([0.4, 0.6, 0])
    assert [one.fair_share for one in result.mirrors] == pytest.approx([0.2, 0.6, 0.2])
    assert [one.ratio for one in result.mirrors] == pytest.approx([2, 1, 0])
    assert result.effective_mirrors == pytest.approx(1 / (0.4**2 + 0.6**2))
    assert result.largest_share == pytest.approx(0.6)
    assert result.mirrors[2].distance_km is None


@pytest.mark.parametrize(
    ("place", "distance", "own_country", "own_continent"),
    [
        pytest.param("FR", None, 1.0, 1.0, id="a country: nobody knows how far"),
        pytest.param("DE", None, 0.0, 1.0, id="another country"),
        pytest.param("~EU", None, None, 1.0, id="a continent has no country"),
        pytest.param("", None, None, None, id="nothing known"),
    ],
)
def test_vague_places(
    place: str, distance: float | None, own_country: float | None, own_continent: float | None
) -> None:
    """Clients whose place is not known exactly count for shares, and for what is known of them."""
    result = outcome(market(in_towns("paris"), {place: 1.0}))
    assert (result.mean_km, result.median_km, result.p95_km) == (distance, distance, distance)
    assert (result.own_country, result.own_continent) == (own_country, own_continent)
    assert result.mirrors[0].share == pytest.approx(1)
    assert result.mirrors[0].distance_km is None


def test_vague_places_do_not_pull_distances_down() -> None:
    """They are left out, rather than counted as being at the mirror."""
    result = outcome(market(in_towns("paris"), {"FR": 50.0, "tokyo": 50.0}))
    assert result.mean_km == pytest.approx(PARIS_TOKYO_KM, rel=0.01)
    assert result.mirrors[0].distance_km == pytest.approx(PARIS_TOKYO_KM, rel=0.01)


@settings(max_examples=15, deadline=None)
@given(
    counts=st.lists(st.floats(0.1, 100), min_size=len(TOWNS), max_size=len(TOWNS)),
    load=st.lists(st.integers(0, 5000), min_size=len(TOWNS), max_size=len(TOWNS)),
)
def test_what_always_holds(counts: list[float], load: list[int]) -> None:
    """Every client is somebody's: shares add up to one, and the mirrors' distances to the mean."""
    of = market(in_towns(*TOWNS), dict(zip(TOWNS, counts, strict=True)))
    result = outcome(of, dict(zip(of.names, map(float, load), strict=True)))
    assert sum(one.share for one in result.mirrors) == pytest.approx(1)
    assert 1 <= result.effective_mirrors <= len(of.names) + 1e-9
    mean = sum(one.share * (one.distance_km or 0) for one in result.mirrors)
    assert mean == pytest.approx(result.mean_km, abs=1e-6)
    assert result.median_km is not None and result.p95_km is not None
    assert 0 <= result.median_km <= result.p95_km


# --- the rule, for comparison -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "mirrors", "expected"),
    [
        pytest.param(
            "munich",
            in_towns("frankfurt", "munich", "strasbourg"),
            {"frankfurt": 0.5, "munich": 0.5},
            id="own country within 500 km, shuffled",
        ),
        pytest.param(
            "san francisco",
            in_towns("new york", "ashburn", "tokyo"),
            {"ashburn": 1.0},
            id="the nearest of the own country, however far",
        ),
        pytest.param(
            "luxembourg",
            in_towns("frankfurt", "strasbourg", "paris", "istanbul"),
            {"frankfurt": 1 / 3, "strasbourg": 1 / 3, "paris": 1 / 3},
            id="anyone within 500 km, shuffled",
        ),
        pytest.param("sydney", in_towns("tokyo", "new york"), {"tokyo": 1.0}, id="the nearest at all"),
        pytest.param(
            "DE",
            in_towns("frankfurt", "munich", "paris"),
            {"frankfurt": 0.5, "munich": 0.5},
            id="a country is near to all of its mirrors",
        ),
        pytest.param(
            "frankfurt",
            [a_mirror("picky", "frankfurt", countries=("FR",)), *in_towns("munich")],
            {"munich": 1.0},
            id="without those that do not serve the country",
        ),
    ],
)
def test_rule(client: str, mirrors: list[Mirror], expected: dict[str, float]) -> None:
    """Own country within 500 km shuffled, else its nearest, else anyone within 500 km, else the nearest."""
    of = market(mirrors, {client: 1.0})
    assert got(of, simulation.by_country_500km(of)) == pytest.approx(expected)


def test_rule_for_many_places() -> None:
    """Places are looked at in pieces, and every client counts once, at its own place."""
    towns = {town: float(number + 1) for number, town in enumerate(TOWNS)}
    of = market(in_towns("paris", "tokyo"), towns)
    sending = simulation.by_country_500km(of)
    assert sending.clients.sum() == pytest.approx(1)
    assert np.bincount(sending.place, sending.clients) == pytest.approx(of.demand.clients)


# --- what a change moves ----------------------------------------------------------------------------


def moved(before: Market, after: Market, load: dict[str, float] | None = None) -> float:
    first = simulation.by_price(before, before.load_of({}))
    return simulation.moved(before, first, after, simulation.by_price(after, after.load_of(load or {})))


def test_nothing_changed() -> None:
    """The same network moves nobody."""
    of = market(in_towns(*TOWNS), dict.fromkeys(TOWNS, 1.0))
    assert moved(of, of) == 0


@pytest.mark.parametrize("lost", ["paris", "tokyo", "ashburn"])
def test_a_lost_mirror_moves_its_clients(lost: str) -> None:
    """As many as it had; the others' indexes change, their clients do not."""
    clients = dict.fromkeys(TOWNS, 1.0)
    before = market(in_towns(*TOWNS), clients)
    after = market(in_towns(*(town for town in TOWNS if town != lost)), clients)
    [share] = [one.share for one in outcome(before).mirrors if one.mirror == f"{lost}.example.org"]
    assert moved(before, after) == pytest.approx(share) == pytest.approx(1 - moved_not(before, after))


def moved_not(before: Market, after: Market) -> float:
    """Counted the slow way: by names, place for place."""
    one, other = (simulation.by_price(of, of.load_of({})) for of in (before, after))
    same = [before.names[a] == after.names[b] for a, b in zip(one.mirror, other.mirror, strict=True)]
    return float(one.clients[same].sum())


def test_a_price_moves_clients() -> None:
    """A mirror too dear for anybody loses all of its clients."""
    of = market(in_towns("paris", "frankfurt"), {"paris": 30.0, "frankfurt": 70.0})
    assert moved(of, of, {"frankfurt.example.org": 20_000.0}) == pytest.approx(0.7, abs=0.01)


def test_clients_that_nobody_serves_any_more_have_moved() -> None:
    """They are at a place that one of the two networks does not have."""
    clients = {"paris": 50.0, "tokyo": 50.0}
    before = market(in_towns("paris"), clients)
    after = market([a_mirror("paris", "paris", countries=("FR",))], clients)
    assert moved(before, after) == pytest.approx(0.5)


def test_a_shuffling_rule_moves_by_chance() -> None:
    """Of two mirrors side by side, each has half of the clients both ways: half of them begin with the
    other one."""
    of = market([a_mirror("one", "paris"), a_mirror("two", "paris"), *in_towns("tokyo")], {"paris": 1.0})
    first, rule = simulation.by_price(of, of.load_of({})), simulation.by_country_500km(of)
    assert got(of, first) == got(of, rule) == {"one": 0.5, "two": 0.5}
    assert simulation.moved_at_random(of, first, rule) == pytest.approx(0.5)


def test_a_rule_that_does_not_shuffle_moves_nobody_who_stays() -> None:
    """Where both send everybody to the same mirror."""
    of = market(in_towns("paris", "tokyo"), {"paris": 1.0, "tokyo": 3.0, "sydney": 0.5})
    first, rule = simulation.by_price(of, of.load_of({})), simulation.by_country_500km(of)
    assert simulation.moved_at_random(of, first, rule) == pytest.approx(0)


# --- lone mirrors -----------------------------------------------------------------------------------


def test_a_lone_mirror_keeps_its_continent() -> None:
    """The only mirror of a continent is named with what it has, also when that is all of it."""
    result = outcome(market(in_towns("paris", "frankfurt", "sydney"), {"sydney": 20.0, "paris": 80.0}))
    [lone] = result.lone_mirrors
    assert (lone.mirror, lone.continent) == ("sydney.example.org", "OC")
    assert lone.clients == pytest.approx(0.2)
    assert lone.kept == pytest.approx(1)
    assert (lone.elsewhere, lone.load_km) == ({}, 0.0)


def test_a_lone_mirrors_excess_goes_to_the_next_continent() -> None:
    """With a price, part of its continent begins elsewhere, and it is said where."""
    of = market(in_towns("paris", "frankfurt", "tokyo", "istanbul", "sydney"), {"sydney": 1.0, "paris": 1.0})
    gap_km = 7823 + 500 + 1000  # to Tokyo, over a border, to another continent
    result = outcome(of, {"sydney.example.org": float(gap_km)})
    [lone] = result.lone_mirrors
    assert 0.2 < lone.kept < 0.8
    assert lone.elsewhere == pytest.approx({"AS": 1 - lone.kept})
    assert lone.load_km == gap_km


def test_a_continent_without_clients() -> None:
    """Its mirror is lone, but of nobody."""
    assert outcome(market(in_towns("paris", "frankfurt", "sydney"), {"paris": 1.0})).lone_mirrors == ()
