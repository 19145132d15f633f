"""The networks database: every address has the overlay that an independent reckoning gives it."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clouds.overlap import netblock_findings
from app.clouds.read import read_cloud_folder
from app.geo.copies import verify
from app.geo.networks import FoundNetwork, KnownNetwork, NetworkLookup, Networks, build_networks
from app.geo.search_tree import Grower, encode_mmdb
from app.model import GeoError, Severity
from app.model.network import CloudRegion, parse_network
from app.model.prefixes import CloudRange, Correction, parse_prefix

Facts = tuple[str | None, str | None, str | None]  # provider, region, border group


def cloud_range(prefix: str, name: str) -> CloudRange:
    """`name` as an overlay's: aws:us-east-1/us-east-1-bue-1."""
    cloud = parse_network(name).cloud
    assert cloud is not None
    return CloudRange(prefix=parse_prefix(prefix), **cloud._asdict())


class Built:
    """Networks on disk, open, with their overlays by name."""

    def __init__(self, networks: Networks, folder: Path) -> None:
        self.path = folder / "networks.mmdb"
        self.path.write_bytes(networks.mmdb)
        self.lookup = NetworkLookup(self.path)
        self.overlays = {overlay.name: overlay for overlay in networks.overlays}
        assert len(self.overlays) == len(networks.overlays)

    def overlay(self, address: str) -> KnownNetwork | None:
        name = self.lookup.find(address).overlay
        return None if name is None else self.overlays[name]


def build(
    folder: Path,
    ranges: Sequence[tuple[str, str]] = (),
    subnets: Sequence[tuple[str, str]] = (),
    asns: Sequence[tuple[str, int]] = (),
    corrections: Sequence[Correction] = (),
) -> Built:
    clouds = [cloud_range(*r) for r in ranges]
    networks = build_networks(clouds, subnets, asns, build_epoch=1_700_000_000, corrections=corrections)
    return Built(networks, folder)


# --- cases -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranges", "address", "name"),
    [
        pytest.param([("192.0.2.0/24", "aws:eu-west-1")], "192.0.2.7", "aws:eu-west-1", id="inside"),
        pytest.param([("192.0.2.0/24", "aws:eu-west-1")], "192.0.3.0", None, id="just after"),
        pytest.param([("192.0.2.0/24", "aws:eu-west-1")], "192.0.1.255", None, id="just before"),
        pytest.param([("192.0.2.0/24", "aws")], "192.0.2.7", "aws", id="a provider without region"),
        pytest.param(
            [("192.0.2.0/24", "aws:us-east-1/us-east-1-bue-1")],
            "192.0.2.7",
            "aws:us-east-1/us-east-1-bue-1",
            id="a border group",
        ),
        pytest.param(
            [("192.0.2.0/24", "aws"), ("192.0.2.128/25", "aws:eu-west-1")],
            "192.0.2.129",
            "aws:eu-west-1",
            id="a region inside GLOBAL",
        ),
        pytest.param(
            [("192.0.2.0/24", "aws:eu-west-1"), ("192.0.2.128/25", "aws")],
            "192.0.2.129",
            "aws",
            id="the most specific counts even without a region",
        ),
        pytest.param(
            [("192.0.2.0/24", "aws"), ("192.0.2.0/24", "aws:eu-west-1")],
            "192.0.2.129",
            "aws:eu-west-1",
            id="the same prefix with and without region",
        ),
        pytest.param([("192.0.2.7/32", "oci:x-1")], "192.0.2.7", "oci:x-1", id="one IPv4 address"),
        pytest.param([("2001:db8::7/128", "oci:x-1")], "2001:db8::7", "oci:x-1", id="one IPv6 address"),
        pytest.param([("2001:db8::/32", "gcp:x-1")], "2001:db8:ffff::1", "gcp:x-1", id="IPv6"),
        pytest.param([("192.0.2.0/24", "gcp:x-1")], "::ffff:192.0.2.1", "gcp:x-1", id="IPv4-mapped"),
        pytest.param([("192.0.2.0/24", "gcp:x-1")], "::c000:201", None, id="IPv4-compatible is no IPv4"),
        pytest.param([("0.0.0.0/0", "gcp:x-1")], "::", None, id="nor is the unspecified address"),
        pytest.param([("::ffff:192.0.2.0/120", "gcp:x-1")], "192.0.2.1", "gcp:x-1", id="declared as mapped"),
        pytest.param([("0.0.0.0/0", "gcp:x-1")], "255.255.255.255", "gcp:x-1", id="all of IPv4"),
        pytest.param([("0.0.0.0/0", "gcp:x-1")], "2001:db8::1", None, id="all of IPv4 is no IPv6"),
        pytest.param([("::/0", "gcp:x-1")], "2001:db8::1", "gcp:x-1", id="all of IPv6"),
        pytest.param([("::/0", "gcp:x-1")], "192.0.2.1", None, id="all of IPv6 is no IPv4"),
        pytest.param([("::/0", "gcp:x-1")], "::ffff:192.0.2.1", None, id="nor mapped IPv4"),
        pytest.param([("::c000:200/120", "gcp:x-1")], "192.0.2.1", None, id="nor is anything in ::/96"),
        pytest.param([("::/96", "gcp:x-1")], "192.0.2.1", None, id="nor ::/96 itself"),
        pytest.param([], "192.0.2.1", None, id="nothing known at all"),
    ],
)
def test_cloud(tmp_path: Path, ranges: list[tuple[str, str]], address: str, name: str | None) -> None:
    """The most specific cloud range of an address, IPv4 and IPv6 apart."""
    assert build(tmp_path, ranges).lookup.find(address).overlay == name


