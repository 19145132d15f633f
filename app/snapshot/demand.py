"""Who would be sent where: the demand that load prices and simulations are computed from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app import prices, ranking
from app.prices import Demand
from app.snapshot.loaded import LoadedSnapshot


class Market:
    """A snapshot's rankable mirrors, and the places that have clients. `clients`: how many by place
    name, in whatever unit."""

    def __init__(self, snapshot: LoadedSnapshot, clients: Mapping[str, float]) -> None:
        known = [(row, clients[name]) for name, row in snapshot.rows.items() if clients.get(name, 0) > 0]
        counts = np.array([count for _, count in known], np.float64)
        self.rows = [row for row, _ in known]
        self.names = [snapshot.mirrors[index].name for index in snapshot.rankable]
        self.places = snapshot.points_of(self.rows)
        self.mirrors = snapshot.table.take(snapshot.rankable)
        self.terms = ranking.terms(self.places, self.mirrors, snapshot.policy)
        self.demand = Demand(
            costs=self.terms.total() - self.mirrors.load_km,
            clients=counts / max(float(counts.sum()), 1e-9),
            noise=prices.noise_table(snapshot.noise[list(snapshot.rankable)], snapshot.policy.spread_km),
            fair=prices.fair_shares(self.mirrors),
            spread_km=snapshot.policy.spread_km,
        )

    def load_of(self, by_name: Mapping[str, float]) -> ranking.Floats:
        """Prices by name as an array in the order of the mirrors."""
        return np.array([by_name.get(name, 0.0) for name in self.names], np.float32)
