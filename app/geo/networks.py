"""The networks database: what is known of a client's network, for every address.

The worker merges cloud ranges, the subnets that mirrors declare and the prefixes of the ASNs that
matter into one MMDB file, whose only value is the name of an *overlay*; what the name stands for is
in the snapshot. An address has one overlay: the most specific cloud range (one without a region
inside one with a region hides it), all declared netblocks that contain it, the most specific ASN
prefix. nginx reads the same file (`$networks overlay`).

IPv4 is at ::/96 as in every MMDB file, and once more at ::ffff:0:0/96. An IPv6 prefix that contains
these says nothing about IPv4 addresses, and one inside ::/96 is ignored.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from app.geo.mmdb import LOOKUP_ERRORS, MmdbFile
from app.model import Finding, Record, Severity
from app.prefixes import WIDTHS, CloudRange, Prefix, parse_prefix

KEY = "overlay"

# A mirror's own instances in a cloud, and no more: pass 2 comes before the cloud region, so that a
# netblock over a provider's range would take that provider's clients away from their region.
CLOUD_ADDRESSES_ALLOWED = {4: 1 << 4, 6: 1 << 72}  # a /28 and a /56, all subnets of a mirror together


class Netblock(Record, frozen=True, kw_only=True):
    """A declared subnet and the mirrors (names, sorted) that declare exactly this one."""

    prefix: str
    mirrors: tuple[str, ...]


class Overlay(Record, frozen=True, kw_only=True):
    """What an address lies in. Netblocks are most specific first.

    `name` is stable and safe to show: `aws`, `aws:eu-central-1`, `aws:us-east-1/us-east-1-bue-1`,
    `net-3f2a1c`, `AS3320`, joined by "+". Netblocks are a hash, so that private ones stay private.
    """

    name: str
    provider: str | None = None
    region: str | None = None
    border_group: str | None = None
    netblocks: tuple[Netblock, ...] = ()
    asn: int | None = None


class Networks(NamedTuple):
    """`overlays` are sorted by name."""

    mmdb: bytes
    overlays: tuple[Overlay, ...]


class _Cloud(NamedTuple):
    provider: str
    region: str
    border_group: str

    @property
    def name(self) -> str:
        region = f":{self.region}" if self.region else ""
        return self.provider + region + (f"/{self.border_group}" if self.border_group else "")


class _State(NamedTuple):
    """An overlay without its name."""

    cloud: _Cloud | None = None
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
    """`subnets` are (mirror, prefix), `asn_prefixes` (prefix, ASN). The same input in whatever
    order gives the same bytes. Raises ValueError for a prefix that is none."""
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
    """By IP version: what each prefix, by (address, length), says. Where two providers or two ASNs
    claim the very same prefix, the one with a region, then the first by name, the lower one, wins."""
    by_prefix: dict[Prefix, _State] = {}
    for cloud_range in clouds:
        cloud = _Cloud(cloud_range.provider, cloud_range.region or "", cloud_range.border_group or "")
        present = by_prefix.get(cloud_range.prefix, _NOTHING).cloud
        if present is None or (not cloud.region, cloud) < (not present.region, present):
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


def _named(states: Sequence[_State]) -> list[Overlay]:
    hashes = _netblock_names({state.netblocks for state in states if state.netblocks})
    overlays = []
    for cloud, netblocks, asn in states:
        names = [cloud.name] if cloud else []
        names += [hashes[netblocks]] if netblocks else []
        names += [f"AS{asn}"] if asn is not None else []
        overlays.append(
            Overlay(
                name="+".join(names),
                provider=cloud.provider if cloud else None,
                region=cloud.region or None if cloud else None,
                border_group=cloud.border_group or None if cloud else None,
                netblocks=netblocks,
                asn=asn,
            )
        )
    return overlays


def _netblock_names(all_netblocks: set[tuple[Netblock, ...]]) -> dict[tuple[Netblock, ...], str]:
    """`net-` and six hex digits of a hash; more where two would be the same."""
    digests = {
        netblocks: hashlib.sha256(
            "\n".join(f"{block.prefix} {' '.join(block.mirrors)}" for block in netblocks).encode()
        ).hexdigest()
        for netblocks in all_netblocks
    }
    digits = next(n for n in count(6) if len({d[:n] for d in digests.values()}) == len(digests))
    return {netblocks: f"net-{digest[:digits]}" for netblocks, digest in digests.items()}


class NetworkLookup:
    """An open networks database. The file must not change while it is open: it is mapped."""

    def __init__(self, path: Path) -> None:
        """Raises GeoError."""
        self._reader = MmdbFile(path).reader

    def overlay_name(self, address: str) -> str | None:
        """None where nothing is known, and for whatever is not an address (maxminddb takes a little
        more for one than we do: `192.0.2`, a zone after "%")."""
        try:
            record = self._reader.get(address)
        except LOOKUP_ERRORS:
            return None
        name = record.get(KEY) if isinstance(record, dict) else None
        return name if isinstance(name, str) else None

    def close(self) -> None:
        self._reader.close()


class _CloudSpace:
    """Cloud ranges of one IP version as sorted, disjoint intervals; a range inside another one is
    part of it."""

    def __init__(self, ranges: Iterable[CloudRange]) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        self._ranges: list[CloudRange] = []
        for cloud_range in sorted(ranges, key=lambda r: (r.prefix.address, r.prefix.length)):
            if self._last and cloud_range.prefix.address <= self._last[-1]:
                continue
            self._first.append(cloud_range.prefix.address)
            self._last.append(cloud_range.prefix.last)
            self._ranges.append(cloud_range)

    def shared(self, prefix: Prefix) -> tuple[int, CloudRange | None]:
        """How many addresses of the prefix are a provider's, and the largest range of them."""
        low = max(bisect_right(self._first, prefix.address) - 1, 0)
        high = bisect_right(self._first, prefix.last)
        addresses, largest, most = 0, None, 0
        for index in range(low, high):
            overlap = min(self._last[index], prefix.last) - max(self._first[index], prefix.address) + 1
            if overlap > 0:
                addresses += overlap
            if overlap > most:
                largest, most = self._ranges[index], overlap
        return addresses, largest


