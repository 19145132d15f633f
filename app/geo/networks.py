"""Builds and reads the networks database, which tells for every address in which networks it is, and where it
is if a geofeed says so.

The worker merges cloud ranges, the subnets that mirrors declare, the prefixes of the ASNs that matter and
the rows of geofeeds into one MMDB file. A record has the name of an *overlay*, and the snapshot says what the
name stands for. An overlay is all that is known of the networks of an address together: the most specific
cloud range (with a region or without), all declared netblocks that contain the address, and the most specific
ASN prefix. Each address has one overlay at most. Where a geofeed has rows for an address, the record has the
place that the most specific row gives, and says which row that is. nginx reads the same file.

IPv4 is at ::/96 as in every MMDB file, and once more at ::ffff:0:0/96. An IPv6 prefix that contains these
says nothing about IPv4 addresses, and a prefix inside ::/96 is ignored.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.geo.memory import MemoryFile
from app.geo.mmdb import DATA_SEPARATOR, LOOKUP_ERRORS, MmdbFile, holds_ipv4
from app.model import GeoError, Record
from app.model.network import CloudRegion, NetworkName, parse_network
from app.model.place import PATTERN, UNKNOWN_PLACE, Place
from app.model.prefixes import WIDTHS, CloudRange, Correction, Prefix, parse_prefix

KEY = "overlay"
PLACE = "place"
GEOFEED = "geofeed"
"""The keys of a record. It has `KEY` if its addresses are in a network, and the others if a geofeed has a row
for them."""
UNLOCATED = "-"
"""The place in a record whose addresses are not to be located. An empty text would not do, because nginx
cannot tell it from none."""


class Netblock(Record, frozen=True, kw_only=True):
    """A declared subnet and the names of the mirrors that declare exactly this one, sorted."""

    prefix: str
    mirrors: tuple[str, ...]


class KnownNetwork(Record, frozen=True, kw_only=True):
    """An overlay: all that is known of the addresses with one name in the database."""

    #: A `NetworkName`. It stays the same from build to build, as long as its parts do.
    name: str
    cloud: CloudRegion | None = None
    #: The declared subnets that contain the addresses, most specific first.
    netblocks: tuple[Netblock, ...] = ()
    asn: int | None = None


class Networks(NamedTuple):
    """A networks database as an MMDB file, with the overlays that it names, sorted by name."""

    mmdb: bytes
    overlays: tuple[KnownNetwork, ...]


class _State(NamedTuple):
    """What is known of an address while the tree is made: its overlay, which has no name yet, and the place
    and source of the row that a geofeed has for it."""

    cloud: CloudRegion | None = None
    netblocks: tuple[Netblock, ...] = ()
    asn: int | None = None
    corrected: tuple[Place, str] | None = None

    @property
    def overlay(self) -> _State:
        """The overlay alone."""
        return self if self.corrected is None else self._replace(corrected=None)


def _change(above: _State, change: _State) -> _State:
    return _State(
        change.cloud or above.cloud,
        change.netblocks + above.netblocks,
        above.asn if change.asn is None else change.asn,
        change.corrected or above.corrected,
    )


_NOTHING = _State()


def build_networks(
    clouds: Iterable[CloudRange],
    subnets: Iterable[tuple[str, str]],
    asn_prefixes: Iterable[tuple[str, int]],
    build_epoch: int,
    corrections: Iterable[Correction] = (),
) -> Networks:
    """Builds a networks database. `subnets` are (mirror, prefix), `asn_prefixes` are (prefix, ASN), and no
    two `corrections` have the same prefix. The same input gives the same bytes, in whatever order. Raises
    ValueError for a bad prefix."""
    from app.geo.search_tree import Grower, encode_mmdb  # noqa: PLC0415 - heavy, and the web never builds

    states: dict[_State, int] = {_NOTHING: 0}
    changes = _changes(clouds, subnets, asn_prefixes, corrections)
    grower: Grower[_State, _State] = Grower(_change, lambda state: states.setdefault(state, len(states)))
    ipv4 = grower.grow(WIDTHS[4], changes[4], _NOTHING)
    portals = {(0, 96): ipv4, (0xFFFF << 32, 96): ipv4}
    root = grower.grow(WIDTHS[6], changes[6], _NOTHING, portals)
    overlays = _named({state.overlay for state in states} - {_NOTHING})
    metadata = {
        "database_type": "Mirrorwise-Networks",
        "description": {"en": "Cloud regions, declared netblocks and ASNs of mirrors; places by geofeeds"},
        "build_epoch": build_epoch,
    }
    records = [_record(state, overlays.get(state.overlay)) for state in list(states)[1:]]
    mmdb = encode_mmdb(grower.nodes, root, records, metadata)
    return Networks(mmdb, tuple(sorted(overlays.values(), key=lambda overlay: overlay.name)))


def _record(state: _State, overlay: KnownNetwork | None) -> dict[str, str]:
    record = {} if overlay is None else {KEY: overlay.name}
    if state.corrected is not None:
        place, source = state.corrected
        record |= {PLACE: place or UNLOCATED, GEOFEED: source}
    return record


def _changes(
    clouds: Iterable[CloudRange],
    subnets: Iterable[tuple[str, str]],
    asn_prefixes: Iterable[tuple[str, int]],
    corrections: Iterable[Correction],
) -> Mapping[int, dict[tuple[int, int], _State]]:
    """Returns what each single prefix changes for its addresses, by IP version and then by (address, length).
    If several cloud ranges have a prefix, one with a region counts, and of these the first by name. Of
    several ASNs, the lowest counts."""
    by_prefix: dict[Prefix, _State] = {}
    for cloud_range in clouds:
        cloud = CloudRegion(cloud_range.provider, cloud_range.region, cloud_range.border_group)
        present = by_prefix.get(cloud_range.prefix, _NOTHING).cloud
        if present is None or (not cloud.region, str(cloud)) < (not present.region, str(present)):
            by_prefix[cloud_range.prefix] = _State(cloud)
    mirrors: dict[Prefix, set[str]] = {}
    for mirror, text in subnets:
        mirrors.setdefault(parse_prefix(text), set()).add(mirror)
    for prefix, names in mirrors.items():
        netblock = Netblock(prefix=str(prefix), mirrors=tuple(sorted(names)))
        by_prefix[prefix] = by_prefix.get(prefix, _NOTHING)._replace(netblocks=(netblock,))
    for text, asn in asn_prefixes:
        prefix = parse_prefix(text)
        known = by_prefix.get(prefix, _NOTHING)
        if known.asn is None or asn < known.asn:
            by_prefix[prefix] = known._replace(asn=asn)
    for row in corrections:
        known = by_prefix.get(row.prefix, _NOTHING)
        by_prefix[row.prefix] = known._replace(corrected=(row.place, row.source))
    changes: dict[int, dict[tuple[int, int], _State]] = {4: {}, 6: {}}
    for (version, address, length), state in by_prefix.items():
        changes[version][address, length] = state
    return changes


def _named(overlays: Iterable[_State]) -> dict[_State, KnownNetwork]:
    hashes = _netblock_hashes({overlay.netblocks for overlay in overlays if overlay.netblocks})
    return {
        overlay: KnownNetwork(
            name=str(NetworkName(overlay.cloud, hashes.get(overlay.netblocks), overlay.asn)),
            cloud=overlay.cloud,
            netblocks=overlay.netblocks,
            asn=overlay.asn,
        )
        for overlay in overlays
    }


def _netblock_hashes(all_netblocks: set[tuple[Netblock, ...]]) -> dict[tuple[Netblock, ...], str]:
    """Returns a hash of each set of netblocks, in six hex digits, or more if two would be the same."""
    digests = {
        netblocks: hashlib.sha256(
            "\n".join(f"{block.prefix} {' '.join(block.mirrors)}" for block in netblocks).encode()
        ).hexdigest()
        for netblocks in all_netblocks
    }
    digits = next(n for n in count(6) if len({d[:n] for d in digests.values()}) == len(digests))
    return {netblocks: digest[:digits] for netblocks, digest in digests.items()}


class FoundNetwork(NamedTuple):
    """What the networks database says of an address."""

    #: The name of its overlay.
    overlay: str | None = None
    #: Its place by a geofeed, which counts instead of the GeoIP database's; None if no geofeed has a row.
    place: Place | None = None
    #: The row, such as "office.csv, line 12".
    geofeed: str | None = None


NOTHING_FOUND = FoundNetwork()


class NetworkLookup:
    """An open networks database. The file is mapped, so it must not change while it is open."""

    def __init__(self, path: Path) -> None:
        """Opens the database. Raises GeoError."""
        self._reader = MmdbFile(path).reader
        #: The names of all networks in the database.
        self.names = _names_in(path)

    @classmethod
    def of(cls, content: bytes) -> NetworkLookup:
        """Opens a networks database from its bytes, without a file on disk. Raises GeoError if the bytes are
        no such database."""
        with MemoryFile("networks") as memory:
            memory.path.write_bytes(content)
            return cls(memory.path)

    def find(self, address: str) -> FoundNetwork:
        """Returns what is known of an address, which is nothing for text that is no address. (maxminddb
        accepts a little more text as addresses than this program does otherwise: `192.0.2`, and a zone after
        "%".)"""
        if ":" in address and holds_ipv4(address):
            return NOTHING_FOUND
        try:
            record = self._reader.get(address)
        except LOOKUP_ERRORS:
            return NOTHING_FOUND
        if not isinstance(record, dict):
            return NOTHING_FOUND
        get: Callable[[str], Any] = record.get  # texts: all records were read at the beginning
        place = get(PLACE)
        return FoundNetwork(get(KEY), UNKNOWN_PLACE if place == UNLOCATED else place, get(GEOFEED))

    def cloud_prefix(self, address: str) -> str | None:
        """Returns the widest prefix around an address that is all in the same cloud region; None if the
        address is in none. A network of the database would not do, because it ends where a declared netblock
        begins, and the netblock may be private."""
        try:
            prefix = parse_prefix(address)
            cloud, length = self._cloud_at(prefix)
            if cloud is None:
                return None
            prefix = _with_length(prefix, length)
            for _ in range(prefix.length):
                if not self._is_all(cloud, _sibling(prefix)):
                    break
                prefix = _with_length(prefix, prefix.length - 1)
        except LOOKUP_ERRORS:
            return None
        return str(prefix)

    def _cloud_at(self, prefix: Prefix) -> tuple[CloudRegion | None, int]:
        """Returns the cloud region at the first address of a prefix, or None, and the prefix length of the
        database's network that the address is in."""
        text = str(prefix).partition("/")[0]
        record, length = self._reader.get_with_prefix_len(text)
        name = record.get(KEY) if isinstance(record, dict) else None
        return parse_network(name).cloud if isinstance(name, str) else None, length

    def _is_all(self, cloud: CloudRegion, prefix: Prefix) -> bool:
        address = prefix
        while address.address <= prefix.last:
            found, length = self._cloud_at(address)
            if found != cloud:
                return False
            address = address._replace(address=_with_length(address, length).last + 1)
        return True

    def close(self) -> None:
        self._reader.close()


