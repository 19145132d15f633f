"""Finds all places in a city database, and how many clients each of them probably has, and has the places
database made (`place_database`).

The worker ranks mirrors for every place before a client asks, prices crowded mirrors by how many clients they
would get, and tells web and nginx which addresses are in which place; all of it needs this scan. It goes over
all networks of all files, once for each build of the database (`place_scan` runs it beside the worker), and
its results are kept on disk.

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
from typing import Annotated, Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.geo import scan_cache
from app.geo.address_map import Values
from app.geo.copies import VerifiedCopies, identity_of
from app.geo.database import city_layout_of
from app.geo.mmdb import DistinctRecords, Level, MmdbFile
from app.geo.place_database import BUILDER, NO_RECORD, NetworkCollector, write_database
from app.geo.vendors import Layout
from app.model import GeoError
from app.model.place import UNKNOWN_PLACE, Place, country_of, is_exact, place_of

IPV4_CAP = 2.0**14
IPV6_WEIGHT = 32.0
SCHEMA = 3

_WALK = 0.75
"""The share of a scan that goes over networks. In the rest, the places database is made of them."""
_NO_ROW, _NOWHERE = 0, 1
"""The rows of records that cannot be read, and of those that tell no place."""

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
    #: The digest of the places database that was made in the same scan.
    database: str

    def encode(self) -> bytes:
        columns = {name: getattr(self, name).tobytes() for name in _COLUMNS}
        stored = _Stored(names=self.names, columns=columns, database=self.database)
        return msgspec.msgpack.encode(stored)

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
        return cls(names=stored.names, database=stored.database, **arrays)


class _Stored(msgspec.Struct):
    names: list[Place]
    columns: dict[str, bytes]
    database: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]


def scan(
    paths: Sequence[Path], copies: VerifiedCopies, progress: Callable[[float], None] | None = None
) -> PlaceTable:
    """Makes the place table out of all networks of these files, and the places database among the copies.
    Tells `progress` the share that is done, 0 to 1.

    Addresses that are in two files count twice. A record that cannot be read is left out. Raises GeoError if
    a file or its search tree is damaged, and OSError if the disk does not take the database.
    """
    files = [MmdbFile(path) for path in paths]
    total = sum(file.metadata.node_count for file in files)
    done = 0
    tally, maps = _Tally(), []
    for file in files:
        records = DistinctRecords(file, partial(tally.row_of, city_layout_of(file)))
        networks = NetworkCollector()
        for level in file.walk(aliases=networks.aliases):
            rows, row_of_network = records.of_networks(level)
            tally.count(level, rows, np.bincount(row_of_network, minlength=len(rows)))
            networks.add(level, tally.values(rows)[row_of_network])
            if progress is not None:
                progress(_WALK * (done + level.walked * file.metadata.node_count) / total)
        done += file.metadata.node_count
        file.reader.close()
        maps.append(networks.map(file))
    build_epoch = max(1, min(file.metadata.build_epoch for file in files))  # 0 is not valid
    digest = copies.build(
        lambda path: write_database(path, maps, tally.places, build_epoch), "the places database"
    )
    table = tally.table(digest)
    if progress is not None:
        progress(1.0)
    return table


def load(paths: Sequence[Path], cache_folder: Path, copies: VerifiedCopies) -> PlaceTable | None:
    """Returns the table of places that an earlier scan made of these city databases; None if there has been
    no scan of databases with the same content, or its places database is not among the copies (any more).
    `paths` are verified copies. Raises GeoError if the table is damaged."""
    content = scan_cache.load(cache_folder, "places", scan_key(paths))
    if content is None:
        return None
    table = PlaceTable.decode(content)
    return None if copies.use(table.database) is None else table


def load_or_scan(
    paths: Sequence[Path],
    cache_folder: Path,
    copies: VerifiedCopies,
    progress: Callable[[float], None] | None = None,
) -> PlaceTable:
    """Returns the table of an earlier scan, or else of a new one, which is kept. Raises GeoError or
    OSError."""
    table = load(paths, cache_folder, copies)
    if table is None:
        table = scan(paths, copies, progress)
        scan_cache.save(cache_folder, "places", scan_key(paths), table.encode())
    return table


def scan_key(paths: Sequence[Path]) -> str:
    """Returns the key of a scan of these copies in the scan cache."""
    return scan_cache.key_of(identity_of(paths), SCHEMA, BUILDER, IPV4_CAP, IPV6_WEIGHT)


class _Tally:
    """Counts clients in a scan: first by distinct record, because many networks share one, and at the end by
    place. Each record that tells one has a row of its own."""

    def __init__(self) -> None:
        self._numbers = {UNKNOWN_PLACE: 0}
        self._continents: dict[str, str | None] = {}
        self._place_of_row = array("q", [0, 0])  # of _NO_ROW and _NOWHERE
        self._latitudes = array("d", [nan, nan])
        self._longitudes = array("d", [nan, nan])
        self._counts: Floats = np.zeros((3, 2))  # IPv4 addresses, IPv6 netblocks and clients of each row

    @property
    def places(self) -> list[Place]:
        """The places by number. Number 0 is the unknown place."""
        return list(self._numbers)

    def row_of(self, layout: Layout, record: object) -> int:
        location = layout.locate(record)
        place = location.place
        if not place:
            return _NOWHERE
        if location.country is not None:
            self._continents[location.country] = location.continent
        self._place_of_row.append(self._numbers.setdefault(place, len(self._numbers)))
        self._latitudes.append(nan if location.latitude is None else location.latitude)
        self._longitudes.append(nan if location.longitude is None else location.longitude)
        return len(self._place_of_row) - 1

    def values(self, rows: NDArray[np.int64]) -> Values:
        """Returns what records say of places, as values of the places database."""
        places = np.frombuffer(self._place_of_row, np.int64)[rows]
        return np.where(rows == _NO_ROW, NO_RECORD, places + 1).astype(np.uint32)

    def count(self, level: Level, rows: NDArray[np.int64], networks: NDArray[np.int64]) -> None:
        """Counts networks of a level: `networks[i]` of them have the record of row `rows[i]`."""
        if level.version == 4:
            addresses, netblocks = 2.0 ** (32 - level.length), 0.0
            clients = min(addresses, IPV4_CAP)
        else:
            addresses, netblocks = 0.0, 2.0 ** (48 - level.length)
            clients = IPV6_WEIGHT * min(netblocks, 1.0)
        missing = len(self._place_of_row) - self._counts.shape[1]
        if missing > 0:
            self._counts = np.pad(self._counts, ((0, 0), (0, missing + len(self._place_of_row))))
        for column, each in zip(self._counts, (addresses, netblocks, clients), strict=True):
            np.add.at(column, rows, each * networks)

    def table(self, database: str) -> PlaceTable:
        """Returns the table of all that was counted. `database` is the digest of the places database."""
        places, names = np.array(self._place_of_row), self.places
        counts = self._counts[:, : len(places)]
        vectors = _vectors(np.array(self._latitudes), np.array(self._longitudes))
        addresses, netblocks, clients = (_sums(places, column, len(names)) for column in counts)
        weights = np.where(np.isnan(vectors[0]), 0.0, counts[2])
        totals = np.stack([_sums(places, np.nan_to_num(axis) * weights, len(names)) for axis in vectors])
        latitude, longitude = _degrees(self._of_whole_countries(names, totals))
        order = sorted(range(1, len(names)), key=names.__getitem__)
        columns = (latitude, longitude, addresses, netblocks, clients)
        ordered = {name: column[order] for name, column in zip(_COLUMNS, columns, strict=True)}
        return PlaceTable(names=[names[place] for place in order], database=database, **ordered)

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
