"""Builds and reads the networks database, which tells for every address in which networks it is.

The worker merges cloud ranges, the subnets that mirrors declare and the prefixes of the ASNs that matter into
one MMDB file. Its records hold nothing but the name of an *overlay*, and the snapshot says what the name
stands for. An overlay is all that is known of the networks of an address together: the most specific cloud
range (with a region or without), all declared netblocks that contain the address, and the most specific ASN
prefix. Each address has one overlay at most. nginx reads the same file (`$networks overlay`).

IPv4 is at ::/96 as in every MMDB file, and once more at ::ffff:0:0/96. An IPv6 prefix that contains these
says nothing about IPv4 addresses, and a prefix inside ::/96 is ignored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import maxminddb
import numpy as np

from app.geo.memory import MemoryFile
from app.geo.mmdb import LOOKUP_ERRORS, MmdbFile, holds_ipv4, texts
from app.model import GeoError, Record
from app.model.network import CloudRegion, NetworkName, parse_network
from app.model.prefixes import WIDTHS, CloudRange, Prefix, parse_prefix

KEY = "overlay"


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
    """An overlay without its name: what is known of an address while the tree is made."""

    cloud: CloudRegion | None = None
    netblocks: tuple[Netblock, ...] = ()
    asn: int | None = None


def _change(above: _State, change: _State) -> _State:
    return _State(
        change.cloud or above.cloud,
        change.netblocks + above.netblocks,
        above.asn if change.asn is None else change.asn,
    )


_NOTHING = _State()


def build_networks(
    clouds: Iterable[CloudRange],
    subnets: Iterable[tuple[str, str]],
    asn_prefixes: Iterable[tuple[str, int]],
    build_epoch: int,
) -> Networks:
    """Builds a networks database. `subnets` are (mirror, prefix), `asn_prefixes` are (prefix, ASN). The
    same input gives the same bytes, in whatever order. Raises ValueError for a bad prefix."""
    from app.geo.search_tree import Grower, encode_mmdb  # noqa: PLC0415 - heavy, and the web never builds

    states: dict[_State, int] = {_NOTHING: 0}
    changes = _changes(clouds, subnets, asn_prefixes)
    grower: Grower[_State, _State] = Grower(_change, lambda state: states.setdefault(state, len(states)))
    ipv4 = grower.grow(WIDTHS[4], changes[4], _NOTHING)
    portals = {(0, 96): ipv4, (0xFFFF << 32, 96): ipv4}
    root = grower.grow(WIDTHS[6], changes[6], _NOTHING, portals)
    overlays = _named(list(states)[1:])
    metadata = {
        "database_type": "Mirrorwise-Networks",
        "description": {"en": "Cloud regions, declared netblocks and ASNs of mirrors"},
        "build_epoch": build_epoch,
    }
    mmdb = encode_mmdb(grower.nodes, root, [{KEY: overlay.name} for overlay in overlays], metadata)
    return Networks(mmdb, tuple(sorted(overlays, key=lambda overlay: overlay.name)))


def _changes(
    clouds: Iterable[CloudRange], subnets: Iterable[tuple[str, str]], asn_prefixes: Iterable[tuple[str, int]]
) -> Mapping[int, dict[tuple[int, int], _State]]:
    """Returns what each single prefix adds to the overlays of its addresses, by IP version and then by
    (address, length). If several cloud ranges have a prefix, one with a region counts, and of these the first
    by name. Of several ASNs, the lowest counts."""
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
    changes: dict[int, dict[tuple[int, int], _State]] = {4: {}, 6: {}}
    for (version, address, length), state in by_prefix.items():
        changes[version][address, length] = state
    return changes


def _named(states: Sequence[_State]) -> list[KnownNetwork]:
    hashes = _netblock_hashes({state.netblocks for state in states if state.netblocks})
    return [
        KnownNetwork(
            name=str(NetworkName(cloud, hashes.get(netblocks), asn)),
            cloud=cloud,
            netblocks=netblocks,
            asn=asn,
        )
        for cloud, netblocks, asn in states
    ]


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

    def overlay_name(self, address: str) -> str | None:
        """Returns the name of the overlay of an address. Returns None where nothing is known, and for text
        that is no address. (maxminddb accepts a little more text as addresses than this program does
        otherwise: `192.0.2`, and a zone after "%".)"""
        if ":" in address and holds_ipv4(address):
            return None
        try:
            record = self._reader.get(address)
        except LOOKUP_ERRORS:
            return None
        name = record.get(KEY) if isinstance(record, dict) else None
        return name if isinstance(name, str) else None

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
    """Reads the names in all records. Raises GeoError if the database is damaged, or a record has no name."""
    file, names, seen = MmdbFile(path), set[str](), np.zeros(0, np.uint32)
    with maxminddb.Reader(path, maxminddb.MODE_MMAP) as reader:  # which crashes on no record
        for level in file.walk():
            records, first = np.unique(level.records, return_index=True)
            new = first[~np.isin(records, seen)]
            seen = np.union1d(seen, records)
            for address in texts(file.metadata.ip_version, level.high[new], level.low[new]):
                try:
                    record = reader.get(address)
                except LOOKUP_ERRORS as error:
                    raise GeoError(f"the networks database is damaged at {address}: {error}") from error
                name = record.get(KEY) if isinstance(record, dict) else None
                if not isinstance(name, str):
                    raise GeoError(f"the networks database has a network without a name at {address}")
                names.add(name)
    return frozenset(names)


def _with_length(prefix: Prefix, length: int) -> Prefix:
    host_bits = WIDTHS[prefix.version] - length
    return Prefix(prefix.version, prefix.address >> host_bits << host_bits, length)


def _sibling(prefix: Prefix) -> Prefix:
    """Returns the other half of the prefix that is one bit shorter."""
    return prefix._replace(address=prefix.address ^ 1 << (WIDTHS[prefix.version] - prefix.length))