def _names_in(path: Path) -> frozenset[str]:
    """Reads all records, and returns the names of overlays in them. Raises GeoError if the database is
    damaged, or has a record that cannot be.

    The records are read one behind the other, as `encode_mmdb` writes them, because looking each of them up
    takes ten times as long."""
    file, names, starts, at = MmdbFile(path), set[str](), array("I"), 0
    data = file.data()
    while at < len(data):
        starts.append(DATA_SEPARATOR + at)
        try:
            record, at = _record_at(data, at)
        except (IndexError, ValueError) as error:
            raise GeoError(f"the networks database is damaged: {error}") from error
        if not _is_possible(record):
            raise GeoError(f"the networks database has a record that cannot be: {str(record)[:200]}")
        names.update(name for key, name in record.items() if key == KEY)
    known = np.array(starts, np.uint32)
    if not all(np.isin(level.records, known).all() for level in file.walk()):
        raise GeoError("the networks database is damaged: a network leads to no record")
    return frozenset(names)


_MAP, _TEXT = 0xE0, 0x40  # the types of a record and of what is in it
_LONG = 29  # the first length that takes another byte


def _record_at(data: bytes, at: int) -> tuple[dict[str, str], int]:
    """Decodes the record, a map of texts, at a place in the data section. Returns it with the place that is
    behind it. Raises IndexError or ValueError if there is none."""
    size, at = data[at] - _MAP, at + 1
    if not 0 <= size < _LONG:
        raise ValueError("a record is no map")
    texts = []
    for _ in range(2 * size):
        length, at = data[at] - _TEXT, at + 1
        if length == _LONG:
            length, at = _LONG + data[at], at + 1
        elif not 0 <= length < _LONG:
            raise ValueError("a record holds something other than a text")
        if at + length > len(data):
            raise ValueError("a text is cut off")
        texts.append(data[at : at + length].decode())
        at += length
    return dict(zip(texts[::2], texts[1::2], strict=True)), at


def _is_possible(record: Mapping[str, str]) -> bool:
    """Returns whether a record is one that `_record` makes."""
    place = record.get(PLACE)
    if place is None or GEOFEED not in record:
        return record.keys() == {KEY}
    return bool(place == UNLOCATED or (place and re.fullmatch(PATTERN, place)))


def _with_length(prefix: Prefix, length: int) -> Prefix:
    host_bits = WIDTHS[prefix.version] - length
    return Prefix(prefix.version, prefix.address >> host_bits << host_bits, length)


def _sibling(prefix: Prefix) -> Prefix:
    """Returns the other half of the prefix that is one bit shorter."""
    return prefix._replace(address=prefix.address ^ 1 << (WIDTHS[prefix.version] - prefix.length))