def test_combination(tmp_path: Path) -> None:
    """An address in a cloud region, two declared netblocks and an AS has all of them, netblocks most
    specific first; its neighbours have what they lie in."""
    built = build(
        tmp_path,
        ranges=[("192.0.2.0/24", "aws:eu-central-1")],
        subnets=[("campus", "192.0.0.0/16"), ("lab", "192.0.2.64/26"), ("annex", "192.0.2.64/26")],
        asns=[("192.0.0.0/8", 64496), ("192.0.2.0/25", 64497)],
    )
    inside = built.overlay("192.0.2.65")
    assert inside is not None
    assert (inside.cloud, inside.asn) == (CloudRegion("aws", "eu-central-1"), 64497)
    assert [(block.prefix, block.mirrors) for block in inside.netblocks] == [
        ("192.0.2.64/26", ("annex", "lab")),
        ("192.0.0.0/16", ("campus",)),
    ]
    beside = built.overlay("192.0.2.200")
    assert beside is not None
    assert (beside.cloud, beside.asn, len(beside.netblocks)) == (inside.cloud, 64496, 1)
    outside = built.overlay("192.1.0.0")
    assert outside is not None
    assert outside.name == "AS64496"
    assert built.overlay("193.0.0.0") is None


def test_names_are_opaque(tmp_path: Path) -> None:
    """A netblock's name shows neither its prefix nor its mirror, is stable, and is its own."""
    built = build(tmp_path, subnets=[("secret.example", "192.0.2.0/24"), ("secret.example", "192.0.2.0/25")])
    content = built.path.read_bytes()
    for word in (b"secret", b"192.0.2"):
        assert word not in content
    names = {built.lookup.find(address).overlay for address in ("192.0.2.1", "192.0.2.200")}
    assert len(names) == 2
    assert all(name and name.startswith("net-") and len(name) == 10 for name in names)
    assert set(built.overlays) == names


def test_combined_name(tmp_path: Path) -> None:
    """The parts of a name stand in the order of the passes' facts, joined by a plus."""
    built = build(
        tmp_path, [("192.0.2.0/24", "gcp:us-east1")], [("a", "192.0.2.0/24")], [("192.0.2.0/24", 64496)]
    )
    name = built.lookup.find("192.0.2.1").overlay
    assert name is not None
    cloud, netblock, asn = name.split("+")
    assert (cloud, netblock[:4], asn) == ("gcp:us-east1", "net-", "AS64496")


