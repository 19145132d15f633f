"""The places database says of every address what the vendors' databases say."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import maxminddb
import pytest

from app.geo.copies import VerifiedCopies
from app.geo.database import CityDatabase
from app.geo.mmdb import MmdbFile
from app.geo.place_lookup import PlaceLookup
from app.geo.places import scan
from app.model.place import UNKNOWN_PLACE
from tests.conftest import ROOT
from tests.geo.databases import dbip as dbip_record
from tests.geo.databases import ipinfo, maxmind, write_database
from tests.once import Scanned

SAMPLE = ROOT / "data" / "geoip" / "city.mmdb"
ALIASES = ("2002::/16", "2001::/32")

Layout = Callable[..., dict[str, Any]]


@pytest.fixture
def copies(tmp_path: Path) -> VerifiedCopies:
    return VerifiedCopies(tmp_path / "geoip")


def built(copies: VerifiedCopies, *paths: Path) -> PlaceLookup:
    return PlaceLookup(copies.path_of(scan(paths, copies).database))


def text(address: int) -> str:
    return str(ipaddress.IPv4Address(address) if address < 1 << 32 else ipaddress.IPv6Address(address))


def edges(paths: Sequence[Path], most: int) -> Iterator[str]:
    """The first and last addresses of the networks in these files, and those beside them; of a level with
    more networks, `most` of these."""
    rng = random.Random(1)
    for path in paths:
        for level in MmdbFile(path).walk():
            length = level.length + (96 if level.version == 4 else 0)
            rows = range(len(level.high))
            for row in rows if len(rows) <= most else rng.sample(rows, most):
                first = int(level.high[row]) << 64 | int(level.low[row])
                after = first + (1 << (128 - length))
                yield from (text(a) for a in (first - 1, first, after - 1, after) if 0 <= a < 1 << 128)


def at_random(count: int) -> Iterator[str]:
    """Addresses of both families in equal parts; the IPv6 ones are where networks are, and where IPv4
    addresses are in them."""
    rng = random.Random(2)
    for _ in range(count // 2):
        yield text(rng.getrandbits(32))
        ipv4 = rng.getrandbits(32)
        high = rng.choice(
            (
                0x2002 << 112 | ipv4 << 80,
                0x2001 << 112 | ipv4 << 64,
                0x2000 << 112 | rng.getrandbits(125),
                rng.choice((0x2001, 0x2400, 0x2600, 0x2804, 0x2A02)) << 112 | rng.getrandbits(28) << 84,
            )
        )
        yield text(high | rng.getrandbits(64))


def assert_equal(
    paths: Sequence[Path], lookup: PlaceLookup, count: int, most: int = 300, more: Sequence[str] = ()
) -> None:
    """Asserts that the places of so many random addresses, and of the edges of networks, are the vendors'."""
    cities, known = CityDatabase(paths), 0
    for address in (*at_random(count), *edges(paths, most), *more):
        if address.startswith("::ffff:"):  # which a client's address is not, because it is IPv4 by then
            continue
        expected = cities.place(address)
        assert lookup.place(address) == expected, address
        known += expected != UNKNOWN_PLACE
    assert known > 0
    assert lookup.failures == 0


# --- small databases of each layout ------------------------------------------------------------------


def some_networks(record: Layout, seed: int, ipv6: bool = True) -> dict[str, Any]:
    """Some hundred networks of both families, many beside each other and in the same place."""
    rng = random.Random(seed)
    networks: dict[str, Any] = {}

    def somewhere() -> dict[str, Any]:
        north, east = rng.choice(((50.1, 8.6), (50.9, 8.1), (-33.9, 151.2), (-17.0, -179.9), (0.5, -0.5)))
        country = rng.choice(("DE", "AU", "FJ"))
        return record(country, str(north), str(east)) if record is ipinfo else record(country, north, east)

    for block in range(60):
        networks[f"{rng.choice((9, 81, 198))}.{block}.{rng.randrange(256)}.0/24"] = somewhere()
        networks[f"203.0.{block}.{rng.randrange(128) * 2}/31"] = somewhere()
    if ipv6:
        for block in range(60):
            networks[f"2a02:{block:x}::/{rng.choice((32, 48, 64))}"] = somewhere()
            networks[f"2001:db8:{block:x}::{rng.randrange(9)}/{rng.choice((127, 128))}"] = somewhere()
    return networks


