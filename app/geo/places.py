"""Finds all places in a city database, and how many clients each of them probably has.

The worker ranks mirrors for every place before a client asks, and prices crowded mirrors by how many
clients they would get; both need this scan. It goes over all networks of all files, once for each build
of the database (`place_scan` runs it beside the worker), and its result is kept on disk.

The database does not tell how many clients a place has, and the number of its addresses is a poor
measure. Whole /8s are unused, and all addresses of a company may be in one city: 7 % of DB-IP's IPv4
addresses are in the cell around Columbus, Ohio. So one network of the database counts for at most
IPV4_CAP addresses. Then unused blocks hardly count. Networks that people use count in full, because
vendors tell them apart town by town.

IPv6 networks tell where they are registered rather than where people are: 85 % of DB-IP's netblocks are
in one cell in Switzerland. So one network counts for a single /48 at most, and a /48 for IPV6_WEIGHT
addresses. In DB-IP this adds a tenth to the clients that IPv4 shows.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.geo import scan_cache
from app.geo.copies import identity_of
from app.geo.database import city_layout_of
from app.geo.mmdb import DistinctRecords, Level, MmdbFile
from app.geo.vendors import Layout
from app.model import GeoError
from app.model.place import UNKNOWN_PLACE, Place, country_of, is_exact, place_of

IPV4_CAP = 2.0**14
IPV6_WEIGHT = 32.0
SCHEMA = 2

Floats = NDArray[np.float64]

_COLUMNS = ("latitude", "longitude", "ipv4_addresses", "ipv6_netblocks", "clients")


@dataclass(frozen=True, eq=False)
class PlaceTable:
    """Places with their clients, as parallel arrays, sorted by name.

    Coordinates are the mean of the place's clients, in degrees. For a country or continent, they are the
    mean of all clients known to be in it, or NaN if none has coordinates. `ipv6_netblocks` counts /48s.
    """

    names: list[Place]
    latitude: Floats
    longitude: Floats
    ipv4_addresses: Floats
    ipv6_netblocks: Floats
    clients: Floats

    def encode(self) -> bytes:
        columns = {name: getattr(self, name).tobytes() for name in _COLUMNS}
        return msgspec.msgpack.encode(_Stored(names=self.names, columns=columns))

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Reads a table that `encode` wrote. Raises GeoError if it is damaged."""
        try:
            stored = msgspec.msgpack.decode(content, type=_Stored)
            arrays = {name: np.frombuffer(stored.columns[name], np.float64) for name in _COLUMNS}
        except (msgspec.MsgspecError, ValueError, KeyError) as error:
            raise GeoError(f"a place table is damaged: {error}") from error
        if any(len(column) != len(stored.names) for column in arrays.values()):
            raise GeoError("a place table is damaged: its columns are not equally long")
        return cls(names=stored.names, **arrays)


class _Stored(msgspec.Struct):
    names: list[Place]
    columns: dict[str, bytes]


def scan(paths: Sequence[Path], progress: Callable[[float], None] | None = None) -> PlaceTable:
    """Makes the place table out of all networks of these files. Tells `progress` the share that is done, 0 to
    1.

    Addresses that are in two files count twice. A record that cannot be read is left out. Raises GeoError if
    a file or its search tree is damaged.
    """
    files = [MmdbFile(path) for path in paths]
    total = sum(file.metadata.node_count for file in files)
    done = 0
    tally = _Tally()
    for file in files:
        layout = city_layout_of(file)
        records = DistinctRecords(file, partial(tally.row_of, layout))
        for level in file.walk():
            tally.count(level, *records.counted(level))
            if progress is not None:
                progress((done + level.walked * file.metadata.node_count) / total)
        done += file.metadata.node_count
    return tally.table()


def load(paths: Sequence[Path], cache_folder: Path) -> PlaceTable | None:
    """Returns the table of places that an earlier scan made of these city databases; None if there has been
    no scan of databases with the same content. `paths` are verified copies. Raises GeoError if the table is
    damaged."""
    content = scan_cache.load(cache_folder, "places", scan_key(paths))
    return None if content is None else PlaceTable.decode(content)


def load_or_scan(
    paths: Sequence[Path], cache_folder: Path, progress: Callable[[float], None] | None = None
) -> PlaceTable:
    """Returns the table of an earlier scan, or else of a new one, which is kept. Raises GeoError or
    OSError."""
    table = load(paths, cache_folder)
    if table is None:
        table = scan(paths, progress)
        scan_cache.save(cache_folder, "places", scan_key(paths), table.encode())
    return table


