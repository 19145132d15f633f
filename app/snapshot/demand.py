"""Computes the demand for mirrors, from which load prices and simulations are made.

Demand follows from geography alone. Clients whose network decides which mirror they get, and mirrors that
carry only a part of the repos, are too few to decide a price.

The demand of a place is the number of requests that were counted there, plus the place's part, as the city
database tells it, of ESTIMATED_REQUESTS more. So a place with few requests leans on the estimate, and so does
a network with few requests as a whole; where much was counted, the estimate hardly counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from app.model import Record
from app.ranking import prices, ranking
from app.ranking.prices import Demand
from app.snapshot.loaded import LoadedSnapshot

CHUNK = 512  # places at once: the terms of all of them would be gigabytes with thousands of mirrors
BARRED_KM = np.float32(1e6)
"""The cost of a mirror for clients of a country that it does not serve. It is above any other cost."""

ESTIMATED_REQUESTS = 10_000.0
"""How many counted requests the estimate is worth. Of so many, each of hundreds of mirrors gets a hundred at
most, by its cap; with fewer, chance would decide prices."""


class PlannedAndSent(Record, frozen=True, kw_only=True):
    """The part of all clients whose first mirror a mirror is meant to be, and the part of all counted
    requests whose first mirror it was."""

    mirror: str
    planned: float
    sent: float


def compared(planned: Mapping[str, float], sent: Mapping[str, float]) -> tuple[PlannedAndSent, ...]:
    """Compares the shares that mirrors are meant to get (`Market.planned`) with the requests whose first
    mirror they were, both by name. The largest differences come first. Requests for mirrors without a planned
    share, such as private ones, are left out. Returns nothing if there is no other request."""
    total = sum(sent.get(name, 0.0) for name in planned)
    if not total:
        return ()
    found = [
        PlannedAndSent(mirror=name, planned=share, sent=sent.get(name, 0.0) / total)
        for name, share in planned.items()
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.sent - one.planned), one.mirror)))


def expected_clients(estimate: Mapping[str, float], requests: Mapping[str, float]) -> dict[str, float]:
    """Returns the demand of each place in requests. `estimate` are estimated clients in any unit, and
    `requests` those that were counted, both by place."""
    unit = ESTIMATED_REQUESTS / max(sum(estimate.values()), 1e-9)
    demand = {place: unit * clients for place, clients in estimate.items()}
    for place, counted in requests.items():
        demand[place] = demand.get(place, 0.0) + counted
    return demand


class Market:
    """The mirrors that a snapshot ranks, and the places that have clients and a mirror that serves them
    (`rows` are their rows in the snapshot). `clients` are numbers of clients by place name, in any unit.
    Clients of a place that the snapshot does not have are counted at the wider place for which they are
    answered. The snapshot must rank at least one mirror."""

    def __init__(self, snapshot: LoadedSnapshot, clients: Mapping[str, float]) -> None:
        self.snapshot = snapshot
        self.names = [snapshot.mirrors[index].name for index in snapshot.rankable]
        self.mirrors = snapshot.table.take(snapshot.rankable)
        counts = np.zeros(len(snapshot.rows))
        for name, count in clients.items():
            counts[snapshot.row_of(name)] += count
        self.rows: npt.NDArray[np.intp] = np.flatnonzero(counts)
        self.places = snapshot.points_of(self.rows.tolist())
        costs = self._costs()
        served = costs.min(axis=1) < BARRED_KM
        if not served.all():
            self.rows, costs = self.rows[served], costs[served]
            self.places = snapshot.points_of(self.rows.tolist())
        counts = counts[self.rows]
        self.demand = Demand(
            costs=costs,
            weight_km=ranking.weight_km(self.mirrors, snapshot.policy),
            clients=counts / max(float(counts.sum()), 1e-9),
            noise=prices.noise_table(snapshot.noise[list(snapshot.rankable)], snapshot.policy.spread_km),
            fair=prices.fair_shares(self.mirrors),
            spread_km=snapshot.policy.spread_km,
            unpriced=int(self.places.wide.sum()),  # a snapshot has its wide places first
        )

    def load_of(self, by_name: Mapping[str, float]) -> ranking.Floats:
        """Returns load prices that are given by mirror name, as an array in the order of the mirrors. A
        mirror without a price gets 0."""
        return np.array([by_name.get(name, 0.0) for name in self.names], np.float32)

    def planned(self, load_km: ranking.Floats) -> dict[str, float]:
        """Returns the part of all clients whose first mirror each mirror is at these prices, by its name."""
        shares = prices.shares(self.demand, prices.first_mirrors(self.demand, load_km))
        return dict(zip(self.names, shares.tolist(), strict=True))

    def terms(self) -> Iterator[tuple[slice, ranking.Terms]]:
        """Yields the terms of all mirrors' costs (distance, border and so on) for one chunk of places after
        another, each with the slice of `rows` that the chunk covers."""
        for start in range(0, len(self.rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            yield chunk, ranking.terms(self.places.part(chunk), self.mirrors, self.snapshot.policy)

    def _costs(self) -> ranking.Floats:
        costs = np.empty((len(self.rows), len(self.names)), np.float32)
        for chunk, terms in self.terms():
            costs[chunk] = terms.distance + terms.border + terms.continent
        for column, index in enumerate(self.snapshot.rankable):
            mirror = self.snapshot.mirrors[index]
            if mirror.countries:
                costs[~self._in(mirror.countries), column] = BARRED_KM
            if mirror.exclude_countries:
                costs[self._in(mirror.exclude_countries), column] = BARRED_KM
        return costs

    def _in(self, countries: Iterable[str]) -> npt.NDArray[np.bool_]:
        """Returns for each place whether it is in one of these countries."""
        return np.isin(self.places.country, [ranking.letters_code(country) for country in countries])