def netblock_findings(
    declared: Iterable[tuple[str, str, Sequence[str]]], clouds: Iterable[CloudRange]
) -> list[Finding]:
    """Faults for subnets over cloud providers' ranges; `declared` are (file, mirror, subnets).

    A mirror's subnets together may hold at most 16 IPv4 addresses and one IPv6 /56 that providers
    publish as theirs. Above that, each of its subnets that holds any is refused.
    """
    ranges = list(clouds)
    spaces = {version: _CloudSpace(r for r in ranges if r.prefix.version == version) for version in WIDTHS}
    findings = []
    for file, mirror, subnets in declared:
        totals = dict.fromkeys(WIDTHS, 0)
        shares = []
        for prefix in sorted({parse_prefix(text) for text in subnets}):
            addresses, largest = spaces[prefix.version].shared(prefix)
            if largest is not None:
                totals[prefix.version] += addresses
                shares.append((prefix, addresses, largest))
        for prefix, addresses, largest in shares:
            if totals[prefix.version] > CLOUD_ADDRESSES_ALLOWED[prefix.version]:
                message = _refusal(mirror, prefix, addresses, largest)
                findings.append(Finding(severity=Severity.FAULT, file=file, message=message))
    return findings


def _refusal(mirror: str, prefix: Prefix, addresses: int, largest: CloudRange) -> str:
    region = f" for {largest.region}" if largest.region else ""
    held = f"{addresses:,} addresses" if prefix.version == 4 else "IPv6 space"
    return (
        f"subnets: {prefix} of {mirror} holds {held} of cloud providers ({largest.prefix}, published by "
        f"{largest.provider}{region}), whose clients belong to the mirrors of their region. Allowed are 16 "
        f"such IPv4 addresses and one such IPv6 /56 for all subnets of a mirror together; a mirror that "
        f"serves a cloud region says so with cloud_type and cloud_regions"
    )
