"""The snapshot as the web process holds it: packed tables are read in place, mirrors ordered on demand.

The order of mirrors for a client is made in one step or two. The first step sorts the candidates of the
client's place, 64 mirrors that the worker ranked. Their order is certain up to the *horizon*, a rank that no
other mirror is below. The second step ranks all mirrors by the same functions. It is taken only where a list
needs more mirrors, because of filters (`country=JP` from Germany) or because very many mirrors are near. Both
steps give the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.catalogue.catalogue import Directory, expected_directories, product_of, question_key
from app.model import Coordinates, Fate, Protocol
from app.model.place import country_of, region_in, wider_places
from app.model.urls import host_of
from app.ranking import ranking
from app.snapshot.schema import ServedMirror
from app.snapshot.soundness import verified
from app.snapshot.tables import mirror_table, place_points

Mask = npt.NDArray[np.bool_]
"""A boolean for each mirror, by index."""

_OF_A_REPO = (Fate.CORRUPT_REPO, Fate.STALE_REPO, Fate.MISSING_REPO)
"""Fates of a mirror for what it lacks, while it may be served for all else."""

MAX_COST_ROWS = 64
"""The number of places for which the costs of all mirrors, four bytes each, are remembered."""


class Ranked(NamedTuple):
    """Mirrors ranked for one place and one spread value: their indexes, the terms of their costs (shape (1,
    n) or (n,)), their noise and their rank. Terms, noise and rank are in km. All are in the order of rank,
    lowest first."""

    indexes: list[int]
    terms: ranking.Terms
    noise: ranking.Floats
    rank_km: ranking.Floats


class LoadedSnapshot:
    """A decoded snapshot with the name of its generation. It never changes, but computes some parts only when
    they are needed. The constructor raises SnapshotError for bytes that are no snapshot of this schema, and
    for a snapshot that cannot be served."""

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
        self.place_database = snapshot.place_database
        self.repomd = snapshot.repomd
        self.images = snapshot.images
        self.rows = {name: row for row, name in enumerate(places.names.split("\n"))}
        width = len(self.mirrors)
        distinct = max(snapshot.rows, default=-1) + 1
        fates = [snapshot.fates[row * width : (row + 1) * width] for row in range(distinct)]
        #: The fates of all mirrors for each question, one byte each, by the question's key.
        self.fates = {key: fates[row] for key, row in zip(snapshot.questions, snapshot.rows, strict=True)}
        self._places = places
        self._barred: dict[str | None, bytes] = {}
        self._costs_by_row: dict[int, ranking.Floats] = {}
        self._candidates = np.frombuffer(places.candidates, np.uint16).reshape(shape)
        self._costs = np.frombuffer(places.costs, np.float32).reshape(shape)
        self.noise = np.frombuffer(snapshot.noise, np.uint8).reshape(width, ranking.SPREADS)

    # --- places ----------------------------------------------------------------------------------

    def row_of(self, place: str) -> int:
        """Returns the row of a place, or of the narrowest wider place that the snapshot has."""
        row = self.rows.get(place)
        if row is None:
            row = next(self.rows[wider] for wider in wider_places(place) if wider in self.rows)
        return row

    def letters(self, row: int) -> tuple[str | None, str | None]:
        """Returns the country and continent of the place in a row, two letters each; None where unknown."""
        pair = slice(2 * row, 2 * row + 2)
        return self._places.countries[pair].strip() or None, self._places.continents[pair].strip() or None

    def point_of(self, place: str) -> Coordinates | None:
        """Returns the point from which distances of a place are measured; None if it is no more than a
        continent, or if the snapshot does not have it."""
        if place not in self.rows or (country_of(place) is None and region_in(place) is None):
            return None
        latitude, longitude = self._points[self.rows[place]].tolist()
        return Coordinates(latitude=latitude, longitude=longitude)

    # --- orders ----------------------------------------------------------------------------------

    def near(self, row: int, spread: int) -> tuple[list[int], bool]:
        """Returns the indexes of the mirrors nearest to the place in a row, lowest rank first, as far as the
        order of its candidates is certain. The second value says whether the candidates are all mirrors that
        are ranked."""
        indexes, costs = self._candidates[row], self._costs[row]
        everything = len(indexes) == len(self.rankable)
        rank_km = costs + ranking.noise_km(self.noise[indexes], spread, self.policy.spread_km)
        order = ranking.in_order(indexes, rank_km)
        if not everything:
            horizon_km = ranking.horizon_km(costs, self.policy.spread_km)
            order = order[: int(np.searchsorted(rank_km[order], horizon_km))]
        ordered: list[int] = indexes[order].tolist()
        return ordered, everything

    def far(self, row: int, spread: int, among: Mask | None = None, count: int | None = None) -> list[int]:
        """Returns the indexes of all mirrors that are ranked, or of those in the mask `among`, lowest rank
        first, for the place in a row. With `count`, returns the first so many."""
        indexes = np.flatnonzero(self.is_rankable if among is None else among)
        rank_km = (self._all_costs(row) + ranking.noise_km(self.noise, spread, self.policy.spread_km))[
            indexes
        ]
        if count is not None and count < len(indexes):
            last = np.partition(rank_km, count - 1)[count - 1]
            within = np.flatnonzero(rank_km <= last)  # with all that are equal to the last one
            indexes, rank_km = indexes[within], rank_km[within]
        ordered: list[int] = indexes[ranking.in_order(indexes, rank_km)][:count].tolist()
        return ordered

    def _all_costs(self, row: int) -> ranking.Floats:
        """Returns the costs of all mirrors without noise, in km, for the place in a row. They are remembered
        for some places."""
        costs = self._costs_by_row.get(row)
        if costs is None:
            if len(self._costs_by_row) >= MAX_COST_ROWS:
                self._costs_by_row = {}
            costs = ranking.terms(self.points_of([row]), self.table, self.policy).total()[0]
            self._costs_by_row[row] = costs
        return costs

    def rank(self, row: int, spread: int, indexes: Sequence[int]) -> Ranked:
        """Ranks the mirrors with these indexes for the place in a row, lowest rank first."""
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
        """Returns the columns that ranking needs, for the places in these rows."""
        pairs = [slice(2 * row, 2 * row + 2) for row in rows]
        return place_points(
            [self._names[row] for row in rows],
            self._points[np.asarray(rows, np.intp)],
            "".join(self._places.countries[pair] for pair in pairs),
            "".join(self._places.continents[pair] for pair in pairs),
        )

    @cached_property
    def table(self) -> ranking.MirrorTable:
        """The columns that ranking needs, for all mirrors."""
        return mirror_table(self.mirrors)

    @cached_property
    def _points(self) -> ranking.Floats:
        return np.frombuffer(self._places.points, np.float32).reshape(self._places.count, 2)

    @cached_property
    def _names(self) -> list[str]:
        return list(self.rows)

    # --- questions -------------------------------------------------------------------------------

    @cached_property
    def expected(self) -> tuple[tuple[Directory, bytes], ...]:
        """The directories that mirrors are expected to have, each with the fates of all mirrors for it."""
        return tuple(
            (directory, self.fates[question_key(directory.release, directory.repo, directory.arch)])
            for directory in expected_directories(self.config)
        )

    # --- mirrors ---------------------------------------------------------------------------------

    def addresses(self, mirror: ServedMirror, release: str, vault: bool) -> dict[Protocol, str]:
        """Returns the base URLs of a mirror for a release, by protocol. With `vault`, returns those of its
        copy of the vault."""
        if vault:
            return mirror.vault_addresses.get(product_of(self.config, release), {})
        module = self.config.modules.get(release)
        return mirror.module_addresses.get(module, {}) if module else mirror.addresses

    def barred(self, country: str | None) -> bytes:
        """Returns one byte for each mirror: 0, or the fate of a mirror that does not serve clients from this
        country (`SERVES_OTHERS` or `KEEPS_OUT`). None is an unknown country."""
        barred = self._barred.get(country)
        if barred is None:
            made = bytes(_barred(mirror, country) for mirror in self.mirrors)
            # For most countries it is the same: one object stands for all of them.
            barred = self._barred[country] = next(
                (b for b in tuple(self._barred.values()) if b == made), made
            )
        return barred

    @cached_property
    def whole(self) -> list[Fate]:
        """The best fate of each mirror for anything that mirrors are expected to have."""
        best = np.full(len(self.mirrors), Fate.UNDECLARED, np.uint8)
        for fates in {fates for _, fates in self.expected}:
            np.minimum(best, np.frombuffer(fates, np.uint8), out=best)
        fates_by_number = {int(fate): fate for fate in Fate}
        return [fates_by_number[number] for number in best.tolist()]

    @cached_property
    def is_lacking(self) -> Mask:
        """Which mirrors lack something that they are declared to carry."""
        lacking = np.zeros(len(self.mirrors), np.bool_)
        for fates in {fates for _, fates in self.expected}:
            lacking |= np.isin(np.frombuffer(fates, np.uint8), _OF_A_REPO)
        return lacking

    @cached_property
    def is_rankable(self) -> Mask:
        """A mask of the mirrors that are ranked by distance."""
        mask = np.zeros(len(self.mirrors), np.bool_)
        mask[list(self.rankable)] = True
        return mask

    @cached_property
    def is_public(self) -> Mask:
        """A mask of the mirrors that are open to clients of all networks."""
        return np.array([mirror.public for mirror in self.mirrors], np.bool_)

    @cached_property
    def _countries(self) -> tuple[dict[str, int], npt.NDArray[np.intp]]:
        """A number from 1 for each country that has mirrors, and an array with the number of each mirror's
        country, which is 0 if the country is unknown."""
        found = dict.fromkeys(mirror.country for mirror in self.mirrors if mirror.country)
        numbers = {country: number for number, country in enumerate(found, 1)}
        return numbers, np.array([numbers.get(m.country or "", 0) for m in self.mirrors], np.intp)

    def in_countries(self, countries: Iterable[str]) -> Mask:
        """Returns a mask of the mirrors that are in one of these countries."""
        numbers, of_mirrors = self._countries
        wanted = np.zeros(len(numbers) + 1, np.bool_)
        wanted[[numbers[country] for country in countries if country in numbers]] = True
        found: Mask = wanted[of_mirrors]
        return found

    @cached_property
    def _continents(self) -> npt.NDArray[np.str_]:
        return np.array([mirror.continent or "" for mirror in self.mirrors], "U2")

    def in_continent(self, continent: str) -> Mask:
        """Returns a mask of the mirrors that are on a continent."""
        found: Mask = self._continents == continent
        return found

    @cached_property
    def _named(self) -> dict[str, list[int]]:
        """The indexes of the mirrors by their names and the hosts of their URLs, all in lower case."""
        named: dict[str, list[int]] = {}
        for index, mirror in enumerate(self.mirrors):
            of_mirror = (mirror.addresses, *mirror.module_addresses.values())
            hosts = (host_of(url) for addresses in of_mirror for url in addresses.values())
            for name in {mirror.name.lower(), *filter(None, hosts)}:
                named.setdefault(name, []).append(index)
        return named

    def named(self, names: Iterable[str]) -> list[int]:
        """Returns the indexes of the mirrors that have one of these names, or a URL at a host with this name.
        The names are in lower case."""
        return [index for name in names for index in self._named.get(name, ())]

    @cached_property
    def ipv6_works(self) -> Mask:
        """A mask of the mirrors that are known to work over IPv6. Mirrors that were not tried are not in
        it."""
        return np.array([mirror.ipv6 is True for mirror in self.mirrors], np.bool_)

    @cached_property
    def ipv4_fails(self) -> Mask:
        """A mask of the mirrors that are known not to work over IPv4."""
        return np.array([mirror.ipv4 is False for mirror in self.mirrors], np.bool_)


def _barred(mirror: ServedMirror, country: str | None) -> int:
    if mirror.countries and country not in mirror.countries:
        return Fate.SERVES_OTHERS
    return Fate.KEEPS_OUT if country in mirror.exclude_countries else 0