def test_many_netblocks_stay_apart(tmp_path: Path) -> None:
    """Names grow where six digits of a hash would make two netblocks the same."""
    subnets = [(f"m{i}", f"10.{i >> 8}.{i & 255}.0/24") for i in range(8_000)]
    built = build(tmp_path, subnets=subnets)
    assert len(built.overlays) == 8_000
    assert {len(name) for name in built.overlays} == {len("net-") + 8}  # six digits are not enough here
    for i in (0, 3_999, 7_999):
        overlay = built.overlay(f"10.{i >> 8}.{i & 255}.1")
        assert overlay is not None
        assert overlay.netblocks[0].mirrors == (f"m{i}",)


def test_order_of_input_does_not_matter() -> None:
    """The same facts in another order, or told twice, give the same bytes and the same overlays."""
    ranges = [cloud_range(f"10.{i}.0.0/{16 + i % 9}", f"aws:r{i % 5}-1") for i in range(200)]
    ranges += [cloud_range("10.7.0.0/23", "aws"), cloud_range("10.7.0.0/23", "gcp:x")]
    subnets = [(f"m{i % 7}", f"10.{i}.0.0/20") for i in range(100)]
    asns = [(f"10.{i}.0.0/18", 64496 + i % 3) for i in range(50)] + [("10.3.0.0/18", 1)]
    first = build_networks(ranges, subnets, asns, 5)
    again = build_networks(ranges[::-1] * 2, subnets[::-1] * 2, asns[::-1] * 2, 5)
    assert first == again
    assert build_networks(ranges, subnets, asns, 6).mmdb != first.mmdb


def correction(prefix: str, place: str, line: int = 1) -> Correction:
    return Correction(parse_prefix(prefix), place, None, "office.csv", line)


def corrected(folder: Path, rows: Sequence[Correction], **others: Any) -> Built:
    folder.mkdir(exist_ok=True)
    return build(folder, corrections=rows, **others)


def test_corrected_places(tmp_path: Path) -> None:
    """Of the rows of geofeeds that contain an address, the most specific gives its place; it may say that the
    address is not to be located. Other addresses have none."""
    rows = [
        correction("192.0.2.0/24", "DE/50/8", 1),
        correction("192.0.2.128/25", "FR", 2),
        correction("192.0.2.255/32", "", 3),
        correction("2001:db8::/32", "JP/35/139", 4),
    ]
    built = corrected(tmp_path, rows)
    found = {
        "192.0.2.1": "DE/50/8 by line 1",
        "192.0.2.128": "FR by line 2",
        "192.0.2.254": "FR by line 2",
        "192.0.2.255": " by line 3",
        "::ffff:192.0.2.128": "FR by line 2",
        "2001:db8:7::1": "JP/35/139 by line 4",
    }
    for address, wanted in found.items():
        _, place, geofeed = built.lookup.find(address)
        assert (place, geofeed) == (wanted.partition(" by ")[0], f"office.csv, {wanted.partition(' by ')[2]}")
    for address in ("192.0.1.255", "192.0.3.0", "2001:db9::", "::c000:201", "no address"):
        assert built.lookup.find(address) == FoundNetwork()
    assert built.overlays == {}


def test_places_and_overlays_are_independent(tmp_path: Path) -> None:
    """A row changes no overlay, and a network no place, whichever of them is the longer prefix."""
    ranges = [("192.0.2.0/25", "aws:eu-west-1"), ("198.51.100.0/24", "aws:eu-west-1")]
    rows = [correction("192.0.2.0/24", "DE"), correction("198.51.100.0/25", "FR")]
    built = corrected(tmp_path, rows, ranges=ranges)
    assert {
        address: built.lookup.find(address)[:2]
        for address in ("192.0.2.1", "192.0.2.200", "198.51.100.1", "198.51.100.200")
    } == {
        "192.0.2.1": ("aws:eu-west-1", "DE"),
        "192.0.2.200": (None, "DE"),
        "198.51.100.1": ("aws:eu-west-1", "FR"),
        "198.51.100.200": ("aws:eu-west-1", None),
    }
    assert set(built.overlays) == built.lookup.names == {"aws:eu-west-1"}
    assert built.lookup.cloud_prefix("192.0.2.1") == "192.0.2.0/25"
    assert built.lookup.cloud_prefix("198.51.100.1") == "198.51.100.0/24"


