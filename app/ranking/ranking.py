"""Ranks mirrors: each place and mirror have one number in kilometres, and the lowest comes first.

    rank_km = distance + border + continent + load - spread_km * ln(weight) + spread_km * g(mirror, spread)

- *distance*: the great circle from the place to the mirror. A place known only as a country is at
  distance zero from every mirror of that country. The same holds for a place known only as a continent,
  and the unknown place is at distance zero from all mirrors.
- *border*, *continent*: what it costs to cross one (`SelectionPolicy`). A mirror whose country is not
  known is across both; a mirror whose location is not known is as far away as the Earth allows.
- *load*: the price that the worker puts on a mirror that would be sent more than its share. It does
  not count for places known only as a country or less: their clients are shared among all mirrors
  there anyway, by weight.
- *weight*: the mirror's capacity; `spread_km` is the detour accepted for sharing load.
- *g*: Gumbel noise from a hash of the mirror's name and the client's spread value (0-31). Taking the
  lowest cost plus Gumbel noise is a draw in proportion to exp(-cost / spread_km): near mirrors
  share their clients by weight, far ones hardly appear, and no distance is a sharp limit. Nothing is
  random: if a mirror is removed, only its own clients get another first mirror.

Costs without *g* ("base costs") depend on the place alone: the worker computes them for all places
and keeps the best `CANDIDATES` of each. The last step, adding *g* and sorting, is done for each client
class. All functions are pure. To rank on demand, the same functions are called with one place.

The passes before geography (a client's own networks and cloud region) are in `answer.walk`; they order
mirrors within a group by the same number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.model import SelectionPolicy
from app.model.mirrors import EARTH_RADIUS_KM

SPREADS = 32
CANDIDATES = 64
FARTHEST_KM = float(np.float32(np.pi * EARTH_RADIUS_KM))

Floats = npt.NDArray[np.float32]
Indexes = npt.NDArray[np.uint16]

_QUANTILES = (np.arange(SPREADS) + 0.5) / SPREADS
GUMBEL: Floats = np.log(-np.log(_QUANTILES)).astype(np.float32)
"""The Gumbel noise in the middle of each of its 32 quantiles, highest (+1.4) first, lowest (-4.1) last."""
TIE_BREAK = np.float32(1e-3 / SPREADS)
"""A part of the noise that orders equal quantiles. It is far less than the gap between two quantiles."""


def letters_code(letters: str | None) -> int:
    """Returns the two letters of a country's or continent's code as a number, which compares quickly, or 0 if
    unknown."""
    return 0 if not letters else ord(letters[0]) << 8 | ord(letters[1])


def unit_vectors(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the points on the unit sphere at these degrees of latitude and longitude, shape (3, n)."""
    lat, lon = np.radians(np.asarray(latitude, np.float64)), np.radians(np.asarray(longitude, np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@dataclass(frozen=True)
class MirrorTable:
    """The columns of n mirrors that ranking needs, in the order of the snapshot (by name)."""

    vectors: npt.NDArray[np.float64]  # (3, n); NaN where the location is not known
    country: npt.NDArray[np.int32]  # letters_code
    continent: npt.NDArray[np.int32]
    weight: Floats
    load_km: Floats

    def take(self, indexes: Sequence[int]) -> MirrorTable:
        chosen = np.asarray(indexes, np.intp)
        return MirrorTable(
            self.vectors[:, chosen],
            self.country[chosen],
            self.continent[chosen],
            self.weight[chosen],
            self.load_km[chosen],
        )


@dataclass(frozen=True)
class PlacePoints:
    """The columns of p places that ranking needs. A place is `wide` if it is known only as a country, as a
    continent (country 0), or not at all (both 0). The point of a wide place is its centre, from which only
    mirrors outside the place are measured."""

    vectors: npt.NDArray[np.float64]  # (3, p)
    country: npt.NDArray[np.int32]
    continent: npt.NDArray[np.int32]
    wide: npt.NDArray[np.bool_]

    def part(self, chunk: slice) -> PlacePoints:
        return PlacePoints(
            self.vectors[:, chunk], self.country[chunk], self.continent[chunk], self.wide[chunk]
        )


class Terms(NamedTuple):
    """The terms of base costs in km. Their shape is (places, mirrors), except that `weight` has the shape
    (mirrors,). `weight` is negative for a mirror with more than ordinary capacity."""

    distance: Floats
    border: Floats
    continent: Floats
    load: Floats
    weight: Floats

    def total(self) -> Floats:
        """Returns the base costs, shape (places, mirrors)."""
        return self.distance + self.border + self.continent + (self.load + self.weight)


def terms(places: PlacePoints, mirrors: MirrorTable, policy: SelectionPolicy) -> Terms:
    """Returns the terms of the base costs of all places and mirrors."""
    return Terms(
        distance=_distances(places, mirrors),
        border=np.where(_abroad(places, mirrors), np.float32(policy.border_km), np.float32(0)),
        continent=np.where(_overseas(places, mirrors), np.float32(policy.continent_km), np.float32(0)),
        load=np.where(places.wide[:, None], np.float32(0), mirrors.load_km),
        weight=weight_km(mirrors, policy),
    )


def weight_km(mirrors: MirrorTable, policy: SelectionPolicy) -> Floats:
    """Returns the term for the capacity of each mirror in km, shape (mirrors,)."""
    return (-policy.spread_km * np.log(mirrors.weight)).astype(np.float32)


def _abroad(places: PlacePoints, mirrors: MirrorTable) -> npt.NDArray[np.bool_]:
    known, other = places.country != 0, places.country[:, None] != mirrors.country[None, :]
    abroad: npt.NDArray[np.bool_] = known[:, None] & other
    return abroad


def _overseas(places: PlacePoints, mirrors: MirrorTable) -> npt.NDArray[np.bool_]:
    known, other = places.continent != 0, places.continent[:, None] != mirrors.continent[None, :]
    overseas: npt.NDArray[np.bool_] = known[:, None] & other
    return overseas


def _distances(places: PlacePoints, mirrors: MirrorTable) -> Floats:
    p, m = places.vectors, mirrors.vectors
    # Three products rather than a matrix product: BLAS rounds differently for different shapes,
    # and one place ranked on demand must cost exactly what it costs among ten thousand.
    cosine = p[0][:, None] * m[0] + p[1][:, None] * m[1] + p[2][:, None] * m[2]
    distance: Floats = (EARTH_RADIUS_KM * np.arccos(np.clip(cosine, -1.0, 1.0))).astype(np.float32)
    distance[np.isnan(distance)] = FARTHEST_KM
    if places.wide.any():
        inside = ~_abroad(places, mirrors) & ~_overseas(places, mirrors)
        distance[places.wide[:, None] & inside] = 0.0
    return distance


def best(costs: Floats, count: int) -> tuple[Indexes, Floats]:
    """Returns the indexes and costs of the `count` cheapest mirrors of each place, cheapest first, each of
    shape (places, count). Of equal costs the lower index comes first. If several mirrors have the cost of the
    last one, it is not defined which of them are left out."""
    count = min(count, costs.shape[1])
    if count < costs.shape[1]:
        chosen = np.argpartition(costs, count - 1, axis=1)[:, :count]
    else:
        chosen = np.broadcast_to(np.arange(count), costs.shape)
    chosen = np.sort(chosen, axis=1)
    values = np.take_along_axis(costs, chosen, axis=1)
    by_cost = np.argsort(values, axis=1, kind="stable")
    return (
        np.take_along_axis(chosen, by_cost, axis=1).astype(np.uint16),
        np.take_along_axis(values, by_cost, axis=1),
    )


def noise_ranks(names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Returns the number of the Gumbel quantile of each mirror for each spread value, shape (n, 32).

    Each row is a permutation made from a hash of the name, so that a mirror's noise never depends on the
    other mirrors. The rank at spread s + 16 is 31 minus the rank at spread s: so two equal mirrors share
    the 32 values evenly, whatever their names are.
    """
    ranks = np.empty((len(names), SPREADS), np.uint8)
    half = SPREADS // 2
    for row, name in enumerate(names):
        drawn = np.frombuffer(hashlib.shake_128(name.encode()).digest(half * 8), ">u8")
        rank = np.argsort(np.argsort(drawn, kind="stable"), kind="stable")
        lower = np.where(drawn & 1, SPREADS - 1 - rank, rank)
        ranks[row, :half] = lower
        ranks[row, half:] = SPREADS - 1 - lower
    return ranks


def noise_km(ranks: npt.NDArray[np.uint8], spread: int, spread_km: float) -> Floats:
    """Returns the noise in km, the last term of `rank_km`, of the mirrors in these rows of `noise_ranks`.

    Of equal mirrors with the same quantile, the one with the lower rank at the next spread value comes
    first. If the name or number decided, it would always be the same mirror, and the last of a hundred
    equal mirrors would hardly ever be first.
    """
    following = ranks[:, (spread + 1) % SPREADS]
    return np.float32(spread_km) * (GUMBEL[ranks[:, spread]] + TIE_BREAK * following)


def in_order(indexes: npt.NDArray[np.integer], rank_km: Floats) -> npt.NDArray[np.intp]:
    """Returns the positions of `indexes` in the order of rank. Of equal ranks the lower index comes first."""
    return np.lexsort((indexes, rank_km))


def horizon_km(costs: Floats, spread_km: float) -> np.float32:
    """Returns the rank in km up to which the order of a place's `best` mirrors is certain: every mirror that
    is not among them ranks at or above the horizon. It is rounded as ranks are, so that an equal rank is not
    below it."""
    return np.float32(costs[-1] + np.float32(spread_km) * GUMBEL[-1])
