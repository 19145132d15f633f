"""Small GeoIP databases in the record layout of every vendor, written for the tests.

Records are what the vendors' documentation shows; addresses are documentation prefixes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter, TreeWriter
from netaddr import IPSet

from app.geo.place_lookup import DATABASE_TYPE
from app.geo.search_tree import Grower, encode_mmdb
from app.model.prefixes import parse_prefix


def maxmind(country: str, latitude: float, longitude: float, **more: Any) -> dict[str, Any]:
    """A city record of MaxMind's; `more` adds or replaces top-level parts."""
    return {
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": country, "names": {"de": "Beispielland", "en": "Exampleland"}},
        "location": {"latitude": latitude, "longitude": longitude, "accuracy_radius": 20},
        "city": {"names": {"de": "Beispielstadt", "en": "Exampletown"}},
        "subdivisions": [{"iso_code": "A", "names": {"en": "Shire"}}, {"names": {"en": "District"}}],
        **more,
    }


def dbip(country: str, latitude: float, longitude: float, **more: Any) -> dict[str, Any]:
    """A flat record of DB-IP's."""
    return {
        "city": "Exampletown",
        "country_code": country,
        "latitude": latitude,
        "longitude": longitude,
        "postcode": "",
        "state1": "Shire",
        "state2": "",
        "timezone": "",
        **more,
    }


def ipinfo(country: str, latitude: str, longitude: str, **more: Any) -> dict[str, Any]:
    """A city record of IPinfo's."""
    return {
        "city": "Exampletown",
        "country": country,
        "lat": latitude,
        "lng": longitude,
        "postal_code": "1234",
        "region": "Shire",
        "timezone": "Etc/UTC",
        **more,
    }


def write_database(
    path: Path,
    networks: Mapping[str, Any],
    database_type: str = "GeoLite2-City",
    *,
    ip_version: int = 4,
    record_size: int = 24,
    aliases: bool = False,
    built_at_s: int | None = None,
) -> Path:
    """An MMDB file of these prefixes and records, built now unless said otherwise. In an IPv6 one, `aliases`
    shows the IPv4 networks at ::ffff:0:0/96 and 2002::/16 as well, as MaxMind's do."""
    writer = MMDBWriter(ip_version, database_type, ipv4_compatible=ip_version == 6, float_type="f64")
    for prefix, record in networks.items():
        writer.insert_network(IPSet([prefix]), record)
    if aliases:
        root: Any = writer.tree
        for _ in range(96):
            root = root.get_or_create(0)
        for bits in ("0" * 80 + "1" * 16, f"{0x2002:016b}"):
            node: Any = writer.tree
            for bit in bits[:-1]:
                node = node.get_or_create(int(bit))
            node[int(bits[-1])] = root
    meta = writer._build_meta() | ({} if built_at_s is None else {"build_epoch": built_at_s})
    _TreeOfSize(writer.tree, meta, record_size).write(str(path))
    return path


def write_places(path: Path, places: Mapping[str, str], built_at_s: int = 1) -> Path:
    """A places database of these prefixes and places, of which the longest prefix counts."""
    changes: dict[int, dict[tuple[int, int], str]] = {4: {}, 6: {}}
    for text, place in places.items():
        prefix = parse_prefix(text)
        changes[prefix.version][prefix.address, prefix.length] = place
    names = sorted(set(places.values()))
    grower: Grower[str, str] = Grower(
        lambda _, place: place, lambda place: 0 if place == "" else names.index(place) + 1
    )
    ipv4 = grower.grow(32, changes[4], "")
    root = grower.grow(128, changes[6], "", {(0, 96): ipv4, (0xFFFF << 32, 96): ipv4})
    about = {"database_type": DATABASE_TYPE, "description": {"en": "Test"}, "build_epoch": built_at_s}
    path.write_bytes(encode_mmdb(grower.nodes, root, names, about))
    return path


class _TreeOfSize(TreeWriter):
    """mmdb_writer takes the smallest record size that will do."""

    def __init__(self, tree: Any, meta: dict[str, Any], record_size: int) -> None:
        super().__init__(tree, meta)
        self._wanted = record_size

    def _adjust_record_size(self) -> None:
        self.record_size = self._wanted
        self.data_offset = self.record_size * 2 / 8 * self._node_counter
