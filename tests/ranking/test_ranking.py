"""Ranking: one number in kilometres, the noise that shares the load, and the two ways to an order."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import Coordinates, SelectionPolicy
from app.model.countries import continent_of
from app.ranking import ranking
from app.snapshot.schema import ServedMirror
from app.snapshot.tables import mirror_table, place_points
from tests.builders import (
    policy,
)

FRANKFURT = (50.11, 8.68)


def a_served(country: str | None, where: tuple[float, float] | None, **changes: Any) -> ServedMirror:
    return ServedMirror(
        name="mirror.example.org",
        addresses={},
        module_addresses={},
        country=country,
        continent=continent_of(country or ""),
        coordinates=Coordinates(latitude=where[0], longitude=where[1]) if where else None,
        **changes,
    )


def one_cost(
    place: str, where: tuple[float, float], mirror: ServedMirror, selection: SelectionPolicy | None = None
) -> dict[str, float]:
    """The terms of one mirror at one place, and their total."""
    country = "" if place.startswith("~") else place.partition("/")[0]
    continent = place[1:] if place.startswith("~") else continent_of(country)
    points = place_points([place], np.array([where], np.float32), f"{country:2}", f"{continent or '':2}")
    terms = ranking.terms(points, mirror_table([mirror]), selection or SelectionPolicy())
    costs = {name: float(np.ravel(term)[0]) for name, term in terms._asdict().items()}
    return {**costs, "total": float(terms.total()[0, 0])}


# --- the terms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "expected_km"),
    [
        pytest.param((50.11, 8.68), (50.11, 8.68), 0, id="the same spot"),
        pytest.param((50.11, 8.68), (48.14, 11.58), 304, id="Frankfurt-Munich"),
        pytest.param((51.51, -0.13), (40.71, -74.01), 5570, id="London-New York"),
        pytest.param((-33.87, 151.21), (-33.45, -70.67), 11340, id="Sydney-Santiago, over the date line"),
        pytest.param((0, 179.5), (0, -179.5), 111.2, id="one degree over the date line"),
        pytest.param((90, 0), (90, 77), 0, id="the pole has any longitude"),
        pytest.param((90, 0), (-90, 0), 20015, id="pole to pole"),
        pytest.param((10, 20), (-10, -160), 20015, id="antipodes"),
    ],
)
def test_distance(one: tuple[float, float], other: tuple[float, float], expected_km: float) -> None:
    """The great circle on a sphere of the Earth's mean radius, to one per cent."""
    cost = one_cost("DE/0/0", one, a_served("DE", other))
    assert cost["distance"] == pytest.approx(expected_km, rel=0.01, abs=0.01)
    assert cost["total"] == cost["distance"]


@pytest.mark.parametrize(
    ("place", "country", "border", "continent"),
    [
        pytest.param("DE/50/8", "DE", 0, 0, id="same country"),
        pytest.param("DE/50/8", "FR", 500, 0, id="another country of the continent"),
        pytest.param("DE/50/8", "TR", 500, 1000, id="another continent"),
        pytest.param("DE/50/8", None, 500, 1000, id="a mirror of no known country crosses both"),
        pytest.param("DE", "FR", 500, 0, id="from a country as a whole"),
        pytest.param("~EU", "FR", 0, 0, id="a continent as a whole has no borders"),
        pytest.param("~EU", "TR", 0, 1000, id="from a continent as a whole to another"),
        pytest.param("", "TR", 0, 0, id="nothing is abroad for whom nothing is known of"),
        pytest.param("XX/1/2", "DE", 500, 0, id="a country whose continent nobody knows"),
    ],
)
def test_border_and_continent(place: str, country: str | None, border: float, continent: float) -> None:
    """Crossing a border costs 500 km and crossing to another continent 1,000 more."""
    cost = one_cost(place, FRANKFURT, a_served(country, FRANKFURT))
    assert (cost["border"], cost["continent"]) == (border, continent)


@pytest.mark.parametrize(
    ("place", "country", "where", "expected_km"),
    [
        pytest.param("DE", "DE", (48.14, 11.58), 0, id="a country's own mirror"),
        pytest.param("DE", "DE", None, 0, id="even one whose town is not known"),
        pytest.param("DE", "FR", (48.86, 2.35), 479, id="a neighbour's, from the centre"),
        pytest.param("~EU", "FR", (48.86, 2.35), 0, id="a continent's own mirror"),
        pytest.param("~EU", "US", (40.71, -74.01), 6201, id="another continent's, from the centre"),
        pytest.param("", "US", (40.71, -74.01), 0, id="any mirror, for whom nothing is known of"),
        pytest.param("DE/50/8", "DE", (48.14, 11.58), 304, id="a cell is a place like others"),
    ],
)
def test_wide_places_are_at_distance_zero(
    place: str, country: str, where: tuple[float, float] | None, expected_km: float
) -> None:
    """Whoever is known to be in a country only is as near to every mirror of it: the centre of the
    country, maybe a lake, says nothing."""
    cost = one_cost(place, FRANKFURT, a_served(country, where))
    assert cost["distance"] == pytest.approx(expected_km, rel=0.01)


