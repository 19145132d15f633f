"""The snapshot as the web process holds it: packed tables read in place, orders made when asked for.

A client's geography order is made in two steps. First from the candidates of its place, which the
worker ranked: that is a sort of 64 numbers, and enough as long as the list fills before the
*horizon*, up to which nothing that was left out can stand. Only when filters (`country=JP` from
Germany) or a crowd of near mirrors need more, all mirrors are ranked on demand, by the same
functions. Both give the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.catalogue.catalogue import Directory, directories, question_key
from app.model import Fate, Protocol
from app.model.place import wider_places
from app.ranking import ranking
from app.snapshot.schema import ServedMirror
from app.snapshot.soundness import verified
from app.snapshot.tables import mirror_table, place_points

Mask = npt.NDArray[np.bool_]
"""Which mirrors, by index."""


class Ranked(NamedTuple):
    """Mirrors at one place for one spread value, in the order asked for or by rank: their indexes,
    terms of the base cost (shape (1, n) or (n,)), noise and rank, all in km."""

    indexes: list[int]
    terms: ranking.Terms
    noise: ranking.Floats
    rank_km: ranking.Floats


class LoadedSnapshot:
    """A decoded snapshot under its generation's name. Immutable but for what it computes lazily.
    Raises SnapshotError for bytes that are not a snapshot of this schema, or none that can be served."""

    def __init__(self, generation: str, data: bytes) -> None:
        snapshot = verified(data)
        places = snapshot.places
        shape = (places.count, places.width)
        self.generation = generation
        self.size_bytes = len(data)
        self.config = snapshot.config
        self.policy = snapshot.config.selection
        self.mirrors = snapshot.mirrors
        self.number = {mirror.name: i for i, mirror in enumerate(snapshot.mirrors)}
        self.rankable = snapshot.rankable
        self.overlays = snapshot.overlays
        self.regions = snapshot.regions
        self.networks = snapshot.networks
        self.repomd = snapshot.repomd
        self.rows = {name: row for row, name in enumerate(places.names.split("\n"))}
        width = len(self.mirrors)
        distinct = max(snapshot.rows, default=-1) + 1
        fates = [snapshot.fates[row * width : (row + 1) * width] for row in range(distinct)]
        self.fates = {key: fates[row] for key, row in zip(snapshot.questions, snapshot.rows, strict=True)}
        self._in_vault = bytes([Fate.IN_VAULT]) * width
        self._places = places
        self._barred: dict[str | None, bytes] = {}
        self._candidates = np.frombuffer(places.candidates, np.uint16).reshape(shape)
        self._costs = np.frombuffer(places.costs, np.float32).reshape(shape)
        self.noise = np.frombuffer(snapshot.noise, np.uint8).reshape(width, ranking.SPREADS)

    # --- places ----------------------------------------------------------------------------------

    def row_of(self, place: str) -> int:
        """The row of a client's place, or of the narrowest of the wider places that is here."""
        row = self.rows.get(place)
        if row is None:
            row = next(self.rows[wider] for wider in wider_places(place) if wider in self.rows)
        return row

    def letters(self, row: int) -> tuple[str | None, str | None]:
        """The country and continent of a place's row."""
        pair = slice(2 * row, 2 * row + 2)
        return self._places.countries[pair].strip() or None, self._places.continents[pair].strip() or None

    # --- orders ----------------------------------------------------------------------------------

    def near(self, row: int, spread: int) -> tuple[list[int], bool]:
        """The certain beginning of the geography order, and whether it is all of it."""
        indexes, costs = self._candidates[row], self._costs[row]
        everything = len(indexes) == len(self.rankable)
        rank_km = costs + ranking.noise_km(self.noise[indexes], spread, self.policy.spread_km)
        order = ranking.in_order(indexes, rank_km)
        if not everything:
            horizon_km = ranking.horizon_km(costs, self.policy.spread_km)
            order = order[: int(np.searchsorted(rank_km[order], horizon_km))]
        ordered: list[int] = indexes[order].tolist()
        return ordered, everything

    def far(self, row: int, spread: int) -> list[int]:
        """The whole geography order."""
        return self.rank(row, spread, self.rankable).indexes

    def rank(self, row: int, spread: int, indexes: Sequence[int]) -> Ranked:
        """Any mirrors at a place, by rank."""
        place = self.points_of([row])
        all_of_them = len(indexes) == len(self.mirrors)
        terms = ranking.terms(place, self.table if all_of_them else self.table.take(indexes), self.policy)
        noise = ranking.noise_km(self.noise[np.asarray(indexes, np.intp)], spread, self.policy.spread_km)
        rank_km = terms.total()[0] + noise
        order = ranking.in_order(np.asarray(indexes, np.intp), rank_km)
        return Ranked(
            [indexes[i] for i in order],
            ranking.Terms(*(term[..., order] for term in terms)),
            noise[order],
            rank_km[order],
        )

    def points_of(self, rows: Sequence[int]) -> ranking.PlacePoints:
        """What ranking needs of some places."""
        pairs = [slice(2 * row, 2 * row + 2) for row in rows]
        return place_points(
            [self._names[row] for row in rows],
            self._points[np.asarray(rows, np.intp)],
            "".join(self._places.countries[pair] for pair in pairs),
            "".join(self._places.continents[pair] for pair in pairs),
        )

    @cached_property
    def table(self) -> ranking.MirrorTable:
        return mirror_table(self.mirrors)

    @cached_property
    def _points(self) -> ranking.Floats:
        return np.frombuffer(self._places.points, np.float32).reshape(self._places.count, 2)

    @cached_property
    def _names(self) -> list[str]:
        return list(self.rows)

    # --- questions -------------------------------------------------------------------------------

    def fates_of(self, key: str) -> bytes:
        """The fates of all mirrors for a question; what is not asked of mirrors, the vault alone has."""
        return self.fates.get(key, self._in_vault)

    @cached_property
    def expected(self) -> tuple[tuple[Directory, bytes], ...]:
        """What mirrors are expected to have, and the fates of all mirrors for it."""
        return tuple(
            (directory, self.fates[question_key(directory.release, directory.repo, directory.arch)])
            for directory in directories(self.config)
            if directory.expected
        )

    # --- mirrors ---------------------------------------------------------------------------------

    def addresses(self, mirror: ServedMirror, release: str) -> dict[Protocol, str]:
        """A mirror's base URLs for a release."""
        module = self.config.modules.get(release)
        return mirror.module_addresses.get(module, {}) if module else mirror.addresses

    def barred(self, country: str | None) -> bytes:
        """By mirror 0, or the fate of one that does not want clients from this country."""
        barred = self._barred.get(country)
        if barred is None:
            barred = self._barred[country] = bytes(_barred(mirror, country) for mirror in self.mirrors)
        return barred

    @cached_property
    def whole(self) -> bytes:
        """The fate of each mirror over all that mirrors are expected to have: the best that it has."""
        rows = np.array([list(fates) for _, fates in self.expected], np.uint8)
        best: npt.NDArray[np.uint8] = rows.reshape(-1, len(self.mirrors)).min(axis=0, initial=Fate.UNDECLARED)
        return best.tobytes()

    @cached_property
    def ipv6_works(self) -> Mask:
        """Known to work, not merely not known to fail."""
        return np.array([mirror.ipv6 is True for mirror in self.mirrors], np.bool_)

    @cached_property
    def ipv4_fails(self) -> Mask:
        return np.array([mirror.ipv4 is False for mirror in self.mirrors], np.bool_)


def _barred(mirror: ServedMirror, country: str | None) -> int:
    if mirror.countries and country not in mirror.countries:
        return Fate.SERVES_OTHERS
    return Fate.KEEPS_OUT if country in mirror.exclude_countries else 0
