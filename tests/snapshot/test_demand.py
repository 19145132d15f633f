"""Demand: where clients are, by estimate and by count, and what each mirror was sent of it."""

from __future__ import annotations

import pytest

from app.ranking import prices
from app.snapshot.demand import ESTIMATED_REQUESTS, Market, compared, expected_clients
from app.worker.pricing import solved
from tests.builders import TOWNS, Network, a_mirror, cell
from tests.shifting import ShiftedNetwork, moved_to

DE, FR, LU, US, BR = map(cell, ("frankfurt", "paris", "luxembourg", "new york", "sao paulo"))


def shares_of(demand: dict[str, float]) -> dict[str, float]:
    total = sum(demand.values())
    return {place: clients / total for place, clients in demand.items()}


MIXED = {
    "nothing was counted: the estimate": ({DE: 3.0, US: 1.0}, {}, {DE: 0.75, US: 0.25}),
    "the unit of the estimate does not matter": ({DE: 3e9, US: 1e9}, {}, {DE: 0.75, US: 0.25}),
    "nothing is estimated: the counts": ({}, {DE: 1.0, US: 3.0}, {DE: 0.25, US: 0.75}),
    "as many as the estimate is worth: the middle": (
        {DE: 1.0, US: 1.0},
        {DE: ESTIMATED_REQUESTS},
        {DE: 0.75, US: 0.25},
    ),
    "a place that is not estimated": ({DE: 1.0}, {BR: ESTIMATED_REQUESTS}, {DE: 0.5, BR: 0.5}),
    "a thousand times as many: the counts": (
        {DE: 1.0, US: 1.0},
        {DE: 0.2 * 1000 * ESTIMATED_REQUESTS, US: 0.8 * 1000 * ESTIMATED_REQUESTS},
        {DE: 0.2, US: 0.8},
    ),
    "without a place": ({DE: 1.0, "": 1.0}, {"": 2 * ESTIMATED_REQUESTS}, {DE: 1 / 6, "": 5 / 6}),
    "nothing at all": ({}, {}, {}),
}


@pytest.mark.parametrize(("estimate", "requests", "expected"), MIXED.values(), ids=list(MIXED))
def test_counts_and_estimate(
    estimate: dict[str, float], requests: dict[str, float], expected: dict[str, float]
) -> None:
    """The more was counted, the less the estimate decides."""
    found = shares_of(expected_clients(estimate, requests))
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_place_with_few_requests_leans_on_the_estimate() -> None:
    """Of two places that are estimated alike, one with three requests and one with none hardly differ, where
    one with thousands has what was counted."""
    estimate = dict.fromkeys((f"DE/{n}/8" for n in range(40, 60)), 1.0)
    found = expected_clients(estimate, {"DE/40/8": 3.0, "DE/41/8": 2_000_000.0})
    assert found["DE/40/8"] == pytest.approx(found["DE/42/8"], rel=1e-2)
    assert found["DE/41/8"] == pytest.approx(2_000_000, rel=1e-2)


# --- what was planned, and what was sent ---------------------------------------------------------------


def market(clients: dict[str, float]) -> Market:
    """Two mirrors in each town."""
    mirrors = [a_mirror(f"{town.replace(' ', '-')}-{n}", town) for town in TOWNS for n in (1, 2)]
    return Market(Network(mirrors=mirrors).load(), clients)


def test_planned_and_sent() -> None:
    """What was planned is what the prices give, what was sent the part of all requests for ranked mirrors,
    and the largest difference comes first. Mirrors that are not ranked do not count."""
    one = market({DE: 1.0})
    load_km = one.load_of({})
    planned = prices.shares(one.demand, prices.first_mirrors(one.demand, load_km))
    sent = {"paris-1.example.org": 30.0, "frankfurt-1.example.org": 10.0, "private.example.org": 60.0}
    found = compared(one.planned(load_km), sent)
    assert {shares.mirror: shares.planned for shares in found} == dict(
        zip(one.names, planned.tolist(), strict=True)
    )
    assert {shares.mirror: shares.sent for shares in found if shares.sent} == {
        "paris-1.example.org": 0.75,
        "frankfurt-1.example.org": 0.25,
    }
    assert found[0].mirror == "paris-1.example.org"
    differences = [abs(shares.sent - shares.planned) for shares in found]
    assert differences == sorted(differences, reverse=True)


@pytest.mark.parametrize("sent", [{}, {"private.example.org": 5.0}, {"paris-1.example.org": 0.0}])
def test_nothing_was_sent(sent: dict[str, float]) -> None:
    """Without a request for a ranked mirror, there is nothing to compare."""
    one = market({DE: 1.0})
    assert compared(one.planned(one.load_of({})), sent) == ()


# --- prices follow -------------------------------------------------------------------------------------


def test_prices_follow_where_clients_really_are() -> None:
    """A third of all clients are in two countries where the estimate has few. The most loaded mirror comes
    down in the days after the first one that was counted. Hardly more clients change their mirror than must,
    and once they have, all keep theirs."""
    lone = ("luxembourg", "strasbourg")
    mirrors = [
        a_mirror(f"{town.replace(' ', '-')}-{n}", town)
        for town in TOWNS
        for n in range(1 if town in lone else 4)
    ]
    snapshot = Network(mirrors=mirrors).load()
    estimate = {cell(town): 1.0 for town in TOWNS}
    real = moved_to(estimate, 1 / 3, "LU", "FR")
    network = ShiftedNetwork(snapshot, estimate, real, solved(snapshot, estimate, {}).target_km, 1_000_000)
    excess = network.excess()
    assert network.most_loaded() > 2
    moved = [network.day() for _ in range(3)]
    assert network.most_loaded() < 1.3
    assert sum(moved) < 1.5 * excess
    moved += [network.day() for _ in range(4)]
    assert network.most_loaded() < 1.05
    assert sum(moved) < 1.5 * excess
    assert moved[-1] < 0.002