def test_rows_in_another_order_are_the_same() -> None:
    """The order of rows decides nothing, and none of them leaves the bytes as they were."""
    rows = [correction(f"192.0.2.{n}/32", f"DE/{n}/8", n) for n in range(90)]
    ranges = [cloud_range("192.0.2.0/24", "gcp:x-1")]
    assert build_networks(ranges, [], [], 1, rows) == build_networks(ranges, [], [], 1, rows[::-1])
    assert build_networks(ranges, [], [], 1, []) == build_networks(ranges, [], [], 1)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 255), st.integers(20, 32)), min_size=1, max_size=8),
    clouds=st.lists(st.tuples(st.integers(0, 255), st.integers(20, 32)), max_size=4),
)
def test_longest_row_counts(lengths: list[tuple[int, int]], clouds: list[tuple[int, int]]) -> None:
    """For every address around some rows, the place is that of the longest of them, whatever networks there
    are."""
    prefixes = {str(parse_prefix(f"192.0.2.{host}/{length}")): length for host, length in lengths}
    rows = [correction(prefix, f"DE/{number}/8", number) for number, prefix in enumerate(prefixes)]
    ranges = [(str(parse_prefix(f"192.0.2.{host}/{length}")), "aws:eu-west-1") for host, length in clouds]
    with tempfile.TemporaryDirectory() as folder:
        built = corrected(Path(folder), rows, ranges=ranges)
        for host in range(256):
            address = ipaddress.ip_address(f"192.0.2.{host}")
            around = [row for row in rows if address in ipaddress.ip_network(str(row.prefix))]
            wanted = max(around, key=lambda row: row.prefix.length).place if around else None
            assert built.lookup.find(str(address)).place == wanted
        built.lookup.close()


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"place": "DE"},
        {"geofeed": "office.csv, line 1"},
        {"overlay": "aws", "geofeed": "office.csv, line 1"},
        {"place": "", "geofeed": "office.csv, line 1"},
        {"place": "Berlin", "geofeed": "office.csv, line 1"},
        {"place": "DE/50/8\n", "geofeed": "office.csv, line 1"},
        {"name": "aws"},
    ],
)
def test_impossible_records(tmp_path: Path, record: dict[str, str]) -> None:
    """A database with a record that no worker writes is not used."""
    grower: Grower[int, int] = Grower(lambda _, number: number, lambda number: number)
    root = grower.grow(128, {(1 << 125, 3): 1}, 0)
    metadata = {"database_type": "T", "description": {}, "build_epoch": 1}
    path = tmp_path / "tree.mmdb"
    path.write_bytes(encode_mmdb(grower.nodes, root, [record], metadata))
    with pytest.raises(GeoError, match="a record that cannot be"):
        NetworkLookup(path)


def test_bad_prefix() -> None:
    """A prefix that is none is an error that shows it."""
    with pytest.raises(ValueError, match=r"'192\.0\.2\.0/99'"):
        build_networks([], [("m", "192.0.2.0/99")], [], 1)


# --- the file --------------------------------------------------------------------------------------


