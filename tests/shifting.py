"""A network whose clients are elsewhere than the estimate says, and the days in which its prices follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.model.place import country_of
from app.ranking import prices
from app.ranking.prices import Shares
from app.simulation import outcome as simulation
from app.snapshot.demand import Market, expected_clients
from app.snapshot.loaded import LoadedSnapshot
from app.worker.pricing import solved

SEVENTHS = (7, 6, 5, 4, 3, 2, 1)
"""The weights of the last days, the last one first."""


def moved_to(estimate: Mapping[str, float], part: float, *countries: str) -> dict[str, float]:
    """The clients of an estimate with a part of all of them moved to some countries, to each as many, and in
    it to places as the estimate has them."""
    total = sum(estimate.values())
    real = {place: (1 - part) * clients for place, clients in estimate.items()}
    for country in countries:
        there = {place: clients for place, clients in estimate.items() if country_of(place) == country}
        for place, clients in there.items():
            real[place] += part * total / len(countries) * clients / sum(there.values())
    return real


def a_day_later(
    snapshot: LoadedSnapshot,
    clients: Mapping[str, float],
    load_km: dict[str, float],
    approach: prices.Approach,
) -> dict[str, float]:
    """Returns the prices after 24 hours. The target is solved once, because it hardly depends on the prices
    to begin with."""
    target = solved(snapshot, clients, load_km).target_km
    market = Market(snapshot, clients)
    max_share = snapshot.policy.max_share
    then = prices.most_loaded(market.demand, max_share, market.load_of(target))
    for _ in range(24):
        now = prices.most_loaded(market.demand, max_share, market.load_of(load_km))
        load_km = approach.step(load_km, target, prices.is_overloaded(now, then))
    return load_km


@dataclass
class ShiftedNetwork:
    """A network with published prices, which were solved for the estimate."""

    snapshot: LoadedSnapshot
    estimate: Mapping[str, float]
    real: Mapping[str, float]
    load_km: dict[str, float]
    requests_a_day: int

    def __post_init__(self) -> None:
        self.market = Market(self.snapshot, self.real)
        self.cap = self.market.demand.cap(self.snapshot.policy.max_share)
        self._draw = np.random.default_rng(20_261_127)
        self._approach = prices.Approach()
        self._days: list[dict[str, float]] = []

    def loads(self) -> Shares:
        """The share of real requests that each mirror gets, as a multiple of its cap."""
        planned = self.market.planned(self.market.load_of(self.load_km))
        return np.array([planned[name] for name in self.market.names], np.float64) / self.cap

    def most_loaded(self) -> float:
        return float(self.loads().max())

    def excess(self) -> float:
        """The part of all real requests that is above the caps."""
        return float((np.maximum(self.loads() - 1, 0) * np.where(self.cap < 1, self.cap, 0)).sum())

    def first_mirrors(self) -> simulation.Sending:
        return simulation.by_price(self.market, self.market.load_of(self.load_km))

    def day(self) -> float:
        """A day of real requests, and the day after it, in which prices follow what was counted so far. The
        part of all real clients that have another first mirror after it."""
        shares = np.array(list(self.real.values()))
        drawn = self._draw.multinomial(self.requests_a_day, shares / shares.sum())
        self._days.insert(0, dict(zip(self.real, drawn.tolist(), strict=True)))
        requests = {
            place: sum(day[place] * weight for day, weight in zip(self._days, SEVENTHS, strict=False)) / 7
            for place in self.real
        }
        expected = expected_clients(self.estimate, requests)
        before = self.first_mirrors()
        self.load_km = a_day_later(self.snapshot, expected, self.load_km, self._approach)
        return simulation.moved(self.market, before, self.market, self.first_mirrors())
