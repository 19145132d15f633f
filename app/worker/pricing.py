"""Computes load prices beside the worker's loop, and moves the published prices towards them.

The first prices are published at once. After that a price changes by at most 20 km an hour, or 100 km where a
mirror has been overloaded for hours. Solving takes seconds, in which the worker must go on publishing. So a
thread solves, nearly all the time inside numpy, which lets other threads run. The same thread finds out first
how many clients each place has, which may mean to wait for a database.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from app.ranking import prices
from app.snapshot.demand import Market
from app.snapshot.loaded import LoadedSnapshot

log = logging.getLogger("mirrorwise.worker")

EVERY_S = 3600.0


class Solution(NamedTuple):
    """Where prices should go, in kilometres by mirror, and whether a mirror is overloaded until then
    (`prices.is_overloaded`)."""

    target_km: dict[str, float]
    is_overloaded: bool


class Pricing:
    """The published load prices: `load_km` in kilometres by name of mirror, decided last at `moved_at_s` (in
    epoch seconds; None if never). Both are remembered across restarts."""

    def __init__(self, load_km: Mapping[str, float], moved_at_s: float | None) -> None:
        self.load_km = dict(load_km)
        self.moved_at_s = moved_at_s
        self._approach = prices.Approach()
        self._executor = ThreadPoolExecutor(1, "mirrorwise-prices")
        self._solving: Future[Solution] | None = None

    def is_due(self, now: float) -> bool:
        """Returns whether it is time to solve again and no solution is being computed."""
        if self._solving is not None:
            return False
        return self.moved_at_s is None or not 0 <= now - self.moved_at_s < EVERY_S

    def solve(self, snapshot: LoadedSnapshot, clients: Callable[[], Mapping[str, float]]) -> None:
        """Begins to compute prices for the mirrors of a snapshot. `clients` returns numbers of clients by
        place, and may wait for them."""
        load_km = self.load_km
        self._solving = self._executor.submit(lambda: solved(snapshot, clients(), load_km))

    def collect(self, now: float, wait: bool = False) -> bool:
        """Takes over the solution if it is ready. Returns whether prices have changed. With `wait`, it waits
        for a solution that is being computed."""
        if self._solving is None or not (wait or self._solving.done()):
            return False
        solving, self._solving = self._solving, None  # first, so that a bug in it fails one step, not all
        solution = solving.result()
        before = self.load_km
        if self.moved_at_s is None:
            self.load_km = prices.published(solution.target_km)
        else:
            self.load_km = self._approach.step(before, *solution)
        self.moved_at_s = now
        if self.load_km != before:
            highest = max(self.load_km.values(), default=0.0)
            log.info("load prices: %d mirrors, up to %.0f km", len(self.load_km), highest)
        return self.load_km != before

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def solved(snapshot: LoadedSnapshot, clients: Mapping[str, float], start_km: Mapping[str, float]) -> Solution:
    """Returns the prices that the snapshot's mirrors should have, if they have `start_km` now. A mirror that
    cannot be served just now keeps its price: without it, the mirror would get too many clients when it comes
    back."""
    target = {name: km for name, km in start_km.items() if name in snapshot.number}
    if not snapshot.rankable:
        return Solution(target, False)
    market, max_share = Market(snapshot, clients), snapshot.policy.max_share
    now_km = market.load_of(start_km)
    load = prices.solve(market.demand, max_share, now_km)
    target.update(zip(market.names, load.tolist(), strict=True))
    now, then = (prices.most_loaded(market.demand, max_share, km) for km in (now_km, load))
    return Solution(target, prices.is_overloaded(now, then))