def scan_key(paths: Sequence[Path]) -> str:
    """Returns the key of a scan of these copies in the scan cache."""
    return scan_cache.key_of(identity_of(paths), SCHEMA, IPV4_CAP, IPV6_WEIGHT)


class _Tally:
    """Counts clients in a scan: first by distinct record, because many networks share one, and at the end by
    place. Each record has a row. Row 0 is for records that tell no place; they are not counted."""

    def __init__(self) -> None:
        self._places = {UNKNOWN_PLACE: 0}
        self._continents: dict[str, str | None] = {}
        self._place_of_row = array("q", [0])
        self._latitudes = array("d", [nan])
        self._longitudes = array("d", [nan])
        self._counts: list[tuple[NDArray[np.int64], Floats]] = []

    def row_of(self, layout: Layout, record: object) -> int:
        location = layout.locate(record)
        place = location.place
        if not place:
            return 0
        if location.country is not None:
            self._continents[location.country] = location.continent
        self._place_of_row.append(self._places.setdefault(place, len(self._places)))
        self._latitudes.append(nan if location.latitude is None else location.latitude)
        self._longitudes.append(nan if location.longitude is None else location.longitude)
        return len(self._place_of_row) - 1

    def count(self, level: Level, rows: NDArray[np.int64], networks: NDArray[np.int64]) -> None:
        """Counts networks of a level: `networks[i]` of them have the record of row `rows[i]`."""
        if level.version == 4:
            addresses, netblocks = 2.0 ** (32 - level.length), 0.0
            clients = min(addresses, IPV4_CAP)
        else:
            addresses, netblocks = 0.0, 2.0 ** (48 - level.length)
            clients = IPV6_WEIGHT * min(netblocks, 1.0)
        self._counts.append((rows, np.outer((addresses, netblocks, clients), networks)))

    def table(self) -> PlaceTable:
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in self._counts)])
        counts = np.concatenate([np.zeros((3, 0)), *(counts for _, counts in self._counts)], axis=1)
        places = np.array(self._place_of_row)
        vectors = _vectors(np.array(self._latitudes), np.array(self._longitudes))
        addresses, netblocks, clients = (_sums(places[rows], column, len(self._places)) for column in counts)
        weights = np.where(np.isnan(vectors[0]), 0.0, _sums(rows, counts[2], len(places)))
        totals = np.stack(
            [_sums(places, np.nan_to_num(axis) * weights, len(self._places)) for axis in vectors]
        )
        names = list(self._places)
        latitude, longitude = _degrees(self._of_whole_countries(names, totals))
        order = sorted(range(1, len(names)), key=names.__getitem__)
        return PlaceTable(
            [names[place] for place in order],
            *(column[order] for column in (latitude, longitude, addresses, netblocks, clients)),
        )

    def _of_whole_countries(self, names: list[Place], totals: Floats) -> Floats:
        """Returns `totals`, a column for each place, in which a country or continent now has the sum of all
        places in it."""
        columns: dict[str, list[int]] = {}
        for column, name in enumerate(names):
            country = country_of(name)
            columns.setdefault(country or name, []).append(column)
            continent = self._continents.get(country) if country else None
            if continent:
                columns.setdefault(place_of(continent=continent), []).append(column)
        whole = totals.copy()
        for column, name in enumerate(names):
            if not is_exact(name):
                whole[:, column] = totals[:, columns[name]].sum(axis=1)
        return whole


def _sums(groups: NDArray[Any], values: Floats, size: int) -> Floats:
    return np.bincount(groups, values, size).astype(np.float64)


def _vectors(latitude: Floats, longitude: Floats) -> Floats:
    """Returns points on the unit sphere, one in each column, for coordinates in degrees. The means of such
    vectors are right even at the date line."""
    north, east = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])


def _degrees(vectors: Floats) -> tuple[Floats, Floats]:
    """Returns the latitudes and longitudes of vectors of any length; NaN for vectors of length zero."""
    x, y, z = vectors
    nowhere = (x == 0) & (y == 0) & (z == 0)
    latitude = np.degrees(np.arctan2(z, np.hypot(x, y)))
    longitude = np.degrees(np.arctan2(y, x))
    return np.where(nowhere, nan, latitude), np.where(nowhere, nan, longitude)