def test_a_mirror_somewhere_is_farther_than_any_other() -> None:
    """No mirror whose location is known can be farther away than one whose location is not."""
    nowhere = one_cost("DE/50/8", FRANKFURT, a_served("DE", None))
    antipode = one_cost("DE/50/8", FRANKFURT, a_served("DE", (-FRANKFURT[0], FRANKFURT[1] - 180)))
    assert nowhere["distance"] >= antipode["distance"] > 20_000


@pytest.mark.parametrize(
    ("weight", "spread_km", "expected_km"), [(1, 60, 0), (2, 60, -41.6), (0.5, 100, 69.3)]
)
def test_weight(weight: float, spread_km: float, expected_km: float) -> None:
    """Twice the capacity is worth the detour that halves a mirror's share."""
    mirror = a_served("DE", FRANKFURT, weight=weight)
    cost = one_cost("DE/50/8", FRANKFURT, mirror, policy(spread_km=spread_km))
    assert cost["weight"] == pytest.approx(expected_km, abs=0.05)
    assert cost["total"] == pytest.approx(expected_km, abs=0.05)


def test_every_term_is_in_the_total() -> None:
    """Distance, border, continent, load and weight add up; penalties are the policy's."""
    mirror = a_served("TR", (41.01, 28.98), weight=2.0, load_km=75.0)
    cost = one_cost("DE/50/8", FRANKFURT, mirror, policy(border_km=300, continent_km=700))
    assert (cost["border"], cost["continent"], cost["load"]) == (300, 700, 75)
    assert cost["total"] == pytest.approx(cost["distance"] + 300 + 700 + 75 - 41.6, abs=0.05)


# --- candidates ------------------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=40),
    st.integers(1, 50),
)
def test_best_are_the_cheapest_in_order(costs: list[int], count: int) -> None:
    """The beginning of a full sort, equal costs by index."""
    table = np.array([costs, costs[::-1]], np.float32)
    indexes, best = ranking.best(table, count)
    for row, found, values in zip(table, indexes, best, strict=True):
        assert values.tolist() == sorted(row.tolist())[:count]
        assert [row[i] for i in found] == values.tolist()
        assert list(zip(values.tolist(), found.tolist(), strict=True)) == sorted(
            zip(values.tolist(), found.tolist(), strict=True)
        )
        assert len(set(found.tolist())) == len(found)


# --- noise -------------------------------------------------------------------------------------------

WORDS = ["almalinux", "mirror", "mirrors", "ftp", "repo", "linux", "dl", "pub", "cdn", "opensource"]
PLACES = [
    "ams",
    "ber",
    "bom",
    "fra",
    "gru",
    "icn",
    "jnb",
    "lhr",
    "mel",
    "nrt",
    "ord",
    "par",
    "sjc",
    "waw",
    "zrh",
]


def host_names(count: int, seed: int) -> list[str]:
    """Sorted names as mirrors have them."""
    draw = random.Random(seed)
    names: set[str] = set()
    while len(names) < count:
        domain = "".join(draw.choices("abcdefghijklmnoprstuvwxyz", k=draw.randint(4, 9)))
        names.add(f"{draw.choice(WORDS)}.{draw.choice(PLACES)}{draw.randint(1, 9)}.{domain}.example.net")
    return sorted(names)


def first_places(names: list[str], weights: list[float] | None = None, spread_km: float = 60.0) -> list[int]:
    """How many of the 32 spread values each of these mirrors gets, which are alike but for weight."""
    ranks = ranking.noise_ranks(names)
    base = -spread_km * np.log(np.array(weights or [1.0] * len(names), np.float32))
    firsts = [
        ranking.in_order(
            np.arange(len(names)), (base + ranking.noise_km(ranks, s, spread_km)).astype(np.float32)
        )[0]
        for s in range(ranking.SPREADS)
    ]
    return [firsts.count(index) for index in range(len(names))]


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_every_mirror_has_each_quantile_once(names: list[str]) -> None:
    """The 32 spread values of a mirror are all of its 32 chances, in an order of its own."""
    for row in ranking.noise_ranks(names).tolist():
        assert sorted(row) == list(range(32))