def test_file_for_other_readers(tmp_path: Path) -> None:
    """Any MMDB reader finds a map with the key "overlay" (nginx reads by path), in one IPv6 tree that
    holds IPv4 too; it verifies as a sound database, and walks as disjoint networks."""
    built = build(
        tmp_path,
        [("192.0.2.0/24", "aws:eu-west-1"), ("192.0.2.64/26", "aws"), ("2001:db8::/32", "aws:eu-west-1")],
    )
    verify(built.path, "networks")
    for mode in (maxminddb.MODE_MMAP_EXT, maxminddb.MODE_FILE):
        with maxminddb.open_database(built.path, mode) as reader:
            assert reader.get_with_prefix_len("192.0.2.65") == ({"overlay": "aws"}, 26)
            metadata = reader.metadata()
            assert metadata.ip_version == 6
            assert metadata.build_epoch == 1_700_000_000
            assert metadata.database_type == "Mirrorwise-Networks"
            assert {str(network): record for network, record in reader} == {
                "192.0.2.0/26": {"overlay": "aws:eu-west-1"},
                "192.0.2.64/26": {"overlay": "aws"},
                "192.0.2.128/25": {"overlay": "aws:eu-west-1"},
                "2001:db8::/32": {"overlay": "aws:eu-west-1"},
            }


def test_equal_neighbours_are_one() -> None:
    """However a provider cuts a range into pieces, the file is that of the whole range."""
    whole = build_networks([cloud_range("192.0.2.0/24", "gcp:x-1")], [], [], 1)
    pieces = ["192.0.2.0/25", "192.0.2.128/26", "192.0.2.192/26", "192.0.2.0/32"]
    assert build_networks([cloud_range(piece, "gcp:x-1") for piece in pieces], [], [], 1) == whole


@pytest.mark.parametrize("size", [24, 28, 32])
def test_record_sizes(tmp_path: Path, size: int) -> None:
    """A tree reads the same in each of the format's three record sizes."""
    changes = {(i << 16 | i << 8, 24): i for i in range(1, 250)}
    grower: Grower[int, int] = Grower(lambda _, number: number, lambda number: number)
    root = grower.grow(32, changes, 0)
    root = grower.grow(128, {}, 0, {(0, 96): root})
    records = [{"overlay": f"n{i}"} for i in range(1, 250)]
    metadata = {"database_type": "T", "description": {}, "build_epoch": 1}
    path = tmp_path / "tree.mmdb"
    path.write_bytes(encode_mmdb(grower.nodes, root, records, metadata, smallest_record=size))
    with maxminddb.open_database(path) as reader:
        assert reader.metadata().record_size == size
        for i in range(1, 250):
            assert reader.get(f"0.{i}.{i}.9") == {"overlay": f"n{i}"}
            assert reader.get(f"0.{i}.{i + 1}.9") is None


def test_record_size_grows(tmp_path: Path) -> None:
    """Where the data do not fit behind 24 bits, the file has larger records."""
    grower: Grower[int, int] = Grower(lambda _, number: number, lambda number: number)
    root = grower.grow(128, {(1 << 127, 1): 300}, 0)
    records = [{"overlay": "x" * 60_000}] * 300
    metadata = {"database_type": "T", "description": {}, "build_epoch": 1}
    path = tmp_path / "tree.mmdb"
    path.write_bytes(encode_mmdb(grower.nodes, root, records, metadata))
    with maxminddb.open_database(path) as reader:
        assert reader.metadata().record_size == 28
        assert reader.get("8000::") == records[-1]


@pytest.mark.parametrize("address", ["", "x", "192.0.2.0/24", "2001:db8::x", "1" * 5000])
def test_not_an_address(tmp_path: Path, address: str) -> None:
    """Whatever is not an address is in no network; a lookup never fails."""
    assert build(tmp_path, [("0.0.0.0/0", "aws"), ("::/0", "aws")]).lookup.find(address).overlay is None


def test_not_a_database(tmp_path: Path) -> None:
    """A file that is no database, or not there, is said to be so when it is opened."""
    (tmp_path / "x.mmdb").write_bytes(b"nothing")
    for name in ("x.mmdb", "absent.mmdb"):
        with pytest.raises(GeoError, match=name):
            NetworkLookup(tmp_path / name)


# --- against an oracle -------------------------------------------------------------------------------

