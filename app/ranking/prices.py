"""Computes load prices: kilometres added to the cost of mirrors that would get more than their share.

The number of clients in each place is known. The first mirror of a client is the one with the lowest base
cost plus price plus noise, for the client's place and for its spread value, one of 32 (see `ranking`).
`first_mirrors` computes exactly what clients get, and `shares` the part of all clients that each mirror
then has.

`solve` finds the prices in two parts. The first part works on smooth shares: instead of 32 spread values,
every place shares its clients by exp(-cost / spread_km), which is what the noise comes to on average.
The price of a mirror above its cap (`max_share` times its fair share by weight) rises by
spread_km * ln(share / cap) until the mirror is not above it. This is Sinkhorn's iteration for a transport
problem with capacities, and it ends at the same prices wherever it starts. Below the cap, a mirror with
more than its fair share costs EVEN * spread_km * ln(share / fair): this moves clients where another
mirror is near anyway, and hardly any over a border. The second part works on the shares that clients
really get: the few prices that are too low for the 32 values are raised step by step.

There is one price for all releases and arches. A client must get the same order of mirrors for all its
repos: otherwise the packages of one transaction would come from mirrors in different states. A mirror
that carries only some repos really has less load than is computed here.

All functions are pure, and the same input gives the same prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.ranking import ranking
from app.ranking.ranking import SPREADS, Floats

MIN_MIRRORS = 20
"""With fewer mirrors than this there are no prices, because each mirror is needed where it is."""

EVEN = 2.0
AIM = 0.92  # the part of the cap that smooth shares may reach; the shares of 32 values vary around them
STEP_KM = 8.0
ENOUGH_KM = 0.3
MAX_ROUNDS = 400
FAR = 20.0  # times spread_km: how far prices may get from those that the kernel was made for
MAX_STEPS = 40
RELAXATION = 1.7
HIGHEST_KM = 20_000.0  # no mirror is farther away; where no price helps, it must not grow for ever
CHUNK = 1024  # places at once

KM_PER_HOUR = 20.0
"""How much a published price may change in an hour."""

APPROACH_PER_HOUR = 1 / 30
"""The part of the difference to its target by which a published price changes in an hour. Prices are whole
kilometres, so a price within 15 km of its target stays. The change of a price far from its target is limited
by `KM_PER_HOUR`. When the loss of a mirror shifts prices, half of the way is still left after a day, in which
the mirror may come back."""

OVERLOADED = 1.25
"""The multiple of its cap above which a mirror has far too much."""

HELPED = 1.02
"""The multiple of what the target prices would leave to the most loaded mirror, above which it is worth while
to hurry. In a network that no prices can even out, there is always a mirror with too much."""

HASTE = 5.0
"""How many times as fast prices change while a mirror is overloaded: clients are elsewhere than was
thought, and to wait for days would only hurt that mirror."""

PATIENCE_HOURS = 3
"""Prices hurry only if a mirror has been overloaded for so long. A mirror that comes and goes does that to
others, too, and must not move clients far away."""

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """The demand of the clients in p places for m mirrors."""

    costs: Floats  # base costs in km without load and weight, (p, m)
    weight_km: Floats  # the term of that name in the base costs, (m,)
    clients: Shares  # the part of all clients that each place has, (p,); the sum is 1
    noise: Floats  # the last term of the rank in km, (m, 32)
    fair: Shares  # the fair share of each mirror, (m,); the sum is 1
    spread_km: float
    #: The number of places, the first ones, that are known only as a country or less. Prices do not count
    #: there (see `ranking`).
    unpriced: int = 0

    def cap(self, max_share: float) -> Shares:
        """Returns the largest share that each mirror should get, shape (m,). The share is infinite where
        there are no prices."""
        if max_share <= 0 or int((self.fair > 0).sum()) < MIN_MIRRORS:
            return np.full(len(self.fair), np.inf)
        return np.where(self.fair > 0, max_share * self.fair, np.inf)


def fair_shares(mirrors: ranking.MirrorTable) -> Shares:
    """Returns the fair share of each mirror, which is its part of the weight of all, shape (m,). A mirror
    whose location is not known has a fair share of zero, because it is last everywhere."""
    weight = np.where(np.isnan(mirrors.vectors[0]), 0.0, mirrors.weight.astype(np.float64))
    return weight / max(float(weight.sum()), 1e-9)


def noise_table(ranks: npt.NDArray[np.uint8], spread_km: float) -> Floats:
    """Returns the noise of each mirror in km (`ranking.noise_km`) for all spread values, shape (m, 32)."""
    return np.stack([ranking.noise_km(ranks, s, spread_km) for s in range(SPREADS)], axis=1)


# --- what clients get ------------------------------------------------------------------------------


def first_mirrors(demand: Demand, load_km: Floats) -> npt.NDArray[np.int32]:
    """Returns the index of the first mirror for every place and spread value, shape (p, 32). There must be at
    least one mirror."""
    return np.concatenate([np.zeros((0, SPREADS), np.int32), *_firsts(demand, load_km)])


def _firsts(demand: Demand, load_km: Floats) -> Iterator[npt.NDArray[np.int32]]:
    # Only mirrors whose cost is this near to the lowest of a place can be first for some spread value.
    reach_km = float(demand.noise.max() - demand.noise.min())
    priced_km = load_km + demand.weight_km  # first, as `ranking.Terms.total` does: it rounds alike
    edges = [*range(0, demand.unpriced, CHUNK), *range(demand.unpriced, len(demand.clients), CHUNK)]
    for start, end in zip(edges, [*edges[1:], len(demand.clients)], strict=True):
        per_mirror_km = priced_km if start >= demand.unpriced else demand.weight_km
        costs = demand.costs[start:end] + per_mirror_km
        near = costs <= costs.min(axis=1, keepdims=True) + reach_km
        place, mirror = np.nonzero(near)
        ranks = costs[place, mirror][:, None] + demand.noise[mirror]
        begin = np.searchsorted(place, np.arange(len(costs)))
        best = np.minimum.reduceat(ranks, begin, axis=0)
        # Of equal ranks the lower index is first, as in `ranking.in_order`.
        winners = np.where(ranks == best[place], mirror[:, None], np.iinfo(np.int32).max)
        yield np.minimum.reduceat(winners, begin, axis=0).astype(np.int32)


def shares(demand: Demand, first: npt.NDArray[np.int32]) -> Shares:
    """Returns the part of all clients that each mirror gets if `first` are the first mirrors, shape (m,)."""
    weights = np.repeat(demand.clients / SPREADS, SPREADS)
    return np.bincount(first.ravel(), weights, demand.costs.shape[1]).astype(np.float64)


# --- prices ------------------------------------------------------------------------------------------


def solve(demand: Demand, max_share: float, start_km: Floats | None = None) -> Floats:
    """Returns the prices in whole km, shape (m,), under which no share exceeds its cap or, if there are no
    such prices, those that come nearest. `start_km` are prices to begin with, which only make this
    quicker."""
    cap = demand.cap(max_share)
    if np.isinf(cap).all() or demand.unpriced == len(demand.clients):
        return np.zeros(len(cap), np.float32)
    smooth = _solve_smooth(demand, AIM * cap, np.zeros(len(cap)) if start_km is None else start_km)
    return _raise_to_fit(demand, cap, smooth)


def _solve_smooth(demand: Demand, cap: Shares, start_km: npt.NDArray[np.floating]) -> Shares:
    scale = max(demand.spread_km, 1.0)
    fixed = _smooth_shares_without_price(demand, scale)
    priced = slice(demand.unpriced, None)
    demand = replace(demand, costs=demand.costs[priced], clients=demand.clients[priced], unpriced=0)
    clients = demand.clients.astype(np.float32)
    per_fair, per_cap = 1.0 / np.where(demand.fair > 0, demand.fair, 1.0), 1.0 / np.minimum(cap, 1.0)
    load = around = np.asarray(start_km, np.float64)
    kernel = _kernel(demand, around, scale)
    pace, before = np.ones(len(load)), np.zeros(len(load))
    for _ in range(MAX_ROUNDS):
        if np.abs(load - around).max() > FAR * scale:  # float32 ends at 88 * scale
            around = load
            kernel = _kernel(demand, around, scale)
        pull = np.exp((around - load) / scale).astype(np.float32)
        share = np.maximum(fixed + pull * ((clients / (kernel @ pull)) @ kernel), 1e-12)
        # The only mirror of a continent keeps its clients until its price is as high as an ocean is wide.
        stuck = (share * per_cap > 1.02) & (np.abs(share - before) < 1e-3 * share)
        pace, before = np.where(stuck, 1.5 * pace, 1.0), share
        even = EVEN * scale * np.maximum(0.0, np.log(share * per_fair))
        capped = load + RELAXATION * scale * pace * np.log(share * per_cap)
        new = np.clip(np.maximum(load + 0.5 * (even - load), capped), 0.0, HIGHEST_KM)
        change_km = float(np.abs(new - load).max())
        load = new
        if change_km < ENOUGH_KM:
            break
    return load


def _smooth_shares_without_price(demand: Demand, scale: float) -> Shares:
    """Returns the share that each mirror gets from the places where prices do not count, shape (m,)."""
    wide = slice(0, demand.unpriced)
    part = replace(demand, costs=demand.costs[wide], clients=demand.clients[wide])
    kernel = _kernel(part, np.zeros(len(demand.fair)), scale)
    return np.asarray((part.clients / kernel.sum(axis=1)) @ kernel, np.float64)


def _kernel(demand: Demand, load_km: Shares, scale: float) -> Floats:
    """Returns the shares of each place's clients at these prices, up to a factor for each place, shape (p,
    m)."""
    kernel: Floats = demand.costs + (demand.weight_km + load_km.astype(np.float32))
    np.subtract(kernel.min(axis=1, keepdims=True), kernel, out=kernel)
    kernel /= np.float32(scale)
    return np.exp(kernel, out=kernel)  # in place: with thousands of mirrors this is hundreds of MB


def _raise_to_fit(demand: Demand, cap: Shares, smooth: Shares) -> Floats:
    """Raises prices step by step until the shares that clients really get fit. Prices are in whole km."""
    smooth = np.round(smooth)
    load, best = smooth, smooth
    least = np.inf
    step, last = np.full(len(cap), STEP_KM), np.zeros(len(cap))
    for _ in range(MAX_STEPS):
        ratio = shares(demand, first_mirrors(demand, load.astype(np.float32))) / cap
        excess = float(np.maximum(ratio - 1.0, 0.0).sum())
        if excess < least:
            least, best = excess, load
        if excess == 0.0:
            break
        heading = np.where(ratio > 1.0, 1.0, np.where((ratio < 0.8) & (load > smooth), -1.0, 0.0))
        step = np.where(heading * last < 0, np.maximum(step / 2, 1.0), step)
        last = np.where(heading != 0, heading, last)
        load = np.maximum(0.0, load + heading * step)
    return best.astype(np.float32)


def published(target: Mapping[str, float]) -> dict[str, float]:
    """Returns the prices by mirror as they are published: in whole km, without mirrors whose price is
    zero."""
    return {name: float(round(km)) for name, km in target.items() if round(km) > 0}


def most_loaded(demand: Demand, max_share: float, load_km: Floats) -> float:
    """Returns the share of the mirror that has most at these prices, as a multiple of its cap."""
    return float((shares(demand, first_mirrors(demand, load_km)) / demand.cap(max_share)).max())


def is_overloaded(now: float, then: float) -> bool:
    """Returns whether a mirror has far too much at the prices of now, and would have less at the target
    prices. Both numbers are those of the most loaded mirror."""
    return now > max(OVERLOADED, HELPED * then)


class Approach:
    """Leads published prices to their targets, hour by hour, and knows for how many hours a mirror has been
    overloaded."""

    def __init__(self) -> None:
        self._overloaded_hours = 0

    def step(
        self, before: Mapping[str, float], target: Mapping[str, float], is_overloaded: bool
    ) -> dict[str, float]:
        """Returns the prices by mirror to publish an hour after `before`, on their way to `target`.
        `is_overloaded` says whether a mirror is, at the prices before."""
        self._overloaded_hours = self._overloaded_hours + 1 if is_overloaded else 0
        haste = HASTE if self._overloaded_hours >= PATIENCE_HOURS else 1.0
        limit_km = haste * KM_PER_HOUR
        moved: dict[str, float] = {}
        for name, aim in target.items():
            way = (aim - before.get(name, 0.0)) * haste * APPROACH_PER_HOUR
            moved[name] = before.get(name, 0.0) + min(max(way, -limit_km), limit_km)
        return published(moved)