def test_noise_depends_on_the_name_alone() -> None:
    """Neither the other mirrors nor their number change a mirror's noise."""
    names = host_names(40, seed=1)
    together = ranking.noise_ranks(names)
    for row, name in zip(together, names, strict=True):
        assert row.tolist() == ranking.noise_ranks([name])[0].tolist()


def test_noise_is_what_it_was() -> None:
    """A change here would move every client in the world to another mirror at once."""
    first_half = [27, 29, 23, 3, 0, 10, 18, 16, 19, 24, 26, 30, 20, 9, 14, 6]
    opposite = [31 - rank for rank in first_half]
    assert ranking.noise_ranks(["mirror.example.org"])[0].tolist() == first_half + opposite


def test_gumbel_quantiles() -> None:
    """A draw in proportion to exp(-cost / spread_km): Gumbel's distribution, for minima, of mean
    -0.577 (the tail that 32 slices cut off is worth 0.02)."""
    assert np.all(np.diff(ranking.GUMBEL) < 0)
    assert float(ranking.GUMBEL.mean()) == pytest.approx(-0.577, abs=0.03)
    assert (float(ranking.GUMBEL[0]), float(ranking.GUMBEL[-1])) == pytest.approx((1.425, -4.151), abs=0.001)


@pytest.mark.parametrize(
    "names",
    [
        ["almalinux.mirror.example.com", "ftp.example.org", "mirror.example.net", "repo.example.edu"],
        [
            "de.mirrors.example.net",
            "fr.mirrors.example.net",
            "nl.mirrors.example.net",
            "uk.mirrors.example.net",
        ],
        ["mirror1.example.org", "mirror2.example.org", "mirror3.example.org", "mirror4.example.org"],
        [
            "mirror.ams1.example.net",
            "mirror.ber1.example.net",
            "mirror.fra1.example.net",
            "mirror.par1.example.net",
        ],
        ["a.example.org", "b.example.org", "c.example.org", "d.example.org"],
    ],
    ids=lambda names: names[0],
)
def test_four_equal_mirrors_share_a_place(names: list[str]) -> None:
    """Over the 32 spread values of one place, each gets 4 to 12 first places."""
    counts = first_places(names)
    assert sum(counts) == 32
    assert all(4 <= count <= 12 for count in counts), counts


def test_few_sets_of_four_share_worse() -> None:
    """Of 300 random sets of four names, not one in 20 has a mirror with fewer than 4 or more than 12."""
    shares = [first_places(host_names(4, seed)) for seed in range(300)]
    uneven = [counts for counts in shares if not all(4 <= count <= 12 for count in counts)]
    assert len(uneven) < 15


def test_equal_pairs_share_evenly() -> None:
    """Over 100 places of equal pairs, each mirror of each pair gets 40 to 60 % of the clients."""
    for seed in range(100):
        counts = first_places(host_names(2, seed))
        assert all(0.4 <= count / 32 <= 0.6 for count in counts), counts


def test_names_early_in_the_alphabet_have_no_advantage() -> None:
    """Of 40 equal mirrors some draw the same quantile; it is not the first by name who wins then."""
    totals = np.sum([first_places(host_names(40, seed)) for seed in range(200)], axis=0)
    assert totals[:10].sum() / totals[-10:].sum() == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize(
    "weights", [[1.0, 1.0, 2.0], [1.0, 3.0], [0.5, 1.0, 1.0, 1.5, 2.0]], ids=lambda w: ":".join(map(str, w))
)
def test_shares_go_by_weight(weights: list[float]) -> None:
    """Mirrors that differ in weight alone share in proportion to it, over many networks."""
    totals = np.sum([first_places(host_names(len(weights), seed), weights) for seed in range(150)], axis=0)
    assert totals / totals.sum() == pytest.approx(np.array(weights) / sum(weights), abs=0.03)


@pytest.mark.parametrize(("detour_km", "share"), [(0, 0.5), (60, 0.27), (120, 0.12), (400, 0.0)])
def test_shares_fall_with_distance(detour_km: float, share: float) -> None:
    """Of two mirrors, one farther away by `spread_km` is e times less likely, and one much farther
    gets nobody: there is no edge at which shares jump."""
    weight = float(np.exp(-detour_km / 60))
    totals = np.sum([first_places(host_names(2, seed), [1.0, weight]) for seed in range(150)], axis=0)
    assert totals[1] / totals.sum() == pytest.approx(share, abs=0.02)