_SHORT_NAMES = {
    "brazilne": "brazilnortheast",
    "brazilse": "brazilsoutheast",
    "centralfrance": "francecentral",
    "chilec": "chilecentral",
    "germanyn": "germanynorth",
    "germanywc": "germanywestcentral",
    "norwaye": "norwayeast",
    "norwayw": "norwaywest",
    "southfrance": "francesouth",
    "switzerlandn": "switzerlandnorth",
    "switzerlandw": "switzerlandwest",
    "usstagec": "southcentralusstg",
    "usstagee": "eastusstg",
}


def real_rows(folder: Path) -> Iterable[tuple[str, Facts]]:
    """Every row of the four files, read the plain way; rows without region first."""

    def load(name: str) -> dict[str, object]:
        content: dict[str, object] = json.loads((folder / name).read_bytes())
        return content

    rows: list[tuple[str, Facts]] = []
    aws = load("aws-ip-ranges.json")
    for key, prefix in (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")):
        for row in aws[key]:  # type: ignore[attr-defined]  # plain JSON
            region, group = row["region"], row["network_border_group"]
            named = None if region == "GLOBAL" else region
            rows.append((row[prefix], ("aws", named, group if group != region else None)))
    for tag in load("azure-service-tags.json")["values"]:  # type: ignore[attr-defined]  # plain JSON
        if tag["name"] == "AzureCloud" or tag["name"].startswith("AzureCloud."):
            region = tag["properties"]["region"]
            rows += [
                (prefix, ("azure", _SHORT_NAMES.get(region, region) or None, None))
                for prefix in tag["properties"]["addressPrefixes"]
            ]
    for row in load("gcp-cloud.json")["prefixes"]:  # type: ignore[attr-defined]  # plain JSON
        scope = None if row["scope"] == "global" else row["scope"]
        rows.append((row.get("ipv4Prefix") or row["ipv6Prefix"], ("gcp", scope, None)))
    for area in load("oci-public-ip-ranges.json")["regions"]:  # type: ignore[attr-defined]  # plain JSON
        rows += [(cidr["cidr"], ("oci", area["region"], None)) for cidr in area["cidrs"]]
    return sorted(rows, key=lambda row: row[1][1] is not None)


class Oracle:
    """Longest prefix match by trying every length there is."""

    def __init__(self, rows: Iterable[tuple[str, Facts]]) -> None:
        self.by_length: dict[int, dict[int, dict[int, Facts]]] = {4: {}, 6: {}}
        for text, facts in rows:
            network = ipaddress.ip_network(text, strict=False)
            shift = network.max_prefixlen - network.prefixlen
            lengths = self.by_length[network.version]
            lengths.setdefault(shift, {})[int(network.network_address) >> shift] = facts
        self.by_length = {version: dict(sorted(d.items())) for version, d in self.by_length.items()}

    def facts(self, version: int, address: int) -> Facts | None:
        for shift, networks in self.by_length[version].items():
            found = networks.get(address >> shift)
            if found is not None:
                return found
        return None


@pytest.mark.slow
def test_every_real_prefix(real_data: Path, tmp_path: Path) -> None:
    """First and last address of every published prefix, and the ones before and after it, have the
    provider, region and border group of the longest prefix."""
    rows = list(real_rows(real_data / "cloud"))
    oracle = Oracle(rows)
    ranges, _ = read_cloud_folder(real_data / "cloud")
    built = Built(build_networks([r for c in ranges.values() for r in c.ranges], [], [], 1), tmp_path)
    checked, wrong = 0, []
    for text in {text for text, _ in rows}:
        network = ipaddress.ip_network(text, strict=False)
        kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
        first, last = int(network.network_address), int(network.broadcast_address)
        for number in (first - 1, first, last, last + 1):
            overlay = built.overlay(str(kind(number)))
            found = tuple(overlay.cloud) if overlay and overlay.cloud else None
            checked += 1
            if found != oracle.facts(network.version, number):
                wrong.append((text, str(kind(number)), found, oracle.facts(network.version, number)))
    assert wrong == []
    assert checked > 100_000


@st.composite
def small_prefixes(draw: st.DrawFn) -> str:
    """Prefixes that often nest and touch, of all lengths, some over the IPv4 part of the IPv6 space."""
    if draw(st.booleans()):
        length = draw(st.integers(0, 32))
        number = draw(st.sampled_from([0, 0x0A000000, 0xC0000200, 0xFFFFFFFF])) ^ draw(st.integers(0, 7))
        return str(ipaddress.ip_network((number, length), strict=False))
    length = draw(st.integers(0, 128))
    base = draw(st.sampled_from([0, 0xFFFF << 32, 0x20010DB8 << 96, (1 << 128) - 1]))
    return str(ipaddress.ip_network((base ^ draw(st.integers(0, 7)), length), strict=False))


def as_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for in an MMDB file."""
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if int(address) >> 32 in (0, 0xFFFF) else None


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(small_prefixes(), st.sampled_from(["aws:a", "aws:b", "gcp:a"])), max_size=6),
    st.lists(st.tuples(st.sampled_from(["m", "n"]), small_prefixes()), max_size=6),
    st.lists(st.tuples(small_prefixes(), st.integers(1, 3)), max_size=4),
)
def test_any_prefixes(
    ranges: list[tuple[str, str]], subnets: list[tuple[str, str]], asns: list[tuple[str, int]]
) -> None:
    """Whatever nests in whatever: at all edges of all prefixes, the overlay is what trying each
    prefix says."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Path(folder), ranges, subnets, asns)
        texts = {p for p, _ in ranges} | {p for _, p in subnets} | {p for p, _ in asns}
        for text in texts:
            network = ipaddress.ip_network(text)
            for edge in (int(network.network_address), int(network.broadcast_address)):
                for number in (edge - 1, edge, edge + 1):
                    if 0 <= number < 1 << network.max_prefixlen:
                        check_address(built, type(network.network_address)(number), ranges, subnets, asns)


def check_address(
    built: Built,
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    ranges: list[tuple[str, str]],
    subnets: list[tuple[str, str]],
    asns: list[tuple[str, int]],
) -> None:
    if address.version == 6 and int(address) >> 32 == 0 and address != ipaddress.IPv6Address("::1"):
        assert built.overlay(str(address)) is None
        return
    meant = (as_ipv4(address) or address) if isinstance(address, ipaddress.IPv6Address) else address

    def length(text: str) -> int:
        """Of a prefix that holds the address; -1 of others."""
        network = ipaddress.ip_network(text)
        if network.version == 6 and network.prefixlen >= 96 and as_ipv4(network.network_address):
            if int(network.network_address) >> 32 != 0xFFFF:
                return -1
            network = ipaddress.ip_network(
                (int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96)
            )
        return network.prefixlen if meant.version == network.version and meant in network else -1

    overlay = built.overlay(str(address)) or KnownNetwork(name="")
    cloud = min(((-length(p), name) for p, name in ranges if length(p) >= 0), default=(0, ":"))[1]
    assert str(overlay.cloud or ":") == cloud
    assert overlay.asn == min(((-length(p), asn) for p, asn in asns if length(p) >= 0), default=(0, None))[1]
    by_length: dict[int, set[str]] = {}
    for mirror, prefix in subnets:
        if length(prefix) >= 0:
            by_length.setdefault(length(prefix), set()).add(mirror)
    expected = [tuple(sorted(by_length[n])) for n in sorted(by_length, reverse=True)]
    assert [block.mirrors for block in overlay.netblocks] == expected


# --- netblocks over clouds --------------------------------------------------------------------------

PUBLISHED = [
    cloud_range("10.0.0.0/16", "aws:eu-west-1"),
    cloud_range("10.0.9.0/24", "aws"),
    cloud_range("10.1.0.0/28", "azure:westeurope"),
    cloud_range("2001:db8:100::/40", "gcp:us-east1"),
]


@pytest.mark.parametrize(
    ("subnets", "refused"),
    [
        pytest.param(["192.0.2.0/24", "2001:db8::/40"], [], id="elsewhere"),
        pytest.param(["10.0.0.0/16"], ["10.0.0.0/16"], id="a provider's range"),
        pytest.param(["0.0.0.0/0"], ["0.0.0.0/0"], id="everything"),
        pytest.param(["10.0.4.0/24"], ["10.0.4.0/24"], id="a /24 inside a range"),
        pytest.param(["10.0.4.0/28"], [], id="a /28 of one's own instances"),
        pytest.param(["10.0.4.0/29", "10.0.5.0/29"], [], id="two small ones, sixteen addresses"),
        pytest.param(
            ["10.0.4.0/28", "10.0.5.9/32", "192.0.2.0/24"],
            ["10.0.4.0/28", "10.0.5.9/32"],
            id="one address too many, and only the ones over clouds are named",
        ),
        pytest.param(["10.1.0.0/16"], [], id="a campus with sixteen addresses of a provider in it"),
        pytest.param(["2001:db8:100:1200::/56"], [], id="an IPv6 /56"),
        pytest.param(["2001:db8:100::/48"], ["2001:db8:100::/48"], id="an IPv6 /48"),
        pytest.param(["::/0"], ["::/0"], id="all of IPv6"),
    ],
)
def test_netblocks_over_clouds(subnets: list[str], refused: list[str]) -> None:
    """A mirror cannot declare a provider's addresses as its own clients, but for a few."""
    findings = netblock_findings([("m.yml", "mirror.example.org", subnets)], PUBLISHED)
    assert [finding.file for finding in findings] == ["m.yml"] * len(refused)
    assert [finding.severity for finding in findings] == [Severity.FAULT] * len(refused)
    for finding, prefix in zip(findings, refused, strict=True):
        assert f"subnets: {prefix} of mirror.example.org" in finding.message


def test_refusal_says_whose() -> None:
    """The message names how much, whose range it is, and what is allowed."""
    [finding] = netblock_findings([("m.yml", "m", ["10.0.8.0/23"])], PUBLISHED)
    assert "512 addresses" in finding.message
    assert "10.0.0.0/16, published by aws for eu-west-1" in finding.message
    assert "16 such IPv4 addresses" in finding.message


def test_limit_is_per_mirror() -> None:
    """Each mirror has its own allowance."""
    declared = [("a.yml", "a", ["10.0.4.0/28"]), ("b.yml", "b", ["10.0.5.0/28"])]
    assert netblock_findings(declared, PUBLISHED) == []


def test_netblocks_against_plain_counting() -> None:
    """Overlaps are counted right whatever the ranges are: compared with counting addresses."""
    rng = random.Random(7)
    for _ in range(60):
        published = [
            cloud_range(
                str(ipaddress.ip_network((0x0A000000 + rng.randrange(256), rng.randint(26, 32)), False)),
                "aws",
            )
            for _ in range(rng.randint(0, 5))
        ]
        subnet = ipaddress.ip_network((0x0A000000 + rng.randrange(256), rng.randint(24, 32)), strict=False)
        covered = sum(
            any(address in ipaddress.ip_network(str(r.prefix)) for r in published) for address in subnet
        )
        findings = netblock_findings([("m.yml", "m", [str(subnet)])], published)
        assert len(findings) == (covered > 16)
        if findings:
            assert f"{covered} addresses" in findings[0].message


# --- in memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("linux", [True, False])
def test_in_memory(linux: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that came through the store needs no file of its own. It knows all names in it."""
    if not linux:
        monkeypatch.delattr(os, "memfd_create")
    ranges = [cloud_range("198.51.100.0/24", "aws:eu-central-1")]
    built = build_networks(ranges, [("a.example.org", "192.0.2.0/24")], [], 1)
    lookup = NetworkLookup.of(built.mmdb)
    assert lookup.names == {overlay.name for overlay in built.overlays}
    assert lookup.find("198.51.100.7").overlay == "aws:eu-central-1"
    assert lookup.find("203.0.113.1").overlay is None
    lookup.close()
