"""Builds the places database, which tells for every address the place of a client there.

The place scan goes over all networks of the vendors' databases anyway. It gives what they say to this module,
which lays the files over each other (for an address the first file with a record counts), makes one network
of neighbours with the same place, and writes one MMDB file for IPv4 and IPv6. A record is nothing but the
place, as a text. `place_lookup` and nginx read the file.

IPv4 is at ::/96, and once more at ::ffff:0:0/96. Where a vendor shows it elsewhere too (2002::/16, because
these IPv6 addresses have an IPv4 address in them), the result does so as well: a lookup in the result finds
the same as one in the vendors' files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.geo import address_map
from app.geo.address_map import NOTHING, PORTAL, AddressMap, Values
from app.geo.address_tree import grow, shared
from app.geo.mmdb import Alias, Halves, Level, MmdbFile
from app.geo.mmdb_encoding import MmdbEncoding
from app.geo.place_lookup import DATABASE_TYPE
from app.model.place import Place
from app.model.prefixes import WIDTHS

N = TypeVar("N", bound=np.generic)

BUILDER = 1
"""The version of what is built here. A database of another version is built anew."""
NO_RECORD, NO_PLACE = 0, 1
"""The values of addresses of which a file has no record, and of which its record tells no place. The place
with the number n has the value n + 1."""

_MAPPED = Alias(0, 0xFFFF << 32, 96)
_CHUNK = 1 << 20  # nodes written at once


class FileMap(NamedTuple):
    """What one file of a vendor says of all addresses."""

    ipv4: AddressMap
    #: None for a file of IPv4 alone.
    ipv6: AddressMap | None
    #: Where IPv4 is once more.
    aliases: frozenset[Alias]


class NetworkCollector:
    """Collects the networks of one file while it is walked."""

    def __init__(self) -> None:
        #: To be filled by the walk.
        self.aliases: list[Alias] = []
        self._high: list[Halves] = []
        self._low: list[Halves] = []
        self._lengths: list[NDArray[np.uint8]] = []
        self._values: list[Values] = []

    def add(self, level: Level, values: Values) -> None:
        """Adds networks of one level, each with its value."""
        length = level.length + (96 if level.version == 4 else 0)
        self._high.append(level.high)
        self._low.append(level.low)
        self._lengths.append(np.full(len(values), length, np.uint8))
        self._values.append(values)

    def map(self, file: MmdbFile) -> FileMap:
        """Returns what was collected of a file. Only the first call does so, because that is large."""
        whole = address_map.nothing()
        if self._values:
            whole = address_map.map_of_networks(
                _taken(self._high), _taken(self._low), _taken(self._lengths), _taken(self._values)
            )
        aliases = frozenset(alias for alias in self.aliases if alias.length <= _MAPPED.length)
        is_ipv6 = file.metadata.ip_version == 6
        return FileMap(address_map.ipv4_part(whole), whole if is_ipv6 else None, aliases)


def _taken(parts: list[NDArray[N]]) -> NDArray[N]:
    """Joins arrays, and empties the list that they are in."""
    joined = np.concatenate(parts)
    parts.clear()
    return joined


def write_database(path: Path, files: Sequence[FileMap], names: Sequence[Place], build_epoch: int) -> None:
    """Writes the places database of these files, which are laid over each other in this order. `names` are
    the places by number. Raises OSError."""
    whole, ipv4s = combined(files)
    used = np.unique(np.concatenate([steps.values for steps in (whole, *ipv4s)]))
    numbers = [int(value) for value in used if NO_PLACE < value < PORTAL]
    numbers.sort(key=lambda value: names[value - 1])
    records = np.zeros(len(names) + 1, np.uint32)
    records[numbers] = np.arange(1, len(numbers) + 1)
    maps = [address_map.translated(steps, records) for steps in (whole, *ipv4s)]
    del whole, ipv4s
    trees = [shared(grow(steps, WIDTHS[4 if number else 6])) for number, steps in enumerate(maps)]
    encoding = MmdbEncoding(
        sum(map(len, trees)),
        [names[value - 1] for value in numbers],
        {
            "database_type": DATABASE_TYPE,
            "description": {"en": "The places of clients"},
            "build_epoch": build_epoch,
        },
    )
    starts = np.cumsum([0, *map(len, trees)])
    roots = [
        start if len(tree) else encoding.references[steps.values[0]]  # the same everywhere
        for start, tree, steps in zip(starts[:-1], trees, maps, strict=True)
    ]
    references = np.concatenate([encoding.references, np.array(roots[1:], np.uint32)])
    with path.open("wb") as out:
        for start, tree in zip(starts[:-1], trees, strict=True):
            for at in range(0, len(tree), _CHUNK):
                children = tree[at : at + _CHUNK]
                values = np.maximum(-1 - children, NOTHING)
                values[values >= PORTAL] -= PORTAL - len(encoding.references)
                out.write(encoding.nodes(np.where(children < 0, references[values], children + start)))
        out.write(encoding.tail)


def combined(files: Sequence[FileMap]) -> tuple[AddressMap, list[AddressMap]]:
    """Lays files over each other. Returns the map of all addresses and those of IPv4, for which it has the
    values PORTAL, PORTAL + 1 and so on."""
    ipv6 = [file for file in files if file.ipv6 is not None]
    whole = address_map.overlaid([file.ipv6 for file in ipv6 if file.ipv6 is not None])
    ipv4s: dict[tuple[int, ...], AddressMap] = {}

    def portal(sources: Sequence[FileMap]) -> int:
        """Returns the value for what these files together say of IPv4."""
        key = tuple(map(id, (file for file in sources if not file.ipv4.says_nothing)))
        if key not in ipv4s:
            ipv4s[key] = address_map.overlaid([file.ipv4 for file in sources])
        return PORTAL + list(ipv4s).index(key)

    for alias in (Alias(0, 0, 96), _MAPPED):
        part = address_map.constant(alias.high, alias.low, portal(files))
        whole = address_map.with_part(whole, *alias, part)
    for alias in sorted({alias for file in ipv6 for alias in file.aliases} - {_MAPPED}):
        others = [file.ipv6 for file in ipv6 if file.ipv6 is not None and alias not in file.aliases]
        if all(address_map.part(other, *alias).says_nothing for other in others):
            value = portal([file for file in ipv6 if alias in file.aliases])
            part = address_map.constant(alias.high, alias.low, value)
        else:
            part = address_map.part(address_map.overlaid([_unfolded(file, alias) for file in ipv6]), *alias)
        whole = address_map.with_part(whole, *alias, part)
    return whole, list(ipv4s.values())


def _unfolded(file: FileMap, alias: Alias) -> AddressMap:
    """Returns what a file of IPv6 says, in which IPv4 is written out at this alias."""
    whole = file.ipv6 or address_map.nothing()
    if alias not in file.aliases:
        return whole
    return address_map.with_part(whole, *alias, address_map.shifted(file.ipv4, *alias))
