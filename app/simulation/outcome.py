"""Computes the figures of a network of mirrors: which clients each mirror gets, and how far they are from it.

Everything is computed for every place and spread value, so that the figures are those of the lists that
clients get. Distances are from the middle of a place's clients to the mirror. Clients of which only the
country is known, or less, are left out of distances.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.model import Record
from app.ranking import prices, ranking
from app.ranking.ranking import SPREADS
from app.snapshot.demand import BARRED_KM, Market, PlannedAndSent

RULE_KM = np.float32(500)
"""The distance within which a mirror is near, in `by_country_500km`."""

Counted = Literal["places.csv", "city database", "requests and city database"]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sending:
    """The first mirrors of clients, as parallel arrays: a place (its position in the `Market`), a mirror
    (likewise), and the part of all clients that are in this place and have this mirror first."""

    place: npt.NDArray[np.intp]
    mirror: npt.NDArray[np.intp]
    clients: Numbers


class MirrorOutcome(Record, frozen=True, kw_only=True):
    """The figures of one mirror."""

    mirror: str
    country: str | None
    #: The part of all clients whose first mirror this is.
    share: float
    fair_share: float
    #: The share divided by the fair share; None for a mirror without a fair share, because its location is
    #: not known.
    ratio: float | None
    load_km: float
    #: The mean distance of the mirror's clients; None if it has no clients whose place is known.
    distance_km: float | None


class LoneMirror(Record, frozen=True, kw_only=True):
    """A mirror that is the only one of its continent."""

    mirror: str
    continent: str
    load_km: float
    #: The part of all clients that are on the continent.
    clients: float
    #: The part of the clients on the continent whose first mirror this is.
    kept: float
    #: The parts of the clients on the continent whose first mirror is elsewhere, by the continent of that
    #: mirror.
    elsewhere: dict[str, float]


class Outcome(Record, frozen=True, kw_only=True):
    """The figures of one network. Distances are None where no client's place is known."""

    #: The most loaded mirrors come first.
    mirrors: tuple[MirrorOutcome, ...]
    mean_km: float | None
    median_km: float | None
    p95_km: float | None
    #: Of the clients whose country is known, the part whose first mirror is in their own country.
    own_country: float | None
    #: Of the clients whose continent is known, the part whose first mirror is on their own continent.
    own_continent: float | None
    largest_share: float
    #: The number of mirrors that, with equal shares, would spread the clients as widely (the inverse of the
    #: sum of squared shares).
    effective_mirrors: float
    lone_mirrors: tuple[LoneMirror, ...]


class Simulation(Record, frozen=True, kw_only=True):
    """The result of `mirrorwise simulate`: the live network, and the one that it is compared with."""

    mirrors: int
    places: int
    #: Where the numbers of clients come from.
    counted: Counted
    #: How many requests were counted in the last seven whole days; None if it is not known.
    requests: int | None
    #: When the prices in `live` were published; None if they were solved for this simulation.
    priced_at_s: float | None
    live: Outcome
    #: The share of each mirror in `live`, and in the counted requests, the largest differences first; empty
    #: if none were counted.
    compared: tuple[PlannedAndSent, ...]
    #: The network as the files have it, with the changes that were asked for; None if that is what is live.
    then: Outcome | None
    #: The part of all clients that would have another first mirror.
    changed: float | None
    notes: tuple[str, ...]


# --- which clients begin with which mirror ---------------------------------------------------------


def by_price(market: Market, load_km: ranking.Floats) -> Sending:
    """Sends clients to the first mirrors of the lists that they get with these prices."""
    first = prices.first_mirrors(market.demand, load_km)
    return Sending(
        place=np.repeat(np.arange(len(first)), SPREADS),
        mirror=first.ravel().astype(np.intp),
        clients=np.repeat(market.demand.clients / SPREADS, SPREADS),
    )


def by_country_500km(market: Market) -> Sending:
    """Sends clients by the rule of AlmaLinux's mirror service in 2025, for comparison. A client gets the
    mirrors of its own country within 500 km, shuffled, or else the nearest mirror of its country. If its
    country has none, it gets all mirrors within 500 km, shuffled, or else the nearest."""
    parts = list(_by_country_500km(market))
    return Sending(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _by_country_500km(
    market: Market,
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Numbers]]:
    for chunk, terms in market.terms():
        country = market.places.country[chunk][:, None]
        serves = market.demand.costs[chunk] < BARRED_KM
        own = serves & (country != 0) & (country == market.mirrors.country)
        candidates = np.where(own.any(axis=1, keepdims=True), own, serves)
        near = candidates & (terms.distance <= RULE_KM)
        distance = np.where(candidates, terms.distance, np.float32(np.inf))
        nearest = np.zeros_like(near)
        np.put_along_axis(nearest, distance.argmin(axis=1)[:, None], values=True, axis=1)
        chosen = np.where(near.any(axis=1, keepdims=True), near, nearest)
        place, mirror = np.nonzero(chosen)
        each = market.demand.clients[chunk] / chosen.sum(axis=1)
        yield place + chunk.start, mirror, each[place]


def moved(before: Market, first: Sending, after: Market, then: Sending) -> float:
    """Returns the part of all clients that get another first mirror. Both sendings are `by_price`, and the
    markets have the same places, except those that no mirror serves."""
    number = {name: i for i, name in enumerate(after.names)}
    renamed = np.array([number.get(name, -1) for name in before.names])
    _, one, other = np.intersect1d(before.rows, after.rows, return_indices=True)
    same = renamed[first.mirror].reshape(-1, SPREADS)[one] == then.mirror.reshape(-1, SPREADS)[other]
    return max(0.0, 1.0 - float(before.demand.clients[one] @ same.mean(axis=1)))