def maxmind_file(folder: Path, seed: int = 1, aliases: bool = True) -> Path:
    path = folder / f"maxmind{seed}.mmdb"
    return write_database(path, some_networks(maxmind, seed), ip_version=6, aliases=aliases)


def dbip_files(folder: Path, **more: Any) -> list[Path]:
    ipv4 = some_networks(dbip_record, 3, ipv6=False)
    ipv6 = {prefix: r for prefix, r in some_networks(dbip_record, 4).items() if ":" in prefix}
    return [
        write_database(folder / "4.mmdb", ipv4),
        write_database(folder / "6.mmdb", {**ipv6, **more}, ip_version=6),
    ]


CASES: dict[str, Callable[[Path], list[Path]]] = {
    "the sample": lambda _: [SAMPLE],
    "MaxMind": lambda folder: [maxmind_file(folder)],
    "MaxMind without aliases": lambda folder: [maxmind_file(folder, aliases=False)],
    "DB-IP": dbip_files,
    "DB-IP, IPv6 first": lambda folder: dbip_files(folder)[::-1],
    "IPinfo": lambda folder: [
        write_database(folder / "x.mmdb", some_networks(ipinfo, 5), "ipinfo standard", ip_version=6)
    ],
    "MaxMind twice": lambda folder: [maxmind_file(folder, 1), maxmind_file(folder, 2)],
    "MaxMind over DB-IP": lambda folder: [maxmind_file(folder), *dbip_files(folder)],
    "DB-IP over MaxMind": lambda folder: [*dbip_files(folder), maxmind_file(folder)],
    "6to4 of its own, below an alias": lambda folder: [
        maxmind_file(folder),
        *dbip_files(folder, **{prefix: dbip_record("US", 33.9, -118.4) for prefix in ALIASES}),
    ],
    "6to4 of its own, above an alias": lambda folder: [
        *dbip_files(folder, **{"2002::/18": dbip_record("US", 33.9, -118.4)}),
        maxmind_file(folder),
    ],
    "one place everywhere": lambda folder: [
        write_database(folder / "x.mmdb", {p: maxmind("LU", 49.6, 6.1) for p in ("0.0.0.0/1", "128.0.0.0/1")})
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_vendors(tmp_path: Path, copies: VerifiedCopies, case: str) -> None:
    """Every address has the place of the vendor's record, whatever the layout, and however many files there
    are: the first one with a record counts."""
    paths = CASES[case](tmp_path)
    loopback = ("127.0.0.1", "::1") if case == "the sample" else ()
    assert_equal(paths, built(copies, *paths), count=2_000, most=50, more=loopback)


@pytest.mark.parametrize(
    "name", ["GeoIP2-City-Test", "GeoLite2-City-Test", "GeoIP2-Country-Test", "GeoLite2-Country-Test"]
)
def test_equal_to_maxmind(real_data: Path, copies: VerifiedCopies, name: str) -> None:
    """Also in MaxMind's own test databases, of cities and of countries."""
    path = real_data / "geoip" / f"{name}.mmdb"
    assert_equal([path], built(copies, path), count=2_000, most=50)


def test_a_record_without_a_place_counts(tmp_path: Path, copies: VerifiedCopies) -> None:
    """Where the first file has a record that tells no place, the second is not asked."""
    networks = {"192.0.2.0/25": {"traits": {}}, "9.0.0.0/8": maxmind("LU", 49.6, 6.1)}
    first = write_database(tmp_path / "1.mmdb", networks)
    second = write_database(tmp_path / "2.mmdb", {"192.0.2.0/24": maxmind("DE", 50.1, 8.6)})
    lookup = built(copies, first, second)
    assert [lookup.place("192.0.2.1"), lookup.place("192.0.2.129")] == ["", "DE/50/8"]
    assert_equal([first, second], lookup, count=100)


def test_a_record_that_cannot_be_read_does_not_count(tmp_path: Path, copies: VerifiedCopies) -> None:
    """It is as in the vendor's database: the next file is asked."""
    records = {f"192.0.{n}.0/24": dbip_record("LU", 49.6, 6.1, postcode=f"no {n:03}") for n in range(256)}
    first = write_database(tmp_path / "1.mmdb", records)
    first.write_bytes(first.read_bytes().replace(b"no 077", b"no \xff\xff\xff"))  # is not UTF-8
    second = write_database(tmp_path / "2.mmdb", {"192.0.0.0/16": dbip_record("DE", 50.1, 8.6)})
    lookup = built(copies, first, second)
    assert [lookup.place("192.0.0.1"), lookup.place("192.0.77.1")] == ["LU/49/6", "DE/50/8"]
    assert CityDatabase([first, second]).place("192.0.77.1") == "DE/50/8"


def test_mapped_addresses_are_ipv4(tmp_path: Path, copies: VerifiedCopies) -> None:
    """nginx sees IPv4 clients as ::ffff:192.0.2.1 where it listens to both families on one socket."""
    lookup = built(copies, *dbip_files(tmp_path))
    addresses = [a for a in at_random(100) if "." in a] + ["203.0.7.8"]
    assert [lookup.place(f"::ffff:{a}") for a in addresses] == [lookup.place(a) for a in addresses]


def test_what_is_equal_is_merged(tmp_path: Path, copies: VerifiedCopies) -> None:
    """However a vendor cuts a place into networks, the database is the same, byte for byte. It says when the
    oldest of its sources was built."""
    towns = [maxmind("DE", 50.0 + n / 100, 8.5, city={"names": {"en": f"Town {n}"}}) for n in range(64)]
    pieces = {f"192.0.2.{4 * n}/30": town for n, town in enumerate(towns)}
    whole = {"192.0.2.0/24": towns[0]}
    newer = write_database(tmp_path / "x.mmdb", {"9.0.0.0/8": towns[0]}, built_at_s=1_800_000_000)
    tables = [
        scan([write_database(tmp_path / f"{name}.mmdb", networks, built_at_s=1_700_000_000), newer], copies)
        for name, networks in (("pieces", pieces), ("whole", whole))
    ]
    assert tables[0].database == tables[1].database
    path = copies.path_of(tables[0].database)
    assert PlaceLookup(path).build_epoch == 1_700_000_000
    with maxminddb.open_database(path) as reader:
        assert reader.get_with_prefix_len("192.0.2.77") == ("DE/50/8", 24)
        assert reader.get_with_prefix_len("::ffff:192.0.2.77") == ("DE/50/8", 120)


# --- DB-IP City Lite ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_dbip_is_small(scanned_dbip: Scanned) -> None:
    """The real world is built within 800 MB of memory, and has at most 64 MB (26 MB in 2026)."""
    assert scanned_dbip.database.stat().st_size <= 64e6
    assert scanned_dbip.peak_mb <= 800


@pytest.mark.slow
def test_equal_to_dbip(dbip: list[Path], scanned_dbip: Scanned) -> None:
    """200,000 random addresses of both families, and the edges of many networks, have their places."""
    assert_equal(dbip, PlaceLookup(scanned_dbip.database), count=200_000)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["MaxMind", "DB-IP", "IPinfo"])
def test_equal_everywhere(tmp_path: Path, copies: VerifiedCopies, case: str) -> None:
    """The same number of addresses in the small databases of each layout."""
    paths = CASES[case](tmp_path)
    assert_equal(paths, built(copies, *paths), count=200_000)