def moved_at_random(market: Market, first: Sending, then: Sending) -> float:
    """Returns the share of all clients expected to get another first mirror if the rule picks mirrors at
    random. `first` and `then` belong to the same market."""
    keys = [sending.place * len(market.names) + sending.mirror for sending in (first, then)]
    distinct, where = np.unique(np.concatenate(keys), return_inverse=True)
    one = np.bincount(where[: len(keys[0])], first.clients, len(distinct))
    other = np.bincount(where[len(keys[0]) :], then.clients, len(distinct))
    stay = one * other / market.demand.clients[distinct // len(market.names)]
    return max(0.0, 1.0 - float(stay.sum()))


# --- what comes of it ------------------------------------------------------------------------------


def outcome_of(market: Market, sending: Sending, load_km: ranking.Floats) -> Outcome:
    """Returns all figures of a network whose clients are sent to mirrors as `sending` says. `load_km`, the
    prices, are only reported."""
    places, mirrors, clients = market.places, market.mirrors, sending.clients
    share = _sums(sending.mirror, clients, len(market.names))
    distance = _distances(market, sending)
    known = ~places.wide[sending.place]
    mean_km, median_km, p95_km = _distribution(distance[known], clients[known])
    home, there = places.country[sending.place], mirrors.country[sending.mirror]
    continent, other = places.continent[sending.place], mirrors.continent[sending.mirror]
    return Outcome(
        mirrors=_mirrors(market, sending, share, distance, load_km),
        mean_km=mean_km,
        median_km=median_km,
        p95_km=p95_km,
        own_country=_part(clients, home == there, home != 0),
        own_continent=_part(clients, continent == other, continent != 0),
        largest_share=float(share.max()),
        effective_mirrors=float(1.0 / max(float((share**2).sum()), 1e-12)),
        lone_mirrors=tuple(_lone_mirrors(market, sending, load_km)),
    )


def _sums(groups: npt.NDArray[np.intp], values: Numbers, size: int) -> Numbers:
    return np.bincount(groups, values, size).astype(np.float64)


def _distances(market: Market, sending: Sending) -> Numbers:
    """Returns the distance in km from place to mirror for each row of a sending, whose places are in
    order."""
    parts = [np.zeros(0)]
    for chunk, terms in market.terms():
        begin, end = np.searchsorted(sending.place, [chunk.start, chunk.stop])
        place, mirror = sending.place[begin:end] - chunk.start, sending.mirror[begin:end]
        parts.append(terms.distance[place, mirror].astype(np.float64))
    return np.concatenate(parts)


def _distribution(km: Numbers, clients: Numbers) -> tuple[float | None, float | None, float | None]:
    """Returns the mean, median and 95th percentile of distances, weighted by clients; each is None if there
    are no clients."""
    if clients.sum() <= 0:
        return None, None, None
    order = np.argsort(km, kind="stable")
    upto = np.cumsum(clients[order])
    median, p95 = (km[order[np.searchsorted(upto, q * upto[-1])]] for q in (0.5, 0.95))
    return float(km @ clients / upto[-1]), float(median), float(p95)


def _part(clients: Numbers, which: npt.NDArray[np.bool_], of: npt.NDArray[np.bool_]) -> float | None:
    total = float(clients[of].sum())
    return float(clients[which & of].sum()) / total if total > 0 else None


def _mirrors(
    market: Market, sending: Sending, share: Numbers, distance: Numbers, load_km: ranking.Floats
) -> tuple[MirrorOutcome, ...]:
    known = np.where(market.places.wide[sending.place], 0.0, sending.clients)
    weight = _sums(sending.mirror, known, len(share))
    reached = _sums(sending.mirror, known * distance, len(share))
    fair = market.demand.fair
    found = [
        MirrorOutcome(
            mirror=name,
            country=market.snapshot.mirrors[market.snapshot.rankable[i]].country,
            share=float(share[i]),
            fair_share=float(fair[i]),
            ratio=float(share[i] / fair[i]) if fair[i] > 0 else None,
            load_km=float(load_km[i]),
            distance_km=float(reached[i] / weight[i]) if weight[i] > 0 else None,
        )
        for i, name in enumerate(market.names)
    ]
    return tuple(sorted(found, key=lambda one: (-(one.ratio or 0.0), -one.share, one.mirror)))


def _lone_mirrors(market: Market, sending: Sending, load_km: ranking.Floats) -> Iterator[LoneMirror]:
    stands = [market.snapshot.mirrors[index].continent for index in market.snapshot.rankable]
    numbers = Counter(stands)
    for i, name in enumerate(market.names):
        continent = stands[i]
        if continent is None or numbers[continent] > 1:
            continue
        here = market.places.continent[sending.place] == ranking.letters_code(continent)
        total = float(sending.clients[here].sum())
        if total <= 0:
            continue
        share = _sums(sending.mirror[here], sending.clients[here], len(stands)) / total
        elsewhere: Counter[str] = Counter()
        for other, part in zip(stands, share.tolist(), strict=True):
            if part > 0 and other != continent:
                elsewhere[other or "unknown"] += part
        yield LoneMirror(
            mirror=name,
            continent=continent,
            load_km=float(load_km[i]),
            clients=total,
            kept=float(share[i]),
            elsewhere=dict(elsewhere.most_common()),
        )
